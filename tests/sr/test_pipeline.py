"""DirectorSRPipeline against a hand-written loop, the VAE alone, and itself called in other ways."""

import copy
import itertools
import json

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from PIL import Image
from tiny import STATISTICS, WAN22_VAE, random_restorer
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.gen.base import OUTPUT_TYPES
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.media.size import Size
from smartdirector_lite.sr.frames import resize, to_bytes
from smartdirector_lite.sr.pipeline import DirectorSRPipeline, SROptions
from smartdirector_lite.timeline import ChunkPlan
from smartdirector_lite.vae import decode, decode_clip, encode_clip, encode_conditions, encode_video

HEIGHT, WIDTH = 16, 24  # LR
CALL = {"num_inference_steps": 3, "output_type": "pt"}


def picture(seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """A smooth random picture; size (width, height)."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def footage(num_frames: int, seed: int = 50, size: tuple[int, int] = (WIDTH, HEIGHT)) -> list[Image.Image]:
    return [picture(seed + i, size) for i in range(num_frames)]


def as_tensor(images: list[Image.Image]) -> torch.Tensor:
    """(1, 3, T, H, W) in [-1, 1]."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(3, 0, 1, 2)[None] / 127.5 - 1


def large(seed: int, frame_index: int = 0, size: tuple[int, int] = (2 * WIDTH, 2 * HEIGHT)) -> VideoCondition:
    return VideoCondition(image=picture(seed, size), frame_index=frame_index)


def quiet(pipeline: DirectorSRPipeline) -> DirectorSRPipeline:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def with_parts(sr: DirectorSRPipeline, **parts) -> DirectorSRPipeline:
    return quiet(DirectorSRPipeline(**{**sr.components, **parts}))


@pytest.fixture(scope="module")
def sr() -> DirectorSRPipeline:
    torch.manual_seed(0)
    vae = AutoencoderKLWan(**WAN22_VAE, **STATISTICS).eval().requires_grad_(False)
    transformer = WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=24,
        in_channels=8,
        out_channels=8,
        text_dim=48,
        freq_dim=32,
        ffn_dim=96,
        num_layers=2,
        rope_max_seq_len=64,
    )
    return quiet(DirectorSRPipeline(None, None, vae, FlowMatchEulerDiscreteScheduler(), transformer.eval()))


@pytest.fixture(scope="module")
def idle(sr) -> DirectorSRPipeline:
    """Its transformer's output is zero."""
    transformer = copy.deepcopy(sr.transformer)
    torch.nn.init.zeros_(transformer.proj_out.weight)
    torch.nn.init.zeros_(transformer.proj_out.bias)
    return with_parts(sr, transformer=transformer)


def doubled(latents: torch.Tensor) -> torch.Tensor:
    """Frame by frame, bilinear."""
    frames = [F.interpolate(frame, scale_factor=2, mode="bilinear") for frame in latents.unbind(2)]
    return torch.stack(frames, dim=2)


def shown(sr: DirectorSRPipeline, plan: ChunkPlan, latents: torch.Tensor) -> torch.Tensor:
    """Latents as output_type "pt" shows them."""
    return (decode(sr.vae, plan, latents).transpose(1, 2) + 1) / 2


# ---------------------------------------------------------------- what it computes

PLACEMENTS = {  # num_frames, {frame: how many frames are given}, cuts
    "none": (7, {}, []),
    "first": (9, {0: 1}, []),
    "middle": (10, {6: 1}, []),
    "all sorts": (19, {0: 5, 9: 1, 12: 3, 18: 1}, [16]),
    "cut without keyframe": (8, {0: 1}, [5]),
    "one frame": (1, {}, []),
    "all given": (3, {0: 3}, []),
}


def conditions_for(given: dict[int, int]) -> list[VideoCondition]:
    """Not in time order."""
    size = (2 * WIDTH, 2 * HEIGHT)
    return [VideoCondition(video=footage(n, 7 * frame, size), frame_index=frame) for frame, n in given.items()][::-1]


