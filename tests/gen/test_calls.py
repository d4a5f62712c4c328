"""What a call of either pipeline takes and refuses: schedulers, texts, numbers of every kind, conditions."""

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from PIL import Image, ImageCms

from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.media.size import Size
from smartdirector_lite.sr.pipeline import DirectorSRPipeline

WIDTH, HEIGHT = 48, 32
PROMPT = "a red ball rolls over the hill"
CALL = {"height": HEIGHT, "width": WIDTH, "num_frames": 5, "num_inference_steps": 2, "output_type": "latent"}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(gen: DirectorGenPipeline, **changes) -> torch.Tensor:
    return gen(**{"prompt": PROMPT, "generator": rng(), **CALL, **changes}).frames


def picture(size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    small = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def sr(session_gen) -> DirectorSRPipeline:
    pipeline = DirectorSRPipeline.from_pipe(session_gen)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def with_scheduler(gen: DirectorGenPipeline, scheduler) -> DirectorGenPipeline:
    made = DirectorGenPipeline.from_pipe(gen, scheduler=scheduler)
    made.set_progress_bar_config(disable=True)
    return made


# ---------------------------------------------------------------- schedulers

EULER = FlowMatchEulerDiscreteScheduler(shift=3.0)
FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
FOLLOW = {
    "UniPC": UniPCMultistepScheduler.from_config(EULER.config, **FLOW),
    "DPM-Solver": DPMSolverMultistepScheduler.from_config(EULER.config, **FLOW),
    "Heun": FlowMatchHeunDiscreteScheduler(shift=3.0),
    "Euler with other options in its config": FlowMatchEulerDiscreteScheduler.from_config(
        UniPCMultistepScheduler().config, shift=3.0
    ),
}
DO_NOT = {
    "UniPC": UniPCMultistepScheduler.from_config(EULER.config),
    "UniPC without the times": UniPCMultistepScheduler(prediction_type="flow_prediction"),
    "UniPC without the prediction": UniPCMultistepScheduler(use_flow_sigmas=True),
    "DPM-Solver": DPMSolverMultistepScheduler.from_config(EULER.config),
    "Euler": EulerDiscreteScheduler.from_config(EULER.config),
    "Euler with options that it does not read": EulerDiscreteScheduler.from_config(FOLLOW["UniPC"].config),
    "DDIM": DDIMScheduler.from_config(EULER.config),
    "upside down": FlowMatchEulerDiscreteScheduler(invert_sigmas=True),
}


@pytest.mark.parametrize("name", FOLLOW)
def test_schedulers_that_follow_the_flow_come_to_the_same_video(gen, name):
    options = {"num_inference_steps": 40, "guidance_scale": 1.0}
    expected = make(with_scheduler(gen, EULER), **options)
    made = make(with_scheduler(gen, FOLLOW[name]), **options)
    assert (made - expected).abs().mean() < 0.03 * expected.abs().mean()


@pytest.mark.parametrize("name", DO_NOT)
def test_schedulers_that_follow_no_flow_are_refused(gen, name, monkeypatch):
    monkeypatch.setattr(gen.text_encoder, "forward", None)
    with pytest.raises(ValueError, match=r"scheduler: this \w+ does not follow a flow, as the model does; take \w+"):
        make(with_scheduler(gen, DO_NOT[name]))


def test_the_remedy_for_a_scheduler_works(gen):
    with pytest.raises(ValueError, match=r"flow_prediction', use_flow_sigmas=True, flow_shift=") as caught:
        make(with_scheduler(gen, DO_NOT["UniPC"]))
    assert "UniPCMultistepScheduler.from_config(..." in str(caught.value)


def test_director_sr_takes_its_own_steps_whatever_the_scheduler(sr):
    video = [picture()] * 2
    other = DirectorSRPipeline.from_pipe(sr, scheduler=DO_NOT["DDIM"])
    other.set_progress_bar_config(disable=True)
    assert np.array_equal(other(video).frames, sr(video).frames)


# ---------------------------------------------------------------- values that are not finite


@pytest.mark.parametrize("scale", [1e30, 101, float("inf"), float("nan"), -0.1])
def test_guidance_out_of_all_measure_is_refused(gen, scale):
    with pytest.raises(ValueError, match="guidance_scale must be a number from 0 to 100, got"):
        make(gen, guidance_scale=scale)


EMBEDS = torch.zeros(1, 4, 48)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["latents", "prompt_embeds", "negative_prompt_embeds"])
def test_given_tensors_must_be_finite(gen, name, value):
    good = {"latents": torch.zeros(1, 8, 2, HEIGHT // 8, WIDTH // 8)}.get(name, EMBEDS)
    bad = good.clone()
    bad.view(-1)[3] = value
    prompt = {} if name == "latents" else {"prompt": None, "prompt_embeds": EMBEDS, "negative_prompt_embeds": EMBEDS}
    make(gen, **{**prompt, name: good})
    for wrong in (bad, good.long()):
        with pytest.raises(ValueError, match=f"{name} holds values that are no finite floats"):
            make(gen, **{**prompt, name: wrong})


def test_a_model_that_makes_something_else_than_numbers_is_no_video(gen, sr):
    def poison(pipeline, step, timestep, tensors):
        return {"latents": tensors["latents"] * float("nan")}

    with pytest.raises(FloatingPointError, match=r"the model's values are not finite; load the model in float32"):
        make(gen, callback_on_step_end=poison)
    with pytest.raises(ValueError, match="latents holds values that are no finite floats"):
        sr(latents=torch.full((1, 8, 1, 4, 6), float("nan")), num_frames=1)
    broken = DirectorSRPipeline.from_pipe(sr, upsample="pixel")  # which has a transformer of its own
    broken.transformer.proj_out = torch.nn.Linear(48, 32)
    torch.nn.init.constant_(broken.transformer.proj_out.bias, float("inf"))
    broken.set_progress_bar_config(disable=True)
    with pytest.raises(FloatingPointError, match="not finite"):
        broken([picture()])
    assert np.isfinite(sr([picture()]).frames).all()


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
def test_embeddings_of_encode_prompt_give_the_video_of_the_texts(gen, guidance_scale):
    """The tokenizer's limit is less than the default length: both pad to it."""
    assert gen.tokenizer.model_max_length < 226
    call = {"prompt": None, "guidance_scale": guidance_scale}
    for texts in (("a red ball", None), ("a red ball", "night"), (["a red ball", "a blue bird"], ["night", "hill"])):
        embeds = gen.encode_prompt(*texts)
        given = make(gen, **call, prompt_embeds=embeds[0], negative_prompt_embeds=embeds[1])
        made = make(gen, **call | {"prompt": texts[0], "negative_prompt": texts[1]})
        assert torch.equal(given, made)
    one, two = (gen.encode_prompt("a red ball", "night", num_videos_per_prompt=number) for number in (1, 2))
    expected = make(gen, prompt="a red ball", negative_prompt="night", num_videos_per_prompt=2)
    for embeds, copies in ((two, 1), (one, 2)):
        given = {"prompt_embeds": embeds[0], "negative_prompt_embeds": embeds[1], "num_videos_per_prompt": copies}
        assert torch.equal(make(gen, prompt=None, **given), expected)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a \ud83d ball", "prompt holds half of a surrogate pair; leave it out"),
        (["a ball", "\udc00"], "prompt holds half of a surrogate pair"),
        (b"a ball", "prompt must be a text or a list of texts, got b'a ball'"),
        (("a", "b"), "prompt must be a text or a list of texts"),
        (7, "prompt must be a text or a list of texts"),
    ],
)
def test_what_is_no_text_is_refused(gen, prompt, message):
    with pytest.raises(ValueError, match=message):
        make(gen, prompt=prompt)
    with pytest.raises(ValueError, match=f"negative_{message}"):
        make(gen, negative_prompt=prompt)
    assert make(gen, prompt="😀 \ufffd \0").shape[0] == 1  # a whole pair is a text


