"""One causal run: diffusers' own VAE is the oracle."""

import pytest
import torch
from accelerate import cpu_offload_with_hook
from tiny import STATISTICS, noise, video_of
from torch.testing import assert_close

from smartdirector_lite.vae.causal import (
    decode_clip,
    decode_run,
    denormalize_latents,
    encode_clip,
    encode_run,
    latent_shape,
    normalize_latents,
    release,
)


@pytest.mark.parametrize("num_frames", [1, 5, 13])
def test_a_run_is_coded_as_by_diffusers(vae, num_frames):
    video = video_of(num_frames, batch=2)
    z = vae.encode(video).latent_dist.mode()
    latents = encode_clip(vae, video)
    assert torch.equal(latents, normalize_latents(vae, z))
    assert tuple(latents.shape[1:]) == latent_shape(vae, (num_frames + 3) // 4, 32, 32)
    assert torch.equal(decode_clip(vae, latents), vae.decode(denormalize_latents(vae, latents)).sample)


def test_latents_are_normalised_with_the_statistics_of_the_config_and_back(vae):
    z = noise(2, 8, 3, 2, 2)
    mean, std = (torch.tensor(STATISTICS[name]).view(1, 8, 1, 1, 1) for name in ("latents_mean", "latents_std"))
    latents = normalize_latents(vae, z)
    assert_close(latents, (z - mean) / std, atol=1e-6, rtol=0)
    assert_close(denormalize_latents(vae, latents), z, atol=1e-6, rtol=0)


def test_the_last_group_is_filled_up_with_the_last_frame(vae):
    video = video_of(7, 16)
    filled = torch.cat([video, video[:, :, -1:], video[:, :, -1:]], dim=2)
    assert torch.equal(encode_clip(vae, video), encode_clip(vae, filled))


@pytest.mark.parametrize("num_frames", [1, 2, 5, 8])
def test_frames_and_latents_may_come_one_by_one(vae, num_frames):
    video = video_of(num_frames, 16)
    latents = list(encode_run(vae, video.split(1, dim=2)))
    assert [latent.shape[2] for latent in latents] == [1] * ((num_frames + 6) // 4)
    assert torch.equal(torch.cat(latents, dim=2), encode_clip(vae, video))
    frames = list(decode_run(vae, latents))
    assert [part.shape[2] for part in frames] == [1] + [4] * (len(latents) - 1)
    assert torch.equal(torch.cat(frames, dim=2), decode_clip(vae, torch.cat(latents, dim=2)))


def test_a_run_of_nothing_is_nothing(wan22):
    assert list(encode_run(wan22, [])) == list(decode_run(wan22, [])) == []


def test_gradients_are_those_of_diffusers(vae):
    vae.requires_grad_(True)
    video = video_of(6, 16).requires_grad_()
    decode_clip(vae, encode_clip(vae, video)).square().mean().backward()
    assert video.grad.abs().sum() > 0
    ours = {name: parameter.grad.clone() for name, parameter in vae.named_parameters() if parameter.grad is not None}
    vae.zero_grad()
    filled = torch.cat([video.detach(), *[video.detach()[:, :, -1:]] * 3], dim=2)
    vae.decode(vae.encode(filled).latent_dist.mode()).sample.square().mean().backward()
    for name, parameter in vae.named_parameters():
        if parameter.grad is not None:
            assert_close(ours[name], parameter.grad, atol=1e-5, rtol=1e-3)


def test_a_bfloat16_vae_takes_float_video_and_gives_float_latents(vae):
    video = video_of(6, 16)
    expected = encode_clip(vae, video)
    vae.to(torch.bfloat16)
    latents = encode_clip(vae, video)
    assert latents.dtype == torch.float32
    assert (latents - expected).abs().mean() < 0.05 * expected.abs().mean()
    assert decode_clip(vae, latents).dtype == torch.bfloat16


# ---------------------------------------------------------------- the switches of diffusers


def test_slicing_codes_one_sample_at_a_time_with_the_same_result(vae):
    latents, video = noise(3, 8, 2, 2, 2), video_of(6, 16, batch=3)
    expected = decode_clip(vae, latents), encode_clip(vae, video)
    batches = []
    for coder in (vae.encoder, vae.decoder):
        coder.register_forward_hook(lambda module, args, out: batches.append(args[0].shape[0]))
    vae.enable_slicing()
    got = decode_clip(vae, latents), encode_clip(vae, video)
    assert set(batches) == {1}
    assert_close(got, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 40), (16, 40)])
def test_tiles_are_those_of_diffusers(vae, height, width):
    video = torch.nn.functional.interpolate(video_of(9), size=(9, height, width))
    whole = encode_clip(vae, video)
    vae.enable_tiling(16, 16, 8, 8)
    latents = encode_clip(vae, video)
    assert not torch.equal(latents, whole)  # the comparison can fail
    assert torch.equal(latents, normalize_latents(vae, vae.encode(video).latent_dist.mode()))
    assert torch.equal(decode_clip(vae, latents), vae.decode(denormalize_latents(vae, latents)).sample)


def test_a_tiled_run_gives_its_frames_latent_by_latent(vae):
    vae.enable_tiling(16, 16, 8, 8)
    video = video_of(8, 32)
    latents = list(encode_run(vae, video.split(1, dim=2)))
    assert torch.equal(torch.cat(latents, dim=2), encode_clip(vae, video))
    assert [part.shape[2] for part in decode_run(vae, latents)] == [1, 4, 4]


def test_model_offloading_brings_the_vae_in_before_every_step(wan22, monkeypatch):
    _, handle = cpu_offload_with_hook(wan22, "cpu")
    calls, original = [], handle.hook.pre_forward
    monkeypatch.setattr(handle.hook, "pre_forward", lambda module: (calls.append(module), original(module)))
    latents = encode_clip(wan22, video_of(9, 16))
    assert calls == [wan22] * 3
    decode_clip(wan22, latents)
    assert calls == [wan22] * 6


def test_release_moves_out_what_model_offloading_brought_in(wan22, monkeypatch):
    """`release` finds the hook under a private name of accelerate. This test fails when that name changes."""
    release(None)
    release(wan22)
    _, handle = cpu_offload_with_hook(wan22, "cpu")
    moved_out = []
    monkeypatch.setattr(handle.hook, "init_hook", moved_out.append)
    release(wan22)
    assert moved_out == [wan22]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (torch.zeros(1, 3, 1, 20, 20), "frames are 20 x 20: height and width must be multiples of 8"),
        (torch.zeros(1, 2, 1, 16, 16), r"video has shape \(1, 2, 1, 16, 16\); give a tensor \(B, 3, T, H, W\)"),
        (torch.zeros(1, 3, 0, 16, 16), r"video has shape \(1, 3, 0, 16, 16\)"),
        (torch.zeros(1, 3, 1, 16, 16, dtype=torch.uint8), r"video is torch.uint8: give floats in \[-1, 1\]"),
    ],
)
def test_videos_that_the_vae_cannot_take_are_refused(wan22, video, message):
    with pytest.raises(ValueError, match=message):
        encode_clip(wan22, video)