@pytest.mark.parametrize("rope", ["frame_time", "restart"])
@pytest.mark.parametrize("name", PLACEMENTS)
@torch.no_grad()
def test_any_placement_equals_a_hand_written_loop(sr, name, rope):
    num_frames, given, cuts = PLACEMENTS[name]
    images, conditions = footage(num_frames), conditions_for(given)
    plan = ChunkPlan.build(num_frames, [condition.placement() for condition in conditions], 4, cuts)
    video, anchors = as_tensor(images), torch.tensor(plan.anchors)
    runs = [video[:, :, chunk.start : chunk.stop + chunk.overrun] for chunk in plan.chunks]
    start = x = doubled(torch.cat([encode_clip(sr.vae, run) for run in runs], dim=2))
    if conditions:
        videos = [condition.to_tensor(Size(2 * WIDTH, 2 * HEIGHT)) for condition in conditions]
        x = torch.where(anchors.view(1, 1, -1, 1, 1), encode_conditions(sr.vae, plan, videos), start)
    for t in (3 / 3, 2 / 3, 1 / 3):
        timestep = torch.where(anchors, 0.0, 1000 * t)[None]
        velocity = sr.transformer(x, timestep, torch.zeros(1, 1, 48), tau=plan.tau(rope)).sample
        x = torch.where(anchors.view(1, 1, -1, 1, 1), x, x - velocity / 3)
    call = {**CALL, "conditions": conditions, "cuts": cuts, "rope": rope}
    latents = sr(images, **call | {"output_type": "latent"}).frames
    assert_close(latents, x, atol=1e-4, rtol=0)
    assert_close(sr(images, **call).frames, shown(sr, plan, x), atol=1e-4, rtol=0)
    if not all(plan.anchors):
        assert (latents - start)[:, :, ~anchors].abs().max() > 0.1  # the comparison can fail


@pytest.mark.parametrize("options", [{}, {"tile": 32}])
def test_keyframes_come_back_as_from_the_vae_alone(sr, options):
    conditions = conditions_for({0: 1, 5: 3, 9: 1, 12: 1})
    frames = sr(footage(14), conditions, **CALL, **options).frames[0].transpose(0, 1) * 2 - 1
    for condition in conditions:
        place = condition.placement()
        alone = decode_clip(sr.vae, encode_clip(sr.vae, condition.to_tensor(Size(2 * WIDTH, 2 * HEIGHT))))[0]
        assert_close(frames[:, place.frame_index : place.stop], alone[:, : place.num_frames], atol=1e-5, rtol=0)


def test_what_is_not_given_follows_the_keyframes(sr):
    one, two = (sr(footage(9), [large(seed, 4)], **CALL).frames[0] for seed in (0, 1))
    assert (one - two).abs().amax(dim=(1, 2, 3)).min() > 1e-5


@pytest.mark.parametrize("tile", [None, 32])
def test_a_transformer_that_says_nothing_leaves_the_upsampled_latents(idle, tile):
    plan, images = ChunkPlan.build(11), footage(11, size=(48, 32))
    expected = shown(idle, plan, doubled(encode_video(idle.vae, plan, as_tensor(images))))
    assert_close(idle(images, **CALL, tile=tile).frames, expected, atol=1e-5, rtol=0)


def test_pixel_upsampling_enlarges_the_frames_before_they_are_encoded(idle):
    plan, video = ChunkPlan.build(6), as_tensor(footage(6))
    big = F.interpolate(video[0].transpose(0, 1), scale_factor=2, mode="bicubic", antialias=True).clamp(-1, 1)
    expected = shown(idle, plan, encode_video(idle.vae, plan, big.transpose(0, 1)[None]))
    frames = idle(footage(6), **CALL, upsample="pixel").frames
    assert_close(frames, expected, atol=1e-5, rtol=0)
    assert (frames - idle(footage(6), **CALL).frames).abs().max() > 1e-3
    trained_so = with_parts(idle, upsample="pixel")
    assert_close(trained_so(footage(6), **CALL).frames, frames, atol=0, rtol=0)
    with pytest.raises(ValueError, match="upsample is 'pixel', which needs frames"):
        trained_so(latents=torch.zeros(1, 8, 2, 2, 4), num_frames=5)


