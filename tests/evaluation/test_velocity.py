"""The velocity's error on held-out videos: what a model is given, what is measured, and how schemes are compared."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from smartdirector_lite.evaluation.benchmark import ToyBenchmark
from smartdirector_lite.evaluation.velocity import (
    Group,
    NoisyClip,
    NoisyClips,
    average,
    compare_errors,
    held_out_items,
    noisy_clip,
    velocity_errors,
    with_neighbours,
)
from smartdirector_lite.media.size import Size
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.vae.multichunk import encode_video

SIZE = Size(48, 32)


def clip(frames=(0, 9), num_frames=13):
    plan = ChunkPlan.build(num_frames, [Condition(frame) for frame in frames], 4)
    rng = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(2, plan.num_latents, 4, 6, generator=rng) for _ in range(2))
    return NoisyClip(plan, latents, noise, "a caption")


class Known:
    """A filmer whose model knows the true velocity and is wrong by `off`, which may differ from latent to latent."""

    way, cut_gap = "restart", 2.0

    def __init__(self, clip, off):
        self.clip, self.off, self.seen = clip, off, []
        text = SimpleNamespace(input_ids=torch.zeros(1, 4, dtype=torch.long), attention_mask=torch.ones(1, 4))
        self.pipeline = SimpleNamespace(tokenizer=lambda *args, **kwargs: text)

    def model(self, x_t, t, tokens, mask, tau):
        self.seen.append((x_t, t, tau))
        return (self.clip.noise - self.clip.latents)[None] + torch.tensor(self.off).view(1, 1, -1, 1, 1)


def test_errors_are_those_of_the_free_latents_and_of_those_before_keyframes():
    one = clip()  # chunks of 9 and 4 frames: an anchor and two latents, an anchor and one latent
    assert one.plan.anchors == [True, False, False, True, False]
    assert one.beside.tolist() == [False, False, True, False, False]
    filmer = Known(one, [9.0, 1.0, 2.0, 9.0, 3.0])
    errors = velocity_errors(filmer, [one])
    assert errors["t = 0.9"] == [pytest.approx((1 + 4 + 9) / 3)]
    assert errors["t = 0.3, beside keyframes"] == [pytest.approx(4)]
    x_t, t, tau = filmer.seen[0]
    assert t.tolist() == [[0, pytest.approx(0.9), pytest.approx(0.9), 0, pytest.approx(0.9)]]
    assert torch.equal(x_t[0, :, 0], one.latents[:, 0])  # an anchor comes without noise
    torch.testing.assert_close(x_t[0, :, 1], 0.1 * one.latents[:, 1] + 0.9 * one.noise[:, 1])
    assert tau.tolist() == [pytest.approx(one.plan.tau("restart", 2.0))]
    alone = clip(frames=(0,))
    assert velocity_errors(Known(alone, [0.0] * 4), [alone])["t = 0.6, beside keyframes"] == [None]


def test_clips_are_encoded_in_chunks_with_noise_of_the_item(wan_folder):
    from diffusers import AutoencoderKLWan

    vae = AutoencoderKLWan.from_pretrained(wan_folder, subfolder="vae").eval()
    item = ToyBenchmark(1, (1.0, 1.1), SIZE)[1]
    made = noisy_clip(vae, item)
    expected = encode_video(vae, made.plan, item.frames.transpose(0, 1)[None] * 2 - 1)[0]
    torch.testing.assert_close(made.latents, expected, atol=2e-4, rtol=1e-3)
    assert torch.equal(made.noise, noisy_clip(vae, item).noise) and made.plan.cuts == item.cuts
    assert not torch.equal(made.noise, noisy_clip(vae, replace(item, seed=1)).noise)


def test_groups_are_what_their_names_say():
    groups = held_out_items(1, SIZE).values()
    trained, long, near = (list(group.items) for group in groups)
    assert [group.count for group in groups] == [len(trained), len(long), len(near)] == [2, 1, 2]
    assert all(item.num_frames <= 73 for item in trained) and all(item.num_frames > 73 for item in long)
    for item, plain in zip(near, trained, strict=True):
        gaps = np.diff(item.keyframes)
        assert set(plain.keyframes) <= set(item.keyframes) and (gaps <= 3).sum() >= len(plain.keyframes) - 1
    edge = with_neighbours(replace(trained[0], keyframes=(0, trained[0].num_frames - 1)))
    assert edge.keyframes == (0, 1, edge.num_frames - 1)


def test_schemes_are_compared_clip_by_clip():
    ours = {"t = 0.9": [1.0, 2.0, None, 5.0]}
    other = {"t = 0.9": [1.1, 2.2, None, 5.5]}
    row = compare_errors({"frame_time": ours, "restart": other}, "frame_time")["t = 0.9"]
    assert row["frame_time"].value == pytest.approx(8 / 3) and row["frame_time"].low < row["frame_time"].high
    assert [*row["restart"]] == [pytest.approx(10)] * 3  # every clip is 10 % worse, so nothing is uncertain
    assert average([ours, other])["t = 0.9"][:2] == [pytest.approx(1.05), pytest.approx(2.1)]


def test_clips_of_a_group_are_encoded_once_and_only_when_they_are_needed(wan_folder):
    from diffusers import AutoencoderKLWan

    vae = AutoencoderKLWan.from_pretrained(wan_folder, subfolder="vae").eval()
    benchmark, drawn = ToyBenchmark(1, (1.0, 1.1), SIZE), []

    def items():
        for index in range(2):
            drawn.append(index)
            yield benchmark[index]

    clips = NoisyClips(vae, Group(2, items()))
    assert len(clips) == 2 and drawn == []
    first, again = list(clips), list(clips)
    assert drawn == [0, 1] and first == again
    torch.testing.assert_close(first[1].latents, noisy_clip(vae, benchmark[1]).latents)
