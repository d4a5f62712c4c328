"""LR / HR pairs: what a shard of them holds, and how small clips are spoilt as stage one does it."""

import functools

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.gen.transformer import DirectorTransformer3DModel
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.training import bank, clips, pairs
from smartdirector_lite.training.film import FilmShots, Footage
from smartdirector_lite.vae import encode_video

ENTRY = clips.ClipEntry(14, (0, 6, 13), (), "a red ball rolls over the hill", "a red ball")


@functools.cache
def toy_video() -> torch.Tensor:
    """(5, 3, 32, 48) in [0, 1]."""
    return render(sample_scene(HELD_OUT_SEED + 1, 5), Size(48, 32))


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * (a - b).square().mean().log10())


def test_a_pair_shows_the_same_clip_in_the_two_sizes():
    small_size, large_size = (64, 112), (128, 224)
    small, large, entry = pairs.draw_pair(np.random.default_rng(0), Footage())
    assert pairs.FRAMES[0] <= entry.num_frames < pairs.FRAMES[1] and entry.caption
    assert small.shape == (entry.num_frames, 3, *small_size) and large.shape == (entry.num_frames, 3, *large_size)
    assert psnr(small, F.avg_pool2d(large, 2)) > 25  # drawn as such, or made from the large one
    again = pairs.draw_pair(np.random.default_rng(0), Footage())
    assert torch.equal(small, again[0]) and torch.equal(large, again[1]) and entry == again[2]


def test_a_collage_is_halved():
    small, large, entry = pairs.draw_pair(np.random.default_rng(1), Footage(collage_share=1.0))
    assert "Camera: " in entry.caption and large.shape == (entry.num_frames, 3, 128, 224)
    assert_close(small, F.avg_pool2d(large, 2))