def test_weights_are_called_with_the_scheme_that_they_were_trained_with(sr, tmp_path):
    call = {**CALL, "conditions": [large(0, 3)]}
    counted = sr(footage(9), **call, rope="continuous").frames
    assert not torch.equal(counted, sr(footage(9), **call).frames)
    assert torch.equal(sr(footage(9), **call, rope="frame_time").frames, sr(footage(9), **call).frames)
    with_parts(sr, tau_scheme="continuous").save_pretrained(tmp_path)
    again = quiet(DirectorSRPipeline.from_pretrained(tmp_path))
    assert "tau_scheme" not in json.loads((tmp_path / "model_index.json").read_text())
    assert torch.equal(again(footage(9), **call).frames, counted)
    assert torch.equal(again(footage(9), **call, rope="frame_time").frames, sr(footage(9), **call).frames)
    arrays = [np.asarray(image) for image in footage(9)]
    stream = {"conditions": call["conditions"], "options": SROptions(steps=3)}
    assert np.array_equal(streamed(again, arrays, 9, **stream), to_bytes(counted[0].transpose(0, 1)[None] * 2 - 1))
    with pytest.raises(ValueError, match="tau_scheme must be one of frame_time"):
        with_parts(sr, tau_scheme="sinus")
    with pytest.raises(ValueError, match="tau scheme must be one of frame_time"):
        sr.stream(arrays, 9, (WIDTH, HEIGHT), options=SROptions(rope="sinus"))  # at once, and not at the first frame


@pytest.fixture(scope="module")
def restored(sr) -> DirectorSRPipeline:
    return with_parts(sr, restorer=random_restorer())


def by_hand(
    sr: DirectorSRPipeline, frames: torch.Tensor, small: torch.Tensor, given: dict, shots: list
) -> torch.Tensor:
    """frames (T, 3, 2H, 2W) restored by small ones, in [-1, 1]. given: frames by index. shots: where blocks meet."""
    parts = zip(range(len(frames)), frames.split(1), small.split(1), strict=True)
    parts = [(given.get(k, drawn), low, torch.tensor([k in given])) for k, drawn, low in parts]
    made = []
    for shot in shots:
        last = None
        for start, stop in itertools.pairwise(shot):
            made += sr.restorer.both_ways(parts[start:stop], last)
            last = made[-1]
    return torch.cat([restored.frame.clamp(-1, 1) for restored in made])


@pytest.mark.parametrize(("size", "scale"), [((WIDTH, HEIGHT), 2), ((36, 27), 2), ((WIDTH, HEIGHT), 1.5)])
@torch.no_grad()
def test_decoded_frames_are_restored_and_given_ones_are_shown_as_they_are(sr, restored, size, scale):
    images, keyframe = footage(11, size=size), large(0, 4, size=(2 * size[0], 2 * size[1]))
    call = {**CALL, "conditions": [keyframe], "cuts": [8]}
    frames, small = sr(images, **call).frames[0] * 2 - 1, as_tensor(images)[0].transpose(0, 1)
    given = {4: keyframe.to_tensor(Size(2 * size[0], 2 * size[1]))[:, :, 0]}
    expected = by_hand(restored, frames, small, given, shots=[[0, 5, 8], [8, 11]])
    assert (expected - frames).abs().amax(dim=(1, 2, 3)).min() > 0.01  # the comparison can fail
    assert torch.equal(expected[4], given[4][0])
    if scale != 2:
        expected = resize(expected.transpose(0, 1)[None], Size(*(round(scale * side) for side in size)))
        expected = expected[0].transpose(0, 1)
    made = restored(images, **call, scale=scale).frames[0] * 2 - 1
    assert_close(made, expected, atol=1e-5, rtol=0)
    options = {"num_frames": 11, "size": size, "conditions": [keyframe], "cuts": [8], "scale": scale}
    by_part = streamed(restored, iter(images), **options, options=SROptions(steps=3))
    assert abs(by_part.astype(int) - to_bytes(expected.transpose(0, 1)[None])).max() <= 1


