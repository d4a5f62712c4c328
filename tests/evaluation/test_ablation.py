"""The ablation's ways to put keyframes into a video: what they are trained on, and how they film."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler
from torch.testing import assert_close

from smartdirector_lite.evaluation import ablation
from smartdirector_lite.evaluation.ablation import CLIP_BY_CLIP, NAIVE, START, WAYS, FaultlessFilmer, SmallFilmer
from smartdirector_lite.evaluation.benchmark import ToyBenchmark
from smartdirector_lite.gen import DirectorGenPipeline, VideoCondition
from smartdirector_lite.media.size import Size
from smartdirector_lite.timeline import Condition
from smartdirector_lite.training.clips import ClipEntry
from smartdirector_lite.vae import decode, encode_clip, replace_naive
from smartdirector_lite.vae.multichunk import encode_video

SIZE = Size(48, 32)


@pytest.fixture
def clip():
    rng = np.random.default_rng(0)
    video = torch.tensor(rng.uniform(size=(25, 3, 32, 48)), dtype=torch.float32)
    return video, ClipEntry(25, (3, 9, 24), (14,), "a", "")


@pytest.fixture
def tiny_vae(wan_folder):
    return AutoencoderKLWan.from_pretrained(wan_folder, subfolder="vae").eval()


def test_every_bank_holds_what_the_vae_makes_of_the_same_clip(tiny_vae, clip):
    video, entry = clip
    banks = ablation.encode_in_every_way(tiny_vae, [clip])
    assert [*banks] == [START, NAIVE, CLIP_BY_CLIP, "chunks"]
    whole = video.transpose(0, 1)[None] * 2 - 1
    run = encode_clip(tiny_vae, whole)[0]
    assert_close(banks[START][0][0], run, atol=2e-4, rtol=1e-3)
    images = [whole[:, :, frame : frame + 1] for frame in entry.keyframes]
    naive = replace_naive(tiny_vae, run[None], [Condition(frame) for frame in entry.keyframes], images)[0]
    assert_close(banks[NAIVE][0][0], naive, atol=2e-4, rtol=1e-3)
    anchors = ablation.naive_anchors(entry.keyframes, 25, 4)
    assert anchors == [False, True, False, True, False, False, True]
    chunks = encode_video(tiny_vae, entry.plan(4), whole)[0]
    assert_close(banks["chunks"][0][0], chunks, atol=2e-4, rtol=1e-3)
    pieces = banks[CLIP_BY_CLIP]
    assert [piece.num_frames for _, piece in pieces] == [4, 7, 16]
    assert [piece.keyframes for _, piece in pieces] == [(3,), (0, 6), (0, 15)] and pieces[2][1].cuts == (5,)
    for latents, piece in pieces:
        assert latents.shape[1] == piece.plan(4).num_latents
    assert_close(pieces[1][0][:, -1], chunks[:, entry.plan(4).chunks[2].latent_start], atol=2e-4, rtol=1e-3)


@pytest.fixture
def folder(wan_folder, tmp_path):
    """A tiny random pipeline as a training exports it."""
    pipeline = DirectorGenPipeline.from_pretrained(wan_folder, dtype=torch.float32)
    pipeline.register_modules(scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, stochastic_sampling=True))
    pipeline.save_pretrained(tmp_path / "export")
    return tmp_path / "export"


def test_chunks_are_filmed_as_the_pipeline_films_them(folder, tiny_vae):
    item = ToyBenchmark.quick(1, SIZE)[0]
    pipeline = DirectorGenPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        item.caption,
        conditions=[VideoCondition(image=image * 2 - 1, frame_index=frame) for frame, image in item.given.items()],
        num_frames=item.num_frames,
        height=32,
        width=48,
        num_inference_steps=2,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(item.seed),
        output_type="pt",
        rope="continuous",
    ).frames[0]
    got = SmallFilmer(folder, "continuous", tiny_vae, cut_gap=0.0, steps=2)(item)
    assert_close(got, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_films_whole_items(folder, tiny_vae, way):
    benchmark = ToyBenchmark.quick(1, SIZE)
    for index in range(2):
        item = benchmark[index]
        video = SmallFilmer(folder, way, tiny_vae, 2.0, steps=1)(item)
        assert video.shape == item.frames.shape and video.min() >= 0 and video.max() <= 1
        again = SmallFilmer(folder, way, tiny_vae, 2.0, steps=1)(item)
        assert torch.equal(video, again)


def test_a_faultless_model_shows_what_its_way_can_not_do(tiny_vae):
    item = ToyBenchmark.quick(1, SIZE)[0]
    entry = ClipEntry(item.num_frames, item.keyframes, item.cuts, "", "")
    plan = entry.plan(tiny_vae.config.scale_factor_temporal)
    video = item.frames.transpose(0, 1)[None] * 2 - 1
    expected = ablation.as_frames(decode(tiny_vae, plan, encode_video(tiny_vae, plan, video)))
    chunks, naive = (FaultlessFilmer(way, tiny_vae)(item) for way in ("midpoint", NAIVE))
    assert_close(chunks, expected, atol=2e-3, rtol=0)
    assert naive.shape == item.frames.shape and (naive - chunks).abs().max() > 0.02
    alone = encode_clip(tiny_vae, video[:, :, item.keyframes[-1]][:, :, None])
    own = ablation.as_frames(decode(tiny_vae, ClipEntry(1, (0,), (), "", "").plan(4), alone))[0]
    errors = [(filmed[item.keyframes[-1]] - own).abs().max() for filmed in (chunks, naive)]
    assert errors[0] < 2e-3 and errors[1] > 0.02