def test_a_clip_of_a_film_is_halved():
    frames = np.random.default_rng(0).integers(0, 256, (60, 32, 48, 3), dtype=np.uint8)
    footage = Footage(FilmShots(frames, [(0, 60)], 12.0), 1.0)
    small, large, entry = pairs.draw_pair(np.random.default_rng(1), footage)
    assert entry.caption == f"Shot 1 (0.0-{entry.num_frames / 12:.1f} s):" and entry.cuts == ()
    assert large.shape == (entry.num_frames, 3, 32, 48)
    assert_close(small, large.unflatten(-2, (16, 2)).unflatten(-1, (24, 2)).mean(dim=(-3, -1)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("upsample", ["latent", "pixel"])
def test_a_shard_holds_lr_upsampled_and_hr_and_is_the_same_every_time(
    tiny_vae, small_sizes, tmp_path, monkeypatch, upsample
):
    build = functools.partial(pairs.build_pairs, tiny_vae, None, upsample=upsample)
    one, two = (build(tmp_path / name, 3, clips=4, seed=5) for name in "ab")
    assert one.name == "shard-00003.safetensors" and one.read_bytes() == two.read_bytes()
    other = build(tmp_path / "c", 3, clips=4, seed=6)
    assert other.read_bytes() != one.read_bytes()

    monkeypatch.setattr(pairs, "FROM_STAGE_ONE", 0.0)
    monkeypatch.setattr(pairs, "degrade", lambda rng, video: video)
    drawn, original = [], pairs.draw_pair
    monkeypatch.setattr(pairs, "draw_pair", lambda *args: drawn.append(original(*args)) or drawn[-1])
    path = build(tmp_path / "d", 0, clips=2)
    held = bank.LatentBank(tmp_path / "d", pairs.pairs_fingerprint(tiny_vae, upsample)).clips
    assert load_file(path).keys() == {"0", "1"} and [entry for _, entry in held] == [entry for _, _, entry in drawn]
    for (latents, entry), (lr, hr, _) in zip(held, drawn, strict=True):
        plan = entry.plan(4)
        if upsample == "pixel":
            lr = F.interpolate(lr, scale_factor=2, mode="bicubic", antialias=True).clamp(0, 1)
        z_lr, z_hr = (encode_video(tiny_vae, plan, v.transpose(0, 1)[None] * 2 - 1)[0] for v in (lr, hr))
        assert latents.shape == (16, plan.num_latents, 8, 12) and latents.dtype == torch.float16
        if upsample == "latent":
            z_lr = F.interpolate(z_lr.transpose(0, 1), scale_factor=2, mode="bilinear").transpose(0, 1)
        assert_close(latents[:8].float(), z_lr, atol=5e-3, rtol=2e-3)
        assert_close(latents[8:].float(), z_hr, atol=5e-3, rtol=2e-3)


@pytest.mark.parametrize("num_frames", [1, 5, 6, 8])
def test_through_vae_is_the_vaes_reconstruction(tiny_vae, num_frames):
    video = torch.cat([toy_video(), toy_video()])[:num_frames]
    missing = (1 - num_frames) % 4
    padded = torch.cat([video, video[-1:].expand(missing, -1, -1, -1)]).transpose(0, 1)[None] * 2 - 1
    with torch.no_grad():
        expected = tiny_vae.decode(tiny_vae.encode(padded).latent_dist.mode()).sample
    shown = pairs.through_vae(tiny_vae, video)
    assert shown.shape == video.shape
    assert_close(shown, ((expected[0].transpose(0, 1) + 1) / 2).clamp(0, 1)[:num_frames], atol=1e-4, rtol=0)


def test_redrawing_leaves_anchors_alone_and_changes_the_rest(gen):
    latents = torch.randn(1, 8, ENTRY.plan(4).num_latents, 4, 6, generator=torch.Generator().manual_seed(0))
    one, two, other = (pairs.redraw(np.random.default_rng(seed), gen, latents, ENTRY) for seed in (0, 0, 1))
    anchors = torch.tensor(ENTRY.plan(4).anchors)
    assert anchors.sum() == 3 and one.shape == latents[0].shape and torch.equal(one, two)
    assert torch.equal(one[:, anchors], latents[0][:, anchors])
    assert (one != latents[0])[:, ~anchors].all() and (one != other)[:, ~anchors].all()


def test_redrawing_takes_the_scheme_of_the_weights(gen, monkeypatch):
    seen, rotary = [], DirectorTransformer3DModel.rotary
    spy = lambda self, tau, *args, **options: seen.append(tau) or rotary(self, tau, *args, **options)  # noqa: E731
    monkeypatch.setattr(DirectorTransformer3DModel, "rotary", spy)
    latents, plan = torch.zeros(1, 8, ENTRY.plan(4).num_latents, 4, 6), ENTRY.plan(4)
    for scheme in ("frame_time", "continuous"):
        pairs.redraw(np.random.default_rng(0), DirectorGenPipeline.from_pipe(gen, tau_scheme=scheme), latents, ENTRY)
    assert seen == [plan.tau("frame_time"), plan.tau("continuous")] and seen[0] != seen[1]


def test_a_stage_one_that_says_nothing_leaves_what_was_noised(wan_folder):
    """Where the velocity is 0 everywhere, the clip stays at (1 - t) x_0 + t x_1, of one t within its bounds."""
    silent = DirectorGenPipeline.from_pretrained(wan_folder, vae=None)
    nn.init.zeros_(silent.transformer.proj_out.weight)
    nn.init.zeros_(silent.transformer.proj_out.bias)
    latents = torch.full((1, 8, ENTRY.plan(4).num_latents, 16, 24), 10.0)
    for seed in range(3):
        free = pairs.redraw(np.random.default_rng(seed), silent, latents, ENTRY)[
            :, ~torch.tensor(ENTRY.plan(4).anchors)
        ]
        t = 1 - float(free.mean()) / 10
        assert pairs.REDRAWN[0] - 0.01 < t < pairs.REDRAWN[1] + 0.01
        assert float(free.std()) == pytest.approx(t, rel=0.03)