def test_frames_are_restored_only_if_asked_and_if_there_are_small_ones(sr, restored):
    assert torch.equal(restored(footage(6), **CALL, restore=False).frames, sr(footage(6), **CALL).frames)
    latents = torch.randn(1, 8, 2, 2, 3)
    of_latents = (model(latents=latents, num_frames=5, **CALL).frames for model in (restored, sr))
    assert torch.equal(*of_latents)
    as_latents = {**CALL, "output_type": "latent"}
    assert torch.equal(restored(footage(5), **as_latents).frames, sr(footage(5), **as_latents).frames)


def test_a_saved_pipeline_keeps_its_restorer(restored, tmp_path):
    restored.save_pretrained(tmp_path)
    again = DirectorSRPipeline.from_pretrained(tmp_path)
    assert torch.equal(quiet(again)(footage(6), **CALL).frames, restored(footage(6), **CALL).frames)


# ---------------------------------------------------------------- what it takes and gives


def test_a_video_may_come_in_any_form(sr):
    images = footage(6)
    expected = sr(images, **CALL).frames
    assert expected.shape == (1, 6, 3, 2 * HEIGHT, 2 * WIDTH)
    array = np.stack([np.asarray(image) for image in images])
    for video in (array, list(array), as_tensor(images)[0]):
        assert torch.equal(sr(video, **CALL).frames, expected)


def test_latents_of_the_video_do_for_the_video(sr):
    images, conditions = footage(11), [large(0, 4)]
    latents = encode_video(sr.vae, sr.plan(11, conditions, [8]), as_tensor(images))
    call = {**CALL, "conditions": conditions, "cuts": [8]}
    assert_close(sr(latents=latents, num_frames=11, **call).frames, sr(images, **call).frames, atol=1e-4, rtol=0)


def test_output_types_agree(sr):
    call = {**CALL, "conditions": [large(0, 2)]}
    made = {kind: sr(footage(6), **call | {"output_type": kind}).frames for kind in OUTPUT_TYPES}
    assert made["np"].shape == (1, 6, 2 * HEIGHT, 2 * WIDTH, 3) and made["np"].min() >= 0 and made["np"].max() <= 1
    np.testing.assert_allclose(made["pt"].permute(0, 1, 3, 4, 2).numpy(), made["np"], atol=1e-6)
    pil = np.stack([np.asarray(image) for image in made["pil"][0]])
    np.testing.assert_array_equal(pil, (made["np"][0] * 255).round().astype(np.uint8))
    assert_close(shown(sr, sr.plan(6, call["conditions"]), made["latent"]), made["pt"], atol=1e-6, rtol=0)
    as_tuple = sr(footage(6), **call, return_dict=False)
    assert isinstance(as_tuple, tuple) and torch.equal(as_tuple[0], made["pt"])


@torch.no_grad()
def test_an_odd_size_is_padded_with_its_last_rows_and_columns_and_cut_again(sr):
    images, keyframe = footage(5, size=(36, 27)), large(0, 3, size=(72, 54))
    padded = as_tensor(images)[..., [*range(27), *[26] * 5], :][..., [*range(36), *[35] * 4]]
    big = keyframe.to_tensor(Size(72, 54))[..., [*range(54), *[53] * 10], :][..., [*range(72), *[71] * 8]]
    whole = sr(padded[0], [VideoCondition(image=big[0, :, 0], frame_index=3)], **CALL).frames
    frames = sr(images, [keyframe], **CALL).frames
    assert whole.shape == (1, 5, 3, 64, 80) and torch.equal(frames, whole[..., :54, :72])
    alone = decode_clip(sr.vae, encode_clip(sr.vae, big))[0, :, 0, :54, :72]
    assert_close(frames[0, 3] * 2 - 1, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [1, 1.5, 3, 2.0])
