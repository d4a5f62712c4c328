"""DirectorGenPipeline against a hand-written loop, and what must hold for every plan, call and component.

Against diffusers' own Wan pipelines it is held in test_parity.py.
"""

import json
import logging
import shutil

import accelerate
import numpy as np
import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from PIL import Image
from torch.testing import assert_close

from smartdirector_lite.gen.base import OUTPUT_TYPES
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.gen.transformer import DirectorTransformer3DModel, DirectorTransformerBlock
from smartdirector_lite.media.size import Size
from smartdirector_lite.timeline import ChunkPlan
from smartdirector_lite.training.text import CAPTION_TOKENS
from smartdirector_lite.vae import decode, decode_clip, encode_clip, encode_conditions

HEIGHT, WIDTH = 32, 48
PROMPT, NEGATIVE = "a red ball rolls over the hill", "blue"
CALL = {
    "height": HEIGHT,
    "width": WIDTH,
    "num_inference_steps": 3,
    "guidance_scale": 3.0,
    "max_sequence_length": 16,
    "output_type": "pt",
}
SCHEDULERS = {
    "unipc": lambda: UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=5.0
    ),
    "euler": lambda: FlowMatchEulerDiscreteScheduler(shift=3.0),
    "fresh noise": lambda: FlowMatchEulerDiscreteScheduler(shift=3.0, stochastic_sampling=True),
}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """A smooth random picture; size (width, height)."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def footage(num_frames: int, seed: int = 50) -> list[Image.Image]:
    return [picture(seed + i) for i in range(num_frames)]


@pytest.fixture
def wan(wan_folder) -> WanPipeline:
    pipeline = WanPipeline.from_pretrained(wan_folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def own(wan_folder) -> DirectorGenPipeline:
    """A pipeline of the test's own, to be changed."""
    pipeline = DirectorGenPipeline.from_pretrained(wan_folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def with_scheduler(pipeline, name: str):
    """The same components with another scheduler; schedulers keep state, so each pipeline gets one of its own."""
    parts = {**pipeline.components, "scheduler": SCHEDULERS[name]()}
    result = type(pipeline)(**parts)
    result.set_progress_bar_config(disable=True)
    return result


@pytest.fixture
def calls(gen):
    """The timesteps of every pass through the transformer of `gen`, in a list that grows."""
    seen = []
    handle = gen.transformer.register_forward_pre_hook(lambda module, args: seen.append(args[1]))
    yield seen
    handle.remove()


# ---------------------------------------------------------------- a hand-written loop is the oracle

PLACEMENTS = {  # num_frames, {frame: how many frames are given}, cuts
    "none": (14, {}, []),
    "first": (14, {0: 1}, []),
    "middle": (14, {6: 1}, []),
    "last": (14, {13: 1}, []),
    "the worked example": (30, {0: 1, 13: 1, 23: 1}, []),
    "neighbours": (10, {0: 1, 4: 1, 5: 1, 6: 1}, []),
    "clip and keyframes": (22, {0: 5, 9: 1, 14: 3, 21: 1}, []),
    "extension forward": (14, {0: 9}, []),
    "extension backward": (14, {9: 5}, []),
    "in between": (15, {0: 3, 10: 5}, []),
    "cut without keyframe": (13, {0: 1}, [6]),
    "cut at a keyframe, frame 0 free": (13, {6: 1}, [6, 10]),
    "one frame": (1, {}, []),
    "two frames": (2, {1: 1}, []),
}


def conditions_for(given: dict[int, int]) -> list[VideoCondition]:
    """Keyframes as images, clips as videos; not in time order."""
    made = [
        VideoCondition(image=picture(frame), frame_index=frame)
        if length == 1
        else VideoCondition(video=footage(length, 50 + frame), frame_index=frame)
        for frame, length in given.items()
    ]
    return made[::-1]


@pytest.mark.parametrize("rope", ["frame_time", "restart"])
@pytest.mark.parametrize("name", PLACEMENTS)
@torch.no_grad()
def test_any_placement_equals_a_hand_written_loop(gen, name, rope):
    """Euler without guidance, in a few lines, with the pieces that have tests of their own."""
    num_frames, given, cuts = PLACEMENTS[name]
    pipeline, conditions = with_scheduler(gen, "euler"), conditions_for(given)
    call = {**CALL, "num_frames": num_frames, "guidance_scale": 1.0, "conditions": conditions, "cuts": cuts}
    latents = pipeline(PROMPT, **call | {"output_type": "latent"}, rope=rope, generator=rng()).frames
    plan = ChunkPlan.build(num_frames, [condition.placement() for condition in conditions], 4, cuts)
    assert pipeline.plan(num_frames, conditions, cuts) == plan
    x = torch.randn(1, 8, plan.num_latents, HEIGHT // 8, WIDTH // 8, generator=rng())
    anchors = torch.tensor(plan.anchors)
    if conditions:
        videos = [condition.to_tensor(Size(WIDTH, HEIGHT)) for condition in conditions]
        x[:, :, anchors] = encode_conditions(pipeline.vae, plan, videos)[:, :, anchors]
    text = pipeline.encode_prompt(PROMPT, max_sequence_length=16)[0]
    scheduler = SCHEDULERS["euler"]()
    scheduler.set_timesteps(3)
    steps = scheduler.sigmas.diff()
    for t, step in zip(scheduler.timesteps, steps, strict=True):
        timestep = torch.where(anchors, 0.0, t)[None]
        velocity = pipeline.transformer(x, timestep, text, tau=plan.tau(rope)).sample
        x[:, :, ~anchors] += step * velocity[:, :, ~anchors]
    assert_close(latents, x, atol=1e-4, rtol=0)
    frames = pipeline(PROMPT, **call, rope=rope, generator=rng()).frames
    assert frames.shape == (1, num_frames, 3, HEIGHT, WIDTH)
    assert_close(frames, (decode(pipeline.vae, plan, x).transpose(1, 2) + 1) / 2, atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_scheduler_that_draws_noise_draws_it_from_the_generator(gen):
    pipeline, condition = with_scheduler(gen, "fresh noise"), VideoCondition(image=picture(), frame_index=6)
    call = {**CALL, "num_frames": 14, "guidance_scale": 1.0, "conditions": [condition], "output_type": "latent"}
    latents = pipeline(PROMPT, **call, generator=rng()).frames
    plan, generator = pipeline.plan(14, [condition]), rng()
    anchors = torch.tensor(plan.anchors)
    anchor = encode_conditions(pipeline.vae, plan, [condition.to_tensor(Size(WIDTH, HEIGHT))])[:, :, anchors]
    text = pipeline.encode_prompt(PROMPT, max_sequence_length=16)[0]
    scheduler = SCHEDULERS["fresh noise"]()
    scheduler.set_timesteps(3)
    guess = torch.zeros(1, 8, plan.num_latents, HEIGHT // 8, WIDTH // 8)
    for now in scheduler.sigmas[:-1]:
        x = (1 - now) * guess + now * torch.randn(guess.shape, generator=generator)
        x[:, :, anchors] = anchor
        guess = x - now * pipeline.transformer(x, torch.where(anchors, 0.0, 1000 * now)[None], text, tau=plan.tau())[0]
        guess[:, :, anchors] = anchor
    assert_close(latents, guess, atol=1e-4, rtol=0)
    several = pipeline([PROMPT] * 2, **call, generator=[rng(1), rng()]).frames
    assert_close(several[1], latents[0], atol=1e-4, rtol=0)


# ---------------------------------------------------------------- keyframes


@pytest.mark.parametrize("name", [name for name, (_, given, _) in PLACEMENTS.items() if given])
@torch.no_grad()
def test_what_is_given_comes_back_as_from_the_vae_alone(gen, name):
    num_frames, given, cuts = PLACEMENTS[name]
    conditions = conditions_for(given)
    plan = gen.plan(num_frames, conditions, cuts)
    wild = 30 * torch.randn(1, 8, plan.num_latents, HEIGHT // 8, WIDTH // 8, generator=rng(1))
    call = {**CALL, "num_frames": num_frames, "conditions": conditions, "cuts": cuts}
    for latents in (None, wild):
        frames = gen(PROMPT, **call, latents=latents, generator=rng()).frames[0].transpose(0, 1)
        for condition in conditions:
            place = condition.placement()
            alone = decode_clip(gen.vae, encode_clip(gen.vae, condition.to_tensor(Size(WIDTH, HEIGHT))))[0]
            shown = frames[:, place.frame_index : place.stop]
            assert_close(shown * 2 - 1, alone[:, : place.num_frames], atol=1e-5, rtol=0)


def test_what_is_not_given_follows_seed_text_and_rope(gen):
    call = {**CALL, "num_frames": 14, "conditions": [VideoCondition(image=picture(), frame_index=6)]}
    free = [frame for frame in range(14) if frame != 6]
    frames = gen(PROMPT, **call, generator=rng()).frames[0]
    assert torch.equal(frames, gen(PROMPT, **call, generator=rng()).frames[0])
    changes = [
        gen(PROMPT, **call, generator=rng(1)),
        gen("two friends meet at night", **call, generator=rng()),
        gen(PROMPT, **call, generator=rng(), rope="restart"),
        gen(PROMPT, **call | {"conditions": [VideoCondition(image=picture(9), frame_index=6)]}, generator=rng()),
    ]
    for other in changes:
        assert (other.frames[0] - frames)[free].abs().amax(dim=(1, 2, 3)).min() > 1e-5


def test_everything_given_needs_no_step(gen, calls):
    clip = VideoCondition(video=footage(6))
    frames = gen(PROMPT, **CALL, num_frames=6, conditions=[clip], generator=rng()).frames[0]
    alone = decode_clip(gen.vae, encode_clip(gen.vae, clip.to_tensor(Size(WIDTH, HEIGHT))))[0, :, :6]
    assert_close(frames.transpose(0, 1) * 2 - 1, alone, atol=1e-5, rtol=0)
    assert calls == []


@pytest.mark.parametrize("as_what", ["array", "tensor", "list of arrays", "larger"])
def test_conditions_may_come_in_any_form(gen, as_what):
    images = footage(3)
    array = np.stack([np.asarray(image) for image in images])
    tensor = torch.from_numpy(array).permute(3, 0, 1, 2) / 127.5 - 1
    expected = VideoCondition(video=images).to_tensor(Size(WIDTH, HEIGHT))
    if as_what == "larger":
        big = picture(size=(3 * WIDTH, 5 * HEIGHT))
        left = VideoCondition(image=big).to_tensor(Size(WIDTH, HEIGHT))
        fitted = big.crop((0, HEIGHT, 3 * WIDTH, 4 * HEIGHT)).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        right = VideoCondition(image=fitted).to_tensor(Size(WIDTH, HEIGHT))
        assert_close(left, right, atol=0.02, rtol=0)
    else:
        video = {"array": array, "tensor": tensor, "list of arrays": list(array)}[as_what]
        assert torch.equal(VideoCondition(video=video).to_tensor(Size(WIDTH, HEIGHT)), expected)
        one = VideoCondition(image=tensor[:, 0] if as_what == "tensor" else array[0]).to_tensor(Size(WIDTH, HEIGHT))
        assert torch.equal(one, expected[:, :, :1])
    assert expected.min() >= -1 and expected.max() <= 1 and expected.dtype == torch.float32


# ---------------------------------------------------------------- calling conventions


def test_batch_and_copies_equal_single_calls(gen):
    prompts = [PROMPT, "a blue bird jumps"]
    call = {**CALL, "num_frames": 6, "conditions": [VideoCondition(image=picture(), frame_index=3)]}
    single = [gen(prompts[i // 2], NEGATIVE, **call, generator=rng(i)).frames[0] for i in range(4)]
    both = gen(prompts, NEGATIVE, **call, num_videos_per_prompt=2, generator=[rng(i) for i in range(4)]).frames
    assert_close(both, torch.stack(single), atol=1e-4, rtol=0)
    assert (single[0] - single[1]).abs().max() > 1e-3


def test_embeddings_do_for_texts_and_need_no_encoder(gen):
    call = {**CALL, "num_frames": 5}
    expected = gen([PROMPT] * 2, [NEGATIVE] * 2, **call, generator=rng()).frames
    positive, negative = gen.encode_prompt(PROMPT, NEGATIVE, max_sequence_length=16)
    parts = {**gen.components, "tokenizer": None, "text_encoder": None, "scheduler": SCHEDULERS["unipc"]()}
    bare = DirectorGenPipeline(**parts)
    bare.set_progress_bar_config(disable=True)
    embeds = {"prompt_embeds": positive, "negative_prompt_embeds": negative}
    copies = bare(**embeds, **call, num_videos_per_prompt=2, generator=rng()).frames
    assert_close(copies, expected, atol=1e-5, rtol=0)
    texts = [PROMPT, "two friends meet at night"]
    several = dict(zip(embeds, gen.encode_prompt(texts, ["", "blue"], max_sequence_length=16), strict=True))
    expected = gen(texts, ["", "blue"], **call, num_videos_per_prompt=2, generator=rng()).frames
    copies = bare(**several, **call, num_videos_per_prompt=2, generator=rng()).frames
    assert_close(copies, expected, atol=1e-5, rtol=0)
    assert torch.equal(gen(**embeds, **call, generator=rng()).frames, bare(**embeds, **call, generator=rng()).frames)
    unguided = {**call, "guidance_scale": 1.0}
    expected = gen(PROMPT, **unguided, generator=rng()).frames
    alone = bare(prompt_embeds=positive, **unguided, generator=rng()).frames
    assert_close(alone, expected, atol=1e-5, rtol=0)


def test_text_longer_than_the_tokenizer_takes_is_named(gen, caplog):
    logger = logging.getLogger("smartdirector_lite.gen.base")
    logger.addHandler(caplog.handler)
    call = {**CALL, "num_frames": 1, "num_inference_steps": 1, "max_sequence_length": 512, "guidance_scale": 1.0}
    try:
        gen(PROMPT, **call)
        assert not caplog.records
        gen("ball " * 200 + "at night", **call)
    finally:
        logger.removeHandler(caplog.handler)
    assert f"more than {CAPTION_TOKENS} tokens" in caplog.text and "at night" in caplog.text


@pytest.mark.parametrize(("guidance_scale", "passes"), [(0.0, 1), (1.0, 1), (1.5, 2)])
def test_guidance_takes_a_second_pass_only_where_it_acts(gen, calls, guidance_scale, passes):
    gen(PROMPT, **CALL | {"guidance_scale": guidance_scale}, num_frames=5)
    assert len(calls) == 3 * passes


def test_anchors_have_timestep_0_and_the_others_share_one(gen, calls):
    gen(PROMPT, **CALL, num_frames=10, conditions=[VideoCondition(image=picture(), frame_index=4)])
    expected = [[t, 0, t, t] for t in gen.scheduler.timesteps.tolist() for _ in range(2)]
    anchored = [row.tolist()[0] for row in calls]
    assert gen.plan(10, [VideoCondition(image=picture(), frame_index=4)]).anchors == [False, False, True, False, False]
    assert [[row[0], row[2], row[3], row[4]] for row in anchored] == expected


def test_output_types_agree(gen):
    call = {**CALL, "num_frames": 6, "conditions": [VideoCondition(image=picture(), frame_index=2)]}
    made = {kind: gen(PROMPT, **call | {"output_type": kind}, generator=rng()).frames for kind in OUTPUT_TYPES}
    assert made["np"].shape == (1, 6, HEIGHT, WIDTH, 3) and made["np"].min() >= 0 and made["np"].max() <= 1
    np.testing.assert_allclose(made["pt"].permute(0, 1, 3, 4, 2).numpy(), made["np"], atol=1e-6)
    pil = np.stack([np.asarray(image) for image in made["pil"][0]])
    np.testing.assert_array_equal(pil, (made["np"][0] * 255).round().astype(np.uint8))
    plan = gen.plan(6, call["conditions"])
    video = (decode(gen.vae, plan, made["latent"]) + 1) / 2
    assert_close(video.transpose(1, 2), made["pt"], atol=1e-6, rtol=0)
    as_tuple = gen(PROMPT, **call, return_dict=False, generator=rng())
    assert isinstance(as_tuple, tuple) and torch.equal(as_tuple[0], made["pt"])


# ---------------------------------------------------------------- callbacks


def test_callback_sees_every_step_and_can_change_it(gen):
    seen = []
    condition = VideoCondition(image=picture(), frame_index=0)

    def look(pipeline, i, t, tensors):
        seen.append((i, int(t), tensors["latents"].clone(), sorted(tensors)))
        return {"latents": torch.zeros_like(tensors["latents"])} if i == 2 else {}

    names = ["latents", "prompt_embeds"]
    call = {**CALL, "num_frames": 9, "conditions": [condition], "output_type": "latent", "num_inference_steps": 3}
    latents = gen(
        PROMPT, **call, generator=rng(), callback_on_step_end=look, callback_on_step_end_tensor_inputs=names
    ).frames
    assert [(i, t, keys) for i, t, _, keys in seen] == [
        (i, int(t), names) for i, t in enumerate(gen.scheduler.timesteps)
    ]
    anchor = encode_clip(gen.vae, condition.to_tensor(Size(WIDTH, HEIGHT)))
    for _, _, state, _ in seen:
        assert_close(state[:, :, :1], anchor, atol=1e-6, rtol=0)
    assert_close(latents[:, :, :1], anchor, atol=1e-6, rtol=0)  # a callback can't move an anchor
    assert torch.equal(latents[:, :, 1:], torch.zeros_like(latents[:, :, 1:]))
    undisturbed = gen(PROMPT, **call, generator=rng()).frames
    assert torch.equal(seen[-1][2], undisturbed)


def test_progress_bar_counts_the_steps(gen, capsys):
    gen.set_progress_bar_config(desc="Steps here")
    gen(PROMPT, **CALL, num_frames=1)
    assert "Steps here" in (bar := capsys.readouterr().err) and "3/3" in bar


# ---------------------------------------------------------------- loading, saving, adopting


def test_a_plain_wan_folder_is_adopted_and_comes_back_from_a_saved_one(gen, wan_folder, tmp_path):
    assert type(gen.transformer) is DirectorTransformer3DModel
    assert all(type(block) is DirectorTransformerBlock for block in gen.transformer.blocks)
    call = {**CALL, "num_frames": 6, "conditions": [VideoCondition(image=picture(), frame_index=2)]}
    expected = gen(PROMPT, **call, generator=rng()).frames
    gen.save_pretrained(tmp_path / "saved")
    again = DirectorGenPipeline.from_pretrained(tmp_path / "saved")
    again.set_progress_bar_config(disable=True)
    assert type(again.transformer) is DirectorTransformer3DModel
    assert torch.equal(again(PROMPT, **call, generator=rng()).frames, expected)
    saved, original = (json.loads((f / "model_index.json").read_text()) for f in (tmp_path / "saved", wan_folder))
    assert saved == original and str(wan_folder) not in (tmp_path / "saved" / "model_index.json").read_text()


def test_a_folder_saved_before_wan_22_loads(gen, wan_folder, tmp_path):
    folder = shutil.copytree(wan_folder, tmp_path / "older")
    index = json.loads((folder / "model_index.json").read_text())
    for key in ("transformer_2", "boundary_ratio", "expand_timesteps"):
        del index[key]
    (folder / "model_index.json").write_text(json.dumps(index))
    older = DirectorGenPipeline.from_pretrained(folder)
    older.set_progress_bar_config(disable=True)
    call = {**CALL, "num_frames": 5}
    assert torch.equal(older(PROMPT, **call, generator=rng()).frames, gen(PROMPT, **call, generator=rng()).frames)


def test_components_may_be_left_out_where_they_are_not_needed(wan_folder, gen, tmp_path):
    only_text = DirectorGenPipeline.from_pretrained(wan_folder, transformer=None, vae=None)
    embeds = only_text.encode_prompt(PROMPT, NEGATIVE, max_sequence_length=16)
    no_text = DirectorGenPipeline.from_pretrained(wan_folder, text_encoder=None, tokenizer=None)
    no_text.set_progress_bar_config(disable=True)
    call = {**CALL, "num_frames": 5, "prompt_embeds": embeds[0], "negative_prompt_embeds": embeds[1]}
    frames = no_text(**call, generator=rng()).frames
    expected = gen(PROMPT, NEGATIVE, **CALL, num_frames=5, generator=rng()).frames
    assert_close(frames, expected, atol=1e-5, rtol=0)
    no_text.save_pretrained(tmp_path)
    again = DirectorGenPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    assert again.text_encoder is None and torch.equal(again(**call, generator=rng()).frames, frames)
    no_vae = DirectorGenPipeline.from_pretrained(wan_folder, vae=None)
    no_vae.set_progress_bar_config(disable=True)
    latents = no_vae(PROMPT, NEGATIVE, **CALL | {"output_type": "latent"}, num_frames=5, generator=rng()).frames
    assert_close(decode(gen.vae, gen.plan(5), latents).transpose(1, 2) / 2 + 0.5, expected, atol=1e-5, rtol=0)


def test_hooks_of_accelerate_outlive_adoption(gen, wan):
    accelerate.cpu_offload(wan.transformer, "cpu")
    hooked = DirectorGenPipeline(**{**wan.components, "scheduler": SCHEDULERS["unipc"]()})
    hooked.set_progress_bar_config(disable=True)
    assert type(hooked.transformer.blocks[0]) is DirectorTransformerBlock
    assert hooked.transformer.blocks[0].scale_shift_table.is_meta  # brought in by the hook, for each call
    call = {**CALL, "num_frames": 6, "conditions": [VideoCondition(image=picture(), frame_index=2)]}
    expected = gen(PROMPT, **call, generator=rng()).frames
    assert_close(hooked(PROMPT, **call, generator=rng()).frames, expected, atol=1e-5, rtol=0)


def test_a_compiled_transformer_is_taken(own, gen):
    own.transformer = torch.compile(own.transformer, backend="eager")
    again = DirectorGenPipeline(**{**own.components, "scheduler": SCHEDULERS["unipc"]()})
    again.set_progress_bar_config(disable=True)
    assert again.transformer is own.transformer
    call = {**CALL, "num_frames": 5}
    assert_close(again(PROMPT, **call, generator=rng()).frames, gen(PROMPT, **call, generator=rng()).frames)


def test_offloading_finds_its_parts_and_is_called_at_the_end(own, monkeypatch):
    """Offloading to an accelerator can't run here; the order it follows and the call that ends it can be seen."""
    in_order = own.model_cpu_offload_seq.split("->")
    modules = [name for name, part in own.components.items() if isinstance(part, torch.nn.Module)]
    assert set(modules) <= set(in_order)
    ended = []
    monkeypatch.setattr(type(own), "maybe_free_model_hooks", lambda self: ended.append(self))
    own(PROMPT, **CALL, num_frames=1)
    assert ended == [own]


def test_model_offloading_brings_every_part_in(own, gen):
    """On the CPU the hooks move nothing, but they run: each part is called through its own."""
    own.enable_model_cpu_offload(device="cpu")
    call = {**CALL, "num_frames": 6, "conditions": [VideoCondition(image=picture(), frame_index=2)]}
    used = set()
    for name in ("text_encoder", "transformer", "vae"):
        hook = getattr(own, name)._hf_hook
        original = hook.pre_forward
        hook.pre_forward = lambda *args, _name=name, _go=original, **kw: (used.add(_name), _go(*args, **kw))[1]
    assert torch.equal(own(PROMPT, **call, generator=rng()).frames, gen(PROMPT, **call, generator=rng()).frames)
    assert used == {"text_encoder", "transformer", "vae"}


def test_bfloat16_keeps_latents_and_anchors_in_float32(own):
    own.to(torch.bfloat16)
    condition = VideoCondition(image=picture(), frame_index=2)
    call = {**CALL, "num_frames": 6, "conditions": [condition], "output_type": "latent"}
    for name in SCHEDULERS:
        latents = with_scheduler(own, name)(PROMPT, **call, generator=rng()).frames
        assert latents.dtype == torch.float32
        assert (latents != latents.bfloat16().float()).float().mean() > 0.5  # no rounding on the way


# ---------------------------------------------------------------- what is refused

GOOD = VideoCondition(image=picture(), frame_index=2)
BAD_CALLS = {
    "size": ({"height": 33}, "size 48x33: the sides must be multiples of 16x16; the nearest size is 48x32"),
    "size of nothing": ({"width": 0}, "width must be from 1 to 16384, got 0"),
    "frames": ({"num_frames": 0}, "num_frames must be from 1 to 1000000, got 0"),
    "steps": ({"num_inference_steps": 0}, "num_inference_steps must be from 1 to 1000, got 0"),
    "endless steps": ({"num_inference_steps": 10**9}, "num_inference_steps must be from 1 to 1000"),
    "copies": ({"num_videos_per_prompt": 0}, "num_videos_per_prompt must be from 1 to 1000, got 0"),
    "length": ({"max_sequence_length": 0}, "max_sequence_length must be from 1 to 512, got 0"),
    "guidance": ({"guidance_scale": float("nan")}, "guidance_scale must be a number from 0 to 100, got nan"),
    "negative guidance": ({"guidance_scale": -1}, "guidance_scale must be a number from 0 to 100, got -1"),
    "guidance of words": ({"guidance_scale": "high"}, "guidance_scale must be a number from 0 to 100, got 'high'"),
    "output": ({"output_type": "mp4"}, "output_type must be one of pil, np, pt, latent, got 'mp4'"),
    "rope": ({"rope": "sinus"}, "tau scheme must be one of frame_time"),
    "no prompt": ({"prompt": None}, r"prompt: give a text \(an empty one, too\) or prompt_embeds"),
    "empty list": ({"prompt": []}, "prompt must be a text or a list of texts"),
    "number as prompt": ({"prompt": ["a", 3]}, "prompt must be a text or a list of texts"),
    "both": ({"prompt_embeds": torch.zeros(1, 4, 48)}, "prompt and prompt_embeds are both given"),
    "embeds": ({"prompt": None, "prompt_embeds": torch.zeros(1, 4, 7)}, r"prompt_embeds has shape \(1, 4, 7\)"),
    "negatives": ({"negative_prompt": ["a", "b"]}, "negative_prompt: 2 given for 1 prompts"),
    "latents": (
        {"latents": torch.zeros(1, 8, 1, 4, 6)},
        r"latents has shape .*; give a tensor \(1, 8, 3",
    ),
    "generators": ({"generator": [rng(), rng()]}, "generator: 2 for 1 videos"),
    "callback names": ({"callback_on_step_end_tensor_inputs": ["noise"]}, "noise"),
    "outside": (
        {"conditions": [VideoCondition(image=picture(), frame_index=6)]},
        r"conditions\[0\]: frame_index must be",
    ),
    "overlap": ({"conditions": [GOOD, GOOD]}, r"conditions\[0\] and conditions\[1\] both stand at frame 2"),
    "bare image": ({"conditions": [picture()]}, r"conditions\[0\] is a Image; write VideoCondition"),
    "tensor size": (
        {"conditions": [VideoCondition(image=torch.zeros(3, 8, 8))]},
        r"shape \(3, 8, 8\); give a tensor \(3, 32, 48\)",
    ),
    "tensor range": (
        {"conditions": [VideoCondition(image=torch.full((3, HEIGHT, WIDTH), 200.0))]},
        r"holds 200 to 200; scale it to \[-1, 1\]",
    ),
    "tensor of nan": (
        {"conditions": [VideoCondition(image=torch.full((3, HEIGHT, WIDTH), float("nan")))]},
        "holds nan to nan",
    ),
    "a path": ({"conditions": [VideoCondition(image="a.png")]}, "an image must be a uint8 array .* got str"),
    "float array": ({"conditions": [VideoCondition(image=np.zeros((4, 4, 3)))]}, "uint8 array"),
    "cut": ({"cuts": [6]}, "cut must be from 1 to 5, got 6"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls_are_refused_before_any_model_runs(gen, name, monkeypatch):
    changed, message = BAD_CALLS[name]
    for part in (gen.transformer, gen.text_encoder, gen.vae.encoder):
        monkeypatch.setattr(part, "forward", None)
    with pytest.raises(ValueError, match=message) as caught:
        gen(**{"prompt": PROMPT, **CALL, "num_frames": 6, **changed})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: VideoCondition(), "give an image"),
        (lambda: VideoCondition(image=picture(), video=footage(1)), "not both"),
        (lambda: VideoCondition(video=[]), "no frames"),
        (lambda: VideoCondition(video=torch.zeros(3, 0, 8, 8)), "no frames"),
        (lambda: VideoCondition(video=torch.zeros(3, 8, 8)), r"shape \(3, 8, 8\); give \(3, T, H, W\)"),
        (lambda: VideoCondition(video=iter(footage(2))), "give a list of images"),
        (lambda: VideoCondition(image=picture(), frame_index="1"), "frame_index must be a whole number, got '1'"),
        (lambda: VideoCondition(image=picture(), frame_index=1.5), "frame_index must be a whole number, got 1.5"),
    ],
)
def test_bad_conditions_are_refused(made, message):
    with pytest.raises(ValueError, match=message):
        made()


def test_calls_that_need_what_is_not_there_say_so(gen, wan_folder):
    bare = DirectorGenPipeline(**{**gen.components, "tokenizer": None, "text_encoder": None})
    with pytest.raises(ValueError, match="prompt: this pipeline has no text encoder; give prompt_embeds"):
        bare(PROMPT, **CALL)
    with pytest.raises(ValueError, match="negative_prompt_embeds: needed with guidance_scale > 1"):
        bare(prompt_embeds=torch.zeros(1, 4, 48), **CALL)
    with pytest.raises(ValueError, match="transformer: this pipeline was made without one"):
        DirectorGenPipeline(**{**gen.components, "transformer": None})(PROMPT, **CALL)
    with pytest.raises(ValueError, match="vae: this pipeline was made without one"):
        DirectorGenPipeline(**{**gen.components, "vae": None})(PROMPT, **CALL)


def tiny_transformer(**changes) -> WanTransformer3DModel:
    config = {"num_attention_heads": 1, "attention_head_dim": 12, "in_channels": 8, "out_channels": 8, "text_dim": 48}
    return WanTransformer3DModel(**{**config, "freq_dim": 8, "ffn_dim": 8, "num_layers": 1, **changes})


def test_models_of_another_kind_are_refused_and_left_as_they_were(gen):
    parts = {**gen.components}
    plain = tiny_transformer()
    with pytest.raises(ValueError, match="two transformers"):
        DirectorGenPipeline(**{**parts, "transformer_2": plain})
    with pytest.raises(ValueError, match="two transformers"):
        DirectorGenPipeline(**parts, boundary_ratio=0.9)
    with pytest.raises(ValueError, match="transformer takes 6 channels, the VAE gives 8"):
        DirectorGenPipeline(**{**parts, "transformer": tiny_transformer(in_channels=6)})
    with pytest.raises(ValueError, match="give a WanTransformer3DModel"):
        DirectorGenPipeline(**{**parts, "transformer": torch.nn.Linear(1, 1)})
    image_to_video = tiny_transformer(image_dim=16)
    with pytest.raises(ValueError, match="image-to-video checkpoint"):
        DirectorGenPipeline(**{**parts, "transformer": image_to_video})
    assert type(image_to_video) is WanTransformer3DModel
    cached = tiny_transformer()
    cached.forward = lambda *args, **kwargs: None  # as diffusers' own hooks replace it
    with pytest.raises(ValueError, match="make the pipeline first"):
        DirectorGenPipeline(**{**parts, "transformer": cached})
    assert type(cached) is WanTransformer3DModel and type(plain) is WanTransformer3DModel
