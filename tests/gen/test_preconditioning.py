"""The skip around the transformer: its closed form, and the pipeline that carries it."""

import json

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from torch.testing import assert_close

from smartdirector_lite.flow import precondition
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.gen.transformer import DirectorTransformer3DModel
from smartdirector_lite.loading import LoadError, load_director
from smartdirector_lite.media.size import Size
from smartdirector_lite.vae.multichunk import encode_conditions

HEIGHT, WIDTH = 32, 48
PROMPT, NEGATIVE = "a red ball rolls over the hill", "blue"
CALL = {
    "height": HEIGHT,
    "width": WIDTH,
    "num_frames": 10,
    "num_inference_steps": 3,
    "guidance_scale": 3.0,
    "max_sequence_length": 16,
    "output_type": "latent",
}
CONFIG = "transformer/config.json"
TIMES = [0.0, 0.1, 0.37, 0.5, 0.9, 1.0]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def coefficients(t: float, sigma_data: float) -> tuple[float, float]:
    """c_skip and c_out, read off what `precondition` makes of a 1 in x_t and of a 1 in the output."""
    zero, one, t = torch.zeros(1, 1, 1, 1, 1), torch.ones(1, 1, 1, 1, 1), torch.tensor([[t]])
    return precondition(zero, one, t, sigma_data).item(), precondition(one, zero, t, sigma_data).item()


# ---------------------------------------------------------------- the closed form