@pytest.mark.parametrize("size", [(36, 27), (WIDTH, HEIGHT)])
def test_another_scale_is_a_bicubic_resize_of_the_native_one(sr, scale, size):
    images = footage(5, size=size)
    native, frames = sr(images, **CALL).frames, sr(images, **CALL, scale=scale).frames
    out = (round(scale * size[1]), round(scale * size[0]))
    assert frames.shape == (1, 5, 3, *out) and frames.min() >= 0 and frames.max() <= 1
    resized = F.interpolate(native[0] * 2 - 1, size=out, mode="bicubic", antialias=scale != 2).clamp(-1, 1)
    assert_close(frames[0], (resized + 1) / 2, atol=1e-5, rtol=0)


# ---------------------------------------------------------------- part by part


def streamed(sr, frames, num_frames, size=(WIDTH, HEIGHT), **call) -> np.ndarray:
    parts = list(sr.stream(frames, num_frames, size, **call))
    assert [start for start, _ in parts] == np.cumsum([0, *(len(part) for _, part in parts[:-1])]).tolist()
    return np.concatenate([part for _, part in parts])


@pytest.mark.parametrize("scale", [2, 1.5])
def test_stream_gives_what_a_call_does(sr, scale):
    images, call = footage(11), {"conditions": [large(0, 4)], "cuts": [8], "scale": scale}
    expected = sr(images, **call, num_inference_steps=3, output_type="np").frames[0] * 255
    options = SROptions(steps=3)
    frames = streamed(sr, (np.asarray(image) for image in images), 11, **call, options=options)
    assert frames.dtype == np.uint8 and abs(frames - expected).max() <= 0.51
    latents = encode_video(sr.vae, sr.plan(11, call["conditions"], [8]), as_tensor(images))
    assert abs(streamed(sr, latents, 11, **call, options=options) - expected).max() <= 0.51


def test_stream_reads_a_window_ahead_and_no_more(sr):
    read = []

    def frames():
        for i, image in enumerate(footage(41)):
            read.append(i)
            yield np.asarray(image)

    parts = sr.stream(frames(), 41, (WIDTH, HEIGHT), options=SROptions(steps=1, window=4, overlap=1))
    assert read == []
    next(parts)
    assert len(read) == 1 + 4 * (4 - 1)
    assert len(list(parts)) == 11 - 1 and len(read) == 41


def test_windows_change_little_and_leave_keyframes_alone(sr, idle):
    """Little: against what the model does at all."""
    images, conditions = footage(45), [large(0), large(1, 21)]
    arrays = [np.asarray(image) for image in images]
    call = {"conditions": conditions, "options": SROptions(steps=3, window=6, overlap=2)}
    windowed, plain = streamed(sr, arrays, 45, **call), streamed(idle, arrays, 45, **call)
    whole = streamed(sr, arrays, 45, conditions=conditions, options=SROptions(steps=3))
    assert windowed.shape == whole.shape == (45, 2 * HEIGHT, 2 * WIDTH, 3)
    assert (windowed != whole).any()  # they are other passes
    apart, moved = (abs(a.astype(float) - whole).mean(axis=(1, 2, 3)) for a in (windowed, plain))
    free = [i for i in range(45) if i not in (0, 21)]
    assert apart[free].max() < 0.1 * moved[free].min()
    for frame in (0, 21):
        assert abs(windowed[frame].astype(int) - whole[frame]).max() <= 1


def test_each_window_is_restored_at_its_own_place_in_time(sr, monkeypatch):
    places, original = [], sr.transformer.rotary

    def seen(tau, *size, **device):
        places.append(tau)
        return original(tau, *size, **device)

    monkeypatch.setattr(sr.transformer, "rotary", seen)
    conditions = [large(0, 6), large(1, 19)]
    list(sr.stream(footage(30), 30, (WIDTH, HEIGHT), conditions, options=SROptions(steps=1, window=6, overlap=2)))
    tau = sr.plan(30, conditions).tau()
    assert tau == [0, 1, 1.25, 1.5, 2.5, 3.5, 4.5, 4.75, 5.75, 6.75, 7.25]
    assert places == [tau[0:6], tau[2:8], tau[5:11]]