# ---------------------------------------------------------------- numbers

KINDS = {"numpy": np.int64, "small": np.uint8, "float": float, "numpy float": np.float32, "torch": torch.tensor}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_kind_mean_the_same(gen, sr, kind):
    as_kind = KINDS[kind]

    def numbers(of):
        return {
            "height": of(HEIGHT),
            "width": of(WIDTH),
            "num_frames": of(9),
            "num_inference_steps": of(2),
            "num_videos_per_prompt": of(2),
            "max_sequence_length": of(16),
            "cuts": [of(4)],
            "conditions": [VideoCondition(image=picture(), frame_index=of(6))],
        }

    assert torch.equal(make(gen, **numbers(as_kind)), make(gen, **numbers(int)))
    video, large = [picture()] * 6, [VideoCondition(image=picture((96, 64)), frame_index=4)]
    options = {"num_frames": as_kind(6), "num_inference_steps": as_kind(2), "tile": as_kind(64), "cuts": [as_kind(3)]}
    expected = sr(video, large, num_frames=6, num_inference_steps=2, tile=64, cuts=[3]).frames
    same = [VideoCondition(image=picture((96, 64)), frame_index=as_kind(4))]
    assert np.array_equal(sr(video, same, **options).frames, expected)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, int])
def test_guidance_and_scale_of_every_kind_mean_the_same(gen, sr, kind):
    assert torch.equal(make(gen, guidance_scale=kind(3)), make(gen, guidance_scale=3.0))
    video = [picture()] * 2
    assert np.array_equal(sr(video, scale=kind(3)).frames, sr(video, scale=3.0).frames)