@pytest.mark.parametrize("sigma_data", [0.3, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("t", TIMES)
def test_the_skip_is_the_projection_of_v_on_x_t_and_c_out_the_length_of_the_rest(t, sigma_data):
    """Exactly: independent Gaussians as orthogonal vectors, whose inner products are the covariances."""
    x_0, x_1 = torch.tensor([sigma_data, 0.0]), torch.tensor([0.0, 1.0])
    x_t, v = (1 - t) * x_0 + t * x_1, x_1 - x_0
    c_skip, c_out = coefficients(t, sigma_data)
    assert c_skip == pytest.approx((v @ x_t / (x_t @ x_t)).item(), abs=1e-6)
    assert c_out == pytest.approx((v - c_skip * x_t).norm().item(), abs=1e-6)


@pytest.mark.parametrize("t", [0.2, 0.5, 0.8])
def test_the_skip_is_the_least_squares_fit_over_samples(t):
    x_0, x_1 = 0.5 * torch.randn(200_000, 1, generator=rng()), torch.randn(200_000, 1, generator=rng(1))
    x_t, v = (1 - t) * x_0 + t * x_1, x_1 - x_0
    slope = torch.linalg.lstsq(x_t, v).solution.item()
    c_skip, c_out = coefficients(t, 0.5)
    assert c_skip == pytest.approx(slope, abs=0.01)
    assert c_out == pytest.approx((v - slope * x_t).std().item(), abs=0.01)


def test_at_the_ends_the_skip_knows_one_part_of_the_velocity_and_the_network_gives_the_other():
    assert coefficients(0.0, 0.5) == pytest.approx((-1.0, 1.0))  # x_t = x_0: v + x_0 = x_1, of spread 1
    assert coefficients(1.0, 0.5) == pytest.approx((1.0, 0.5))  # x_t = x_1: v - x_1 = -x_0, of spread sigma_data


def test_without_sigma_data_the_output_is_the_velocity():
    output = torch.randn(1, 8, 3, 2, 2, generator=rng()).bfloat16()
    assert precondition(output, torch.full_like(output, 7.0), torch.tensor([[0.0, 0.3, 1.0]]), None) is output


def test_every_latent_frame_of_every_sample_has_its_own_time():
    output, x_t = torch.randn(2, 2, 8, 3, 4, 6, generator=rng()).unbind(0)
    t = torch.tensor([[0.0, 0.3, 0.9], [1.0, 0.5, 0.0]])
    velocity = precondition(output, x_t, t, 0.5)
    assert velocity.shape == x_t.shape
    for b in range(2):
        for f in range(3):
            c_skip, c_out = coefficients(t[b, f].item(), 0.5)
            assert_close(velocity[b, :, f], c_skip * x_t[b, :, f] + c_out * output[b, :, f])
    low = precondition(output.bfloat16(), x_t.bfloat16(), t, 0.5)
    assert low.dtype == torch.float32
    assert_close(low, precondition(output.bfloat16().float(), x_t.bfloat16().float(), t, 0.5))


# ---------------------------------------------------------------- in the pipeline


def with_skip(gen, sigma_data: float | None) -> DirectorGenPipeline:
    """The components of `gen` and Euler steps, behind a skip."""
    parts = {**gen.components, "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0)}
    pipeline = DirectorGenPipeline(**parts, sigma_data=sigma_data)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def test_a_call_equals_a_hand_written_euler_loop_over_to_velocity(gen):
    pipeline, condition = with_skip(gen, 0.5), VideoCondition(image=torch.zeros(3, HEIGHT, WIDTH), frame_index=4)
    latents = pipeline(PROMPT, NEGATIVE, **CALL, conditions=[condition], generator=rng()).frames
    plan = pipeline.plan(10, [condition])
    anchors = torch.tensor(plan.anchors)
    assert anchors.tolist() == [False, False, True, False, False]
    x = torch.randn(1, 8, plan.num_latents, HEIGHT // 8, WIDTH // 8, generator=rng())
    x[:, :, anchors] = encode_conditions(gen.vae, plan, [condition.to_tensor(Size(WIDTH, HEIGHT))])[:, :, anchors]
    texts = gen.encode_prompt(PROMPT, NEGATIVE, max_sequence_length=16)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(3)
    for sigma, sigma_next in zip(scheduler.sigmas[:-1], scheduler.sigmas[1:], strict=True):
        t = torch.where(anchors, 0.0, sigma)[None]
        guided, free = (
            precondition(gen.transformer(x, 1000 * t, text, tau=plan.tau()).sample, x, t, 0.5) for text in texts
        )
        velocity = free + 3.0 * (guided - free)
        x[:, :, ~anchors] += (sigma_next - sigma) * velocity[:, :, ~anchors]
    assert_close(latents, x, atol=1e-4, rtol=0)
    plain = with_skip(gen, None)(PROMPT, NEGATIVE, **CALL, conditions=[condition], generator=rng()).frames
    assert (plain - latents)[:, :, ~anchors].abs().max() > 0.1  # the comparison can fail


def test_a_pipeline_with_a_skip_keeps_it_when_saved(gen, tmp_path):
    pipeline = with_skip(gen, 0.5)
    pipeline.save_pretrained(tmp_path)
    index, config = (json.loads((tmp_path / name).read_text()) for name in ("model_index.json", CONFIG))
    assert config["sigma_data"] == 0.5 and "sigma_data" not in index
    again = DirectorGenPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    assert again.config.sigma_data == 0.5
    expected = pipeline(PROMPT, NEGATIVE, **CALL, generator=rng()).frames
    assert torch.equal(again(PROMPT, NEGATIVE, **CALL, generator=rng()).frames, expected)
    again.save_pretrained(tmp_path / "twice")
    assert json.loads((tmp_path / "twice" / "model_index.json").read_text()) == index


def test_a_folder_whose_index_says_how_it_was_trained_loads(gen, tmp_path):
    """Folders were saved so before the transformer's config said it."""
    with_skip(gen, None).save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    old = {**index, "_class_name": "DirectorGenPipeline", "sigma_data": 0.5, "cut_gap": 2.0}
    (tmp_path / "model_index.json").write_text(json.dumps(old))
    older, expected = DirectorGenPipeline.from_pretrained(tmp_path), with_skip(gen, 0.5)
    older.set_progress_bar_config(disable=True)
    assert (older.config.sigma_data, older.config.cut_gap) == (0.5, 2.0)
    assert torch.equal(*(one(PROMPT, NEGATIVE, **CALL, generator=rng()).frames for one in (older, expected)))


@torch.no_grad()
def test_a_gap_sets_shots_apart_in_time_and_is_kept_when_saved(gen, tmp_path, monkeypatch):
    parts = {**gen.components, "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0)}
    pipeline = DirectorGenPipeline(**parts, cut_gap=2.0)
    pipeline.save_pretrained(tmp_path)
    assert json.loads((tmp_path / CONFIG).read_text())["cut_gap"] == 2.0
    again = DirectorGenPipeline.from_pretrained(tmp_path)
    plain = DirectorGenPipeline(**parts)
    seen, rotary = [], DirectorTransformer3DModel.rotary
    spy = lambda self, tau, *args, **options: seen.append(tau) or rotary(self, tau, *args, **options)  # noqa: E731
    monkeypatch.setattr(DirectorTransformer3DModel, "rotary", spy)
    for cuts, gap in (((), 0.0), ((6,), 2.0)):
        plan = pipeline.plan(10, [], cuts)
        for made in (pipeline, plain):
            made.set_progress_bar_config(disable=True)
            made(PROMPT, NEGATIVE, **CALL, cuts=cuts, generator=rng())
        assert seen[-2:] == [plan.tau(cut_gap=gap), plan.tau()]
    assert again.config.cut_gap == 2.0
    with pytest.raises(ValueError, match="cut_gap must be a number of at least 0, got -1"):
        DirectorGenPipeline(**parts, cut_gap=-1)


@torch.no_grad()
def test_weights_are_called_with_the_scheme_that_they_were_trained_with(gen, tmp_path, monkeypatch):
    parts = {**gen.components, "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0)}
    pipeline = DirectorGenPipeline(**parts, tau_scheme="midpoint")
    pipeline.save_pretrained(tmp_path)
    index, config = (json.loads((tmp_path / name).read_text()) for name in ("model_index.json", CONFIG))
    assert config["tau_scheme"] == "midpoint" and "tau_scheme" not in index
    again = DirectorGenPipeline.from_pretrained(tmp_path)
    assert again.config.tau_scheme == "midpoint" and again.transformer.rope.t_dim > 0  # `rope` stays Wan's module
    seen, rotary = [], DirectorTransformer3DModel.rotary
    spy = lambda self, tau, *args, **options: seen.append(tau) or rotary(self, tau, *args, **options)  # noqa: E731
    monkeypatch.setattr(DirectorTransformer3DModel, "rotary", spy)
    condition = VideoCondition(image=torch.zeros(3, HEIGHT, WIDTH), frame_index=5)
    for made, rope in ((gen, None), (pipeline, None), (again, None), (again, "restart")):
        made.set_progress_bar_config(disable=True)
        made(PROMPT, NEGATIVE, **CALL, conditions=[condition], generator=rng(), rope=rope)
    plan = pipeline.plan(10, [condition])
    assert seen == [plan.tau(scheme) for scheme in ("frame_time", "midpoint", "midpoint", "restart")]
    assert len({tuple(tau) for tau in seen}) == 3


def test_a_scheme_that_is_none_is_refused_when_weights_are_loaded(gen, tmp_path):
    said = "tau_scheme must be one of frame_time, continuous, restart, midpoint, got 'sinus'"
    gen.save_pretrained(tmp_path)
    path = tmp_path / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), "tau_scheme": "sinus"}))
    for kind, folder in ((DirectorGenPipeline, tmp_path), (DirectorTransformer3DModel, tmp_path / "transformer")):
        with pytest.raises(ValueError, match=said):
            kind.from_pretrained(folder)
    with pytest.raises(LoadError, match=said):
        load_director(tmp_path)
    plain = WanTransformer3DModel.from_pretrained(tmp_path / "transformer")  # which keeps entries that it does not know
    for transformer in (plain, None):
        with pytest.raises(ValueError, match=said):
            DirectorGenPipeline(**{**gen.components, "transformer": transformer}, tau_scheme="sinus")
    with pytest.raises(ValueError, match=said):
        DirectorGenPipeline(**{**gen.components, "transformer": plain})


def test_a_pipeline_without_a_skip_is_saved_as_diffusers_own(gen, tmp_path):
    with_skip(gen, None).save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["_class_name"] == "WanPipeline" and not {"sigma_data", "cut_gap", "tau_scheme"} & set(index)
    assert DirectorGenPipeline.from_pretrained(tmp_path).config.sigma_data is None


@pytest.mark.parametrize("sigma_data", [0.0, -1.0])
def test_a_spread_that_can_not_be_is_refused(gen, sigma_data):
    with pytest.raises(ValueError, match=r"sigma_data (= 0: give more than 0|must be a number of at least 0, got -1)"):
        DirectorGenPipeline(**gen.components, sigma_data=sigma_data)