def test_tiles_change_little(sr, idle):
    images = footage(5, size=(48, 32))
    whole, tiled, plain = (p(images, **CALL, tile=t).frames for p, t in ((sr, None), (sr, 32), (idle, None)))
    assert tiled.shape == whole.shape == (1, 5, 3, 64, 96) and not torch.equal(tiled, whole)
    assert (tiled - whole).abs().mean() < 0.1 * (plain - whole).abs().mean()


# ---------------------------------------------------------------- text, saving


def test_a_text_encoder_is_never_asked(wan_folder, monkeypatch):
    """A plain Wan folder brings an encoder; the transformer gets one zero vector all the same, as in training."""
    whole = quiet(DirectorSRPipeline.from_pretrained(wan_folder, scheduler=FlowMatchEulerDiscreteScheduler()))
    monkeypatch.setattr(whole.text_encoder, "forward", None)
    seen = []
    whole.transformer.register_forward_pre_hook(lambda module, args: seen.append(args[2]))
    whole(footage(3), **CALL)
    assert seen and all(torch.equal(text, torch.zeros(1, 1, 48)) for text in seen)


def test_it_is_saved_without_its_vae_and_loaded_with_that_of_the_first_stage(sr, tmp_path):
    with_parts(sr, vae=None).save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["_class_name"] == "DirectorSRPipeline" and "sigma_data" not in index
    assert index["transformer"] == ["diffusers", "WanTransformer3DModel"] and not (tmp_path / "vae").exists()
    again = quiet(DirectorSRPipeline.from_pretrained(tmp_path, vae=sr.vae))
    assert again.vae is sr.vae
    call = {**CALL, "conditions": [large(0, 2)]}
    assert torch.equal(again(footage(6), **call).frames, sr(footage(6), **call).frames)


# ---------------------------------------------------------------- what is refused

GOOD = torch.zeros(1, 8, 4, 2, 3)  # of 6 frames with a keyframe at frame 2
LATENTS = {"video": None, "latents": GOOD, "num_frames": 6}
BAD_CALLS = {
    "nothing": ({"video": None}, "give video or latents, and not both"),
    "both": ({"latents": GOOD}, "give video or latents, and not both"),
    "video of no frames": ({"video": []}, "video has no frames"),
    "a stream": ({"video": iter(footage(6))}, "video is a list_iterator; give a list of images"),
    "a path": ({"video": ["a.png"]}, "a frame is a str; give a PIL image"),
    "sizes that differ": ({"video": [*footage(5), picture(0, (8, 8))]}, r"video: a frame is 8x8, the first 24x16"),
    "range": ({"video": torch.full((3, 6, 16, 24), 200.0)}, r"holds 200 to 200; scale it to \[-1, 1\]"),
    "another length": ({"num_frames": 7}, "num_frames is 7, but video has 6 frames"),
    "latents of no length": ({**LATENTS, "num_frames": None}, "num_frames must be a whole number, got None"),
    "latents of another length": ({**LATENTS, "num_frames": 9}, r"latents has shape .*; give a tensor \(1, 8, 5, 2"),
    "latents of other channels": ({**LATENTS, "latents": GOOD[:, :7]}, r"latents has shape \(1, 7, 4, 2, 3\)"),
    "several latents": ({**LATENTS, "latents": GOOD.expand(2, -1, -1, -1, -1)}, r"latents has shape \(2, 8, 4, 2, 3\)"),
    "latents of another form": ({**LATENTS, "latents": GOOD[0]}, r"latents has shape \(8, 4, 2, 3\); give a tensor"),
    "latents as an array": ({**LATENTS, "latents": GOOD.numpy()}, "latents has shape .*; give a tensor"),
    "latents as pixels": ({**LATENTS, "upsample": "pixel"}, "upsample is 'pixel', which needs frames"),
    "scale": ({"scale": 0.5}, "scale must be a number from 1 to 8, got 0.5"),
    "large scale": ({"scale": 9}, "scale must be a number from 1 to 8, got 9"),
    "scale of nan": ({"scale": float("nan")}, "scale must be a number from 1 to 8, got nan"),
    "scale of words": ({"scale": "2x"}, "scale must be a number from 1 to 8, got '2x'"),
    "steps": ({"num_inference_steps": 0}, "num_inference_steps must be from 1 to 1000, got 0"),
    "rope": ({"rope": "sinus"}, "tau scheme must be one of frame_time"),
    "upsample": ({"upsample": "nearest"}, "upsample must be one of latent, pixel, got 'nearest'"),
    "small tile": ({"tile": 31}, "tile must be at least 32, got 31"),
    "half a tile": ({"tile": 64.5}, "tile must be a whole number, got 64.5"),
    "output": ({"output_type": "mp4"}, "output_type must be one of pil, np, pt, latent, got 'mp4'"),
    "bare image": ({"conditions": [picture()]}, r"conditions\[0\] is a Image; write VideoCondition"),
    "outside": ({"conditions": [large(0, 6)]}, r"conditions\[0\]: frame_index must be"),
    "overlap": ({"conditions": [large(0, 2), large(1, 2)]}, r"conditions\[0\] and conditions\[1\] both stand at"),
    "small tensor": (
        {"conditions": [VideoCondition(image=torch.zeros(3, HEIGHT, WIDTH))]},
        r"shape \(3, 16, 24\); give a tensor \(3, 32, 48\)",
    ),
    "cut": ({"cuts": [6]}, "cut must be from 1 to 5, got 6"),
}


