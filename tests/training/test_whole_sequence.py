"""The whole-sequence passes of the VAE give what diffusers' cached ones give, gradients included."""

import pytest
import torch
from diffusers import AutoencoderKLWan
from tiny import WAN22_VAE
from torch.testing import assert_close

from smartdirector_lite.loading.cpu import prepare_for_cpu
from smartdirector_lite.training.whole_sequence import decode_whole, encode_whole


def tiny_vae(**changes) -> AutoencoderKLWan:
    torch.manual_seed(0)
    return AutoencoderKLWan(**{**WAN22_VAE, **changes}).eval()


VAES = {
    "tiny": {},
    # Wan 2.2's own levels: four, of which the first halves space only
    "wan2.2": {"dim_mult": [1, 2, 4, 4], "temperal_downsample": [False, True, True], "scale_factor_spatial": 16},
}


@pytest.fixture(params=VAES)
def vae(request) -> AutoencoderKLWan:
    return tiny_vae(**VAES[request.param])


def video_of(num_frames: int) -> torch.Tensor:
    return torch.rand(2, 3, num_frames, 32, 48, generator=torch.Generator().manual_seed(num_frames)) * 2 - 1


@torch.no_grad()
@pytest.mark.parametrize("num_frames", [1, 5, 17])
def test_both_ways_are_those_of_diffusers(vae, num_frames):
    video = video_of(num_frames)
    moments = vae._encode(video)
    assert_close(encode_whole(vae, video), moments, atol=2e-5, rtol=1e-4)
    z = moments[:, : vae.config.z_dim]
    frames = vae._decode(z).sample
    ours = decode_whole(vae, z)
    assert ours.shape == video.shape
    assert_close(ours.clamp(-1, 1), frames, atol=2e-5, rtol=1e-4)


def test_gradients_reach_every_weight_and_every_frame():
    vae, video = tiny_vae(), video_of(9).requires_grad_()
    decode_whole(vae, encode_whole(vae, video)[:, :8]).square().mean().backward()
    assert (video.grad.abs().amax(dim=(0, 1, 3, 4)) > 0).all()
    missing = [name for name, parameter in vae.named_parameters() if parameter.grad is None]
    assert not missing


@torch.no_grad()
def test_prepared_norms_keep_the_type_of_autocast():
    vae, video = tiny_vae(), video_of(9)
    truth = decode_whole(vae, encode_whole(vae, video)[:, :8])
    with torch.autocast("cpu", torch.bfloat16):
        wide = decode_whole(vae, encode_whole(vae, video)[:, :8]).float()
    norm = vae.decoder.norm_out
    narrow_input = torch.ones(1, norm.gamma.shape[0], 1, 2, 2, dtype=torch.bfloat16)
    assert norm(narrow_input).dtype == torch.float32
    prepare_for_cpu(vae)
    assert norm(narrow_input).dtype == torch.bfloat16
    assert_close(decode_whole(vae, encode_whole(vae, video)[:, :8]), truth, atol=2e-5, rtol=1e-4)  # no autocast
    with torch.autocast("cpu", torch.bfloat16):
        narrow = decode_whole(vae, encode_whole(vae, video)[:, :8]).float()
    assert (narrow - truth).square().mean() < 2 * (wide - truth).square().mean()
    assert type(tiny_vae().decoder.norm_out) is not type(norm)  # this VAE alone was changed


@torch.no_grad()
def test_it_is_causal():
    vae, video = tiny_vae(), video_of(9)
    changed = video.clone()
    changed[:, :, 5:] = 0
    moments, other = encode_whole(vae, video), encode_whole(vae, changed)
    assert torch.equal(moments[:, :, :2], other[:, :, :2]) and not torch.equal(moments[:, :, 2], other[:, :, 2])


def test_what_it_does_not_take_is_named():
    with pytest.raises(ValueError, match=r"6 frames.*4k \+ 1"):
        encode_whole(tiny_vae(), video_of(6))
    plain = tiny_vae(is_residual=False, decoder_base_dim=None)
    for call in (lambda: encode_whole(plain, video_of(5)), lambda: decode_whole(plain, torch.zeros(1, 8, 2, 4, 4))):
        with pytest.raises(ValueError, match="is_residual"):
            call()