def test_whole_arrays_of_cuts_are_taken(gen):
    expected = make(gen, num_frames=9, cuts=[3, 6])
    for cuts in (np.array([3, 6]), (3, 6), torch.tensor([3, 6]), np.array([3.0, 6.0]), iter([6, 3])):
        assert torch.equal(make(gen, num_frames=9, cuts=cuts), expected)


# ---------------------------------------------------------------- what may be left out, and what may not


def test_nothing_means_nothing(gen, sr):
    expected = make(gen)
    for nothing in ({"conditions": None}, {"cuts": None}, {"conditions": np.array([])}, {"cuts": np.array([])}):
        assert torch.equal(make(gen, **nothing), expected)
    video = [picture()] * 2
    assert np.array_equal(sr(video, None, cuts=None).frames, sr(video).frames)


def test_a_single_condition_needs_no_list(gen, sr):
    condition = VideoCondition(image=picture(), frame_index=2)
    assert torch.equal(make(gen, conditions=condition), make(gen, conditions=[condition]))
    large = VideoCondition(image=picture((96, 64)), frame_index=1)
    video = [picture()] * 2
    assert np.array_equal(sr(video, large).frames, sr(video, [large]).frames)
    assert gen.plan(5, condition) == gen.plan(5, [condition])


def test_a_callback_may_return_nothing_or_see_nothing(gen):
    seen, expected = [], make(gen)

    def watch(pipeline, step, timestep, tensors):
        seen.append(sorted(tensors))

    for names, shown in ((("latents",), ["latents"]), (None, []), ((), []), ("prompt_embeds", ["prompt_embeds"])):
        options = {"callback_on_step_end": watch, "callback_on_step_end_tensor_inputs": names}
        assert torch.equal(make(gen, **options), expected)
        assert seen[-2:] == [shown, shown]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"generator": 42}, r"generator is a int; give torch.Generator\(\).manual_seed"),
        ({"generator": [42]}, "generator is a int"),
        ({"generator": np.random.default_rng()}, "generator is a Generator"),
        ({"generator": []}, "generator: 0 for 1 videos"),
        ({"generator": (rng(), rng())}, "generator: 2 for 1 videos"),
        ({"latents": "x"}, "latents has shape"),
        ({"latents": np.zeros((1, 8, 2, 4, 6))}, "latents has shape .*; give a tensor"),
        ({"attention_kwargs": "x"}, "attention_kwargs is a str; give a dict or None"),
        ({"callback_on_step_end": 3}, "callback_on_step_end is a int; give a function, or None"),
        ({"callback_on_step_end": lambda *args: 3}, "callback_on_step_end returned a int; return a dict"),
        (
            {"callback_on_step_end": lambda *args: {"latents": 3}},
            "latents that callback_on_step_end returned has",
        ),
        ({"callback_on_step_end_tensor_inputs": 3}, "callback_on_step_end_tensor_inputs: each must be one of"),
        ({"callback_on_step_end_tensor_inputs": "noise"}, "callback_on_step_end_tensor_inputs: each must be .*'noise'"),
        ({"conditions": 3}, r"conditions\[0\] is a int; write VideoCondition"),
        ({"conditions": picture()}, r"conditions\[0\] is a Image; write VideoCondition"),
        ({"conditions": {"a": 1}}, r"conditions\[0\] is a str; write VideoCondition"),
        ({"cuts": "x"}, "cut must be a whole number, got 'x'"),
        ({"cuts": [None]}, "cut must be a whole number, got None"),
        ({"height": 1e30}, "height must be from 1 to 16384"),
        ({"num_frames": 10**30}, "num_frames must be from 1 to"),
        ({"num_videos_per_prompt": 10**30}, "num_videos_per_prompt must be from 1 to 1000"),
        ({"max_sequence_length": 10**30}, "max_sequence_length must be from 1 to 512"),
        ({"output_type": None}, "output_type must be one of"),
        ({"rope": 3}, "tau scheme must be one of"),
    ],
)
def test_wrong_types_are_named(gen, changed, message):
    with pytest.raises(ValueError, match=message):
        make(gen, **changed)