@pytest.fixture
def no_model_runs(sr, monkeypatch):
    for part in (sr.transformer, sr.vae.encoder, sr.vae.decoder):
        monkeypatch.setattr(part, "forward", None)


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls_are_refused_before_any_model_runs(sr, name, no_model_runs):
    changed, message = BAD_CALLS[name]
    with pytest.raises(ValueError, match=message) as caught:
        sr(**{"video": footage(6), "conditions": [large(0, 2)], **CALL, **changed})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_frames": 0}, "num_frames must be from 1 to 1000000, got 0"),
        ({"scale": 0}, "scale must be a number from 1 to 8"),
        ({"cuts": [6]}, "cut must be from 1 to 5"),
        ({"conditions": [large(0, 6)]}, r"conditions\[0\]: frame_index must be"),
        ({"options": SROptions(steps=0)}, "num_inference_steps must be from 1 to 1000"),
        ({"options": SROptions(window=4, overlap=3)}, "window = 4, overlap = 3: give a window of 1 or more"),
        ({"options": SROptions(tile=8)}, "tile must be at least 32, got 8"),
        ({"frames": GOOD, "size": (48, 32)}, r"latents has shape .*; give a tensor \(1, 8, 4, 4, 6\)"),
    ],
)
def test_a_bad_stream_is_refused_at_once(sr, changed, message, no_model_runs):
    frames = [np.asarray(image) for image in footage(6)]
    call = {"frames": frames, "num_frames": 6, "size": (WIDTH, HEIGHT), "conditions": [large(0, 2)]}
    with pytest.raises(ValueError, match=message):
        sr.stream(**call | changed)


def test_frames_of_a_stream_that_do_not_fit_are_named_when_they_come(sr):
    frames = [np.asarray(image) for image in footage(6)]
    with pytest.raises(ValueError, match=r"video: a frame is 8x8, the first 24x16"):
        list(sr.stream([*frames[:5], frames[5][:8, :8]], 6, (WIDTH, HEIGHT)))
    with pytest.raises(ValueError, match="frames end before frame 5"):
        list(sr.stream(frames[:5], 6, (WIDTH, HEIGHT)))


@pytest.mark.parametrize("part", ["vae", "transformer"])
def test_calls_that_need_what_is_not_there_say_so(sr, part):
    bare = with_parts(sr, **{part: None})
    with pytest.raises(ValueError, match=f"{part}: this pipeline was made without one"):
        bare(footage(3))
    with pytest.raises(ValueError, match=f"{part}: this pipeline was made without one"):
        bare.stream(footage(3), 3, (WIDTH, HEIGHT))
