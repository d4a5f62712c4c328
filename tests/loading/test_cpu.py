"""Models whose layers run in oneDNN give what they gave before."""

import copy

import pytest
import torch
from diffusers import AutoencoderKLWan
from tiny import STATISTICS, WAN21_VAE, WAN22_VAE
from torch import nn
from torch.testing import assert_close

from smartdirector_lite.loading.cpu import MANY, prepare_for_cpu
from smartdirector_lite.sr.restorer import FrameRestorer
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.vae import decode, encode_video

HAS_ONEDNN = torch.backends.mkldnn.is_available()


@pytest.fixture(params=[WAN22_VAE, WAN21_VAE], ids=["wan2.2", "wan2.1"])
def vae(request) -> AutoencoderKLWan:
    torch.manual_seed(0)
    return AutoencoderKLWan(**request.param, **STATISTICS).eval().requires_grad_(False)


def video_of(num_frames: int) -> torch.Tensor:
    return torch.rand(1, 3, num_frames, 32, 32, generator=torch.Generator().manual_seed(num_frames)) * 2 - 1


def moments(vae: AutoencoderKLWan, video: torch.Tensor) -> torch.Tensor:
    """Means and log-variances as the VAE gives them, in the type in which it computes."""
    return vae.encode(video.to(vae.dtype)).latent_dist.parameters


def kernels(run) -> set[str]:
    """The names of what torch computed with."""
    with torch.profiler.profile() as profiler:
        run()
    return {event.key for event in profiler.key_averages()}


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:TF32")
def test_a_vae_codes_alike_and_no_convolution_over_time_is_the_slow_one(vae):
    plan, video = ChunkPlan.build(9, [Condition(0)]), video_of(9)
    latents = encode_video(vae, plan, video)
    frames = decode(vae, plan, latents)
    kept = copy.deepcopy(vae.state_dict())
    prepare_for_cpu(vae)

    def run() -> None:
        assert_close(encode_video(vae, plan, video), latents, atol=1e-5, rtol=0)
        assert_close(decode(vae, plan, latents), frames, atol=1e-5, rtol=0)

    assert not HAS_ONEDNN or not any("slow_conv3d" in name for name in kernels(run))
    with torch.backends.mkldnn.flags(enabled=False):
        assert not any("mkldnn" in name for name in kernels(run))
    for name, value in vae.state_dict().items():
        assert torch.equal(value, kept[name])


def test_a_vae_can_be_trained_and_run_in_other_precisions(vae):
    video, first = video_of(5), vae.requires_grad_(True).encoder.conv_in.weight
    (expected,) = torch.autograd.grad(moments(vae, video).square().mean(), first)
    prepare_for_cpu(vae)
    (gradient,) = torch.autograd.grad(moments(vae, video).square().mean(), first)
    assert_close(gradient, expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert moments(vae, video).dtype == torch.bfloat16
    assert moments(vae.bfloat16(), video).dtype == torch.bfloat16


@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_the_same_whatever_its_shape_and_large_ones_run_in_onednn(bias):
    plain = nn.Linear(24, 40, bias=bias)
    fast = copy.deepcopy(plain)
    prepare_for_cpu(fast)
    for shape, large in {(MANY,): True, (2, MANY, 1): True, (3, 5): False, (): False, (0,): False}.items():
        x = torch.randn(*shape, 24, requires_grad=True)
        assert_close(fast(x), plain(x), atol=1e-5, rtol=0)
        ran = any("mkldnn_convolution" in name for name in kernels(lambda x=x: fast(x)))
        assert ran == (large and HAS_ONEDNN)
        found, expected = (torch.autograd.grad(layer(x).square().sum(), (x, layer.weight)) for layer in (fast, plain))
        assert_close(found, expected, atol=1e-4, rtol=1e-4)
    transposed = torch.randn(24, MANY).T
    assert_close(fast(transposed), plain(transposed), atol=1e-5, rtol=0)


def test_what_is_compiled_or_in_another_precision_is_left_to_torch():
    layer, x = nn.Linear(8, 8), torch.randn(MANY, 8)
    prepare_for_cpu(layer)
    assert_close(torch.compile(layer, backend="aot_eager", fullgraph=True)(x), layer(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer.double()(x.double()).dtype == torch.float64


def test_quantized_weights_are_left_alone():
    class Quantized(nn.Parameter):
        """What torchao and bitsandbytes put in the place of a weight."""

    layer = nn.Linear(8, 8)
    layer.weight = Quantized(layer.weight.data)
    prepare_for_cpu(layer)
    assert type(layer) is nn.Linear


def test_a_directors_models_are_prepared_on_a_cpu_and_give_what_they_gave(session_gen, wan_folder):
    from smartdirector_lite.loading.loader import load_director

    plain, fast = session_gen.transformer, load_director(wan_folder, device="cpu").gen.transformer
    assert plain.state_dict().keys() == fast.state_dict().keys()
    assert type(plain.blocks[0].ffn.net[2]) is nn.Linear
    assert type(fast.blocks[0].ffn.net[2]) is not nn.Linear
    latents = torch.randn(1, plain.config.in_channels, 5, 16, 16)
    text = torch.randn(1, 7, plain.config.text_dim)
    with torch.no_grad():
        outputs = [model(latents, torch.tensor([500]), text, return_dict=False)[0] for model in (plain, fast)]
    assert_close(*outputs, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_restorer_gives_what_it_gave():
    torch.manual_seed(0)
    plain = FrameRestorer(8, 2, 8)
    nn.init.normal_(plain.leave.weight, std=0.1)
    fast = copy.deepcopy(plain)
    prepare_for_cpu(fast)
    frames = [(torch.rand(1, 3, 32, 48), torch.rand(1, 3, 16, 24), torch.tensor([False])) for _ in range(3)]
    for a, b in zip(plain.both_ways(frames), fast.both_ways(frames), strict=True):
        assert_close(a.frame, b.frame, atol=1e-5, rtol=0)