WRONG = [None, True, -1, 2.5, 1e30, float("nan"), 1j, "x", b"x", [None], {"a": 1}, {1}, object(), int, "\ud800"]
WRONG += [np.array(["a"]), np.array(None), np.zeros((2, 2)), torch.zeros(3), torch.zeros(1, 4, 48, dtype=torch.cfloat)]
ARGUMENTS = {
    "gen": ["prompt", "negative_prompt", "height", "width", "num_frames", "num_inference_steps", "guidance_scale"]
    + ["num_videos_per_prompt", "generator", "latents", "prompt_embeds", "negative_prompt_embeds", "output_type"]
    + ["attention_kwargs", "callback_on_step_end", "callback_on_step_end_tensor_inputs", "max_sequence_length"]
    + ["conditions", "cuts", "rope"],
    "sr": ["video", "conditions", "scale", "latents", "num_frames", "num_inference_steps", "cuts", "rope", "upsample"]
    + ["tile", "output_type"],
}


@pytest.mark.parametrize(("stage", "name"), [(stage, name) for stage in ARGUMENTS for name in ARGUMENTS[stage]])
def test_wrong_types_never_raise_anything_but_a_value_error(gen, sr, stage, name):
    base = {"prompt": PROMPT, **CALL} if stage == "gen" else {"video": [picture((24, 16))] * 2}
    base["num_inference_steps"] = 1
    for wrong in WRONG:
        changed = {**base, name: wrong}
        if name == "callback_on_step_end" and wrong is int:
            continue  # it is called, and says itself what it does not take
        try:
            (gen if stage == "gen" else sr)(**changed)
        except ValueError as error:
            assert str(error), wrong


# ---------------------------------------------------------------- conditions


def test_a_negative_frame_index_counts_from_the_end(gen, sr):
    def at(frame: int, **clip) -> VideoCondition:
        return VideoCondition(**clip or {"image": picture()}, frame_index=frame)

    for negative, positive in ((-1, 8), (-9, 0), (-3, 6)):
        assert torch.equal(*(make(gen, num_frames=9, conditions=[at(frame)]) for frame in (negative, positive)))
    clip = [picture()] * 3
    assert gen.plan(9, at(-3, video=clip)).conditions == gen.plan(9, at(6, video=clip)).conditions
    video, large = [picture((24, 16))] * 5, picture()
    ends = [sr(video, [VideoCondition(image=large, frame_index=frame)]).frames for frame in (-1, 4)]
    assert np.array_equal(*ends)
    for bad in (at(-10), at(9)):
        with pytest.raises(ValueError, match=r"conditions\[0\]: frame_index must be from 0 to 8, or negative .*, got"):
            gen.plan(9, bad)
    with pytest.raises(ValueError, match=r"conditions\[0\] covers frames 8 to 10, but the video ends at frame 8"):
        gen.plan(9, at(-1, video=clip))
    with pytest.raises(ValueError, match="both stand at frame 8"):
        gen.plan(9, [at(-1), at(8)])


def sideways(size: tuple[int, int], path) -> Image.Image:
    """The picture of this size as a phone stores it: lying on its side, with an orientation that turns it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(size).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    return Image.open(path)


def test_photos_that_lie_on_their_side_are_turned_and_profiles_are_converted(tmp_path):
    def shown(**condition) -> torch.Tensor:
        return VideoCondition(**condition).to_tensor(Size(WIDTH, HEIGHT))

    photo = sideways((WIDTH, HEIGHT), tmp_path / "phone.png")
    assert photo.size == (HEIGHT, WIDTH)
    upright = shown(image=picture())
    assert torch.equal(shown(image=photo), upright)
    assert torch.equal(shown(video=[picture(), photo]), upright.repeat(1, 1, 2, 1, 1))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tagged = picture()
    tagged.info["icc_profile"] = profile
    assert (shown(image=tagged) - upright).abs().max() <= 2.01 / 255


def test_the_frames_of_a_video_go_by_their_size_upright(sr, tmp_path):
    photo = sideways((24, 16), tmp_path / "phone.png")
    small = picture((24, 16))
    expected = sr([small] * 3).frames
    for video in ([photo, small, small], [small, small, photo], [photo] * 3):
        assert np.array_equal(sr(video).frames, expected)
    assert expected.shape == (1, 3, 32, 48, 3)
    large = sideways((48, 32), tmp_path / "large.png")
    keyframes = [VideoCondition(image=one, frame_index=1) for one in (large, picture((48, 32)))]
    assert np.array_equal(*(sr([small] * 3, keyframe).frames for keyframe in keyframes))
    with pytest.raises(ValueError, match=r"video: a frame is 16x24, the first 24x16"):
        sr([photo, small.transpose(Image.Transpose.ROTATE_90)])


@pytest.mark.parametrize(
    "video",
    [np.array(None), np.zeros(3, np.uint8), np.zeros((4, 4, 3), np.uint8), torch.zeros(3, 4, 4), torch.zeros(())],
)
def test_a_video_of_another_shape_is_refused(video):
    with pytest.raises(ValueError, match=r"VideoCondition: video has shape \(.*\); give \("):
        VideoCondition(video=video)
