"""The paper's equations against closed forms, and against loops that spell them out."""

import dataclasses
import itertools

import pytest
import torch
from torch.testing import assert_close

from smartdirector_lite import flow
from smartdirector_lite.flow import State

SHAPE = (2, 3, 5, 4, 6)  # (B, C, F, h, w)
ANCHORED = torch.tensor([[True, False, False, True, False], [False, False, True, True, False]])


@pytest.fixture
def ends() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(2, *SHAPE, generator=generator))


def test_the_path_is_straight_and_the_velocity_is_its_derivative(ends):
    x_0, x_1 = ends
    assert torch.equal(flow.path(x_0, x_1, 0.0), x_0) and torch.equal(flow.path(x_0, x_1, 1.0), x_1)
    step = 2**-7
    for t in (0.0, 0.25, 0.8):
        slope = (flow.path(x_0, x_1, t + step) - flow.path(x_0, x_1, t)) / step
        assert_close(slope, flow.velocity(x_0, x_1), atol=1e-3, rtol=0)


def test_each_latent_frame_has_its_own_time(ends):
    x_0, x_1 = ends
    times = torch.rand(2, 5, generator=torch.Generator().manual_seed(1))
    made = flow.path(x_0, x_1, times)
    for b in range(2):
        for f in range(5):
            t = times[b, f]
            assert_close(made[b, :, f], (1 - t) * x_0[b, :, f] + t * x_1[b, :, f])


def test_a_step_moves_what_is_free_and_keeps_the_anchors(ends):
    latents, velocity = ends
    state = State(latents, ANCHORED, [0.0, 1.0, 2.0, 2.25, 3.25])
    moved = state.euler_step(velocity, 0.75, 0.5)
    for b in range(2):
        for f in range(5):
            expected = latents[b, :, f] if ANCHORED[b, f] else latents[b, :, f] - 0.25 * velocity[b, :, f]
            assert torch.equal(moved.latents[b, :, f], expected)
    assert torch.equal(state.latents, ends[0]) and moved.tau is state.tau
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.latents = velocity


def test_euler_steps_along_the_true_velocity_end_at_the_data(ends):
    x_0, x_1 = ends
    state = State(torch.where(flow.spread(ANCHORED), x_0, x_1), ANCHORED, range(5))
    times = [1.0, 0.9, 0.4, 0.0]
    for t, t_next in itertools.pairwise(times):
        state = state.euler_step(flow.velocity(x_0, x_1), t, t_next)
    assert_close(state.latents, x_0, atol=1e-6, rtol=0)


def test_anchors_are_at_time_0_in_any_unit(ends):
    state = State(ends[0], ANCHORED, range(5))
    assert torch.equal(state.times(0.3), torch.where(ANCHORED, 0.0, 0.3))
    assert torch.equal(state.times(torch.tensor(900.0)), torch.where(ANCHORED, 0.0, 900.0))
    shared = State(ends[0], ANCHORED[0], range(5))  # one row for all samples
    assert torch.equal(shared.times(1.0), (~ANCHORED[:1]).float().expand(2, -1))
    assert not state.is_complete and State(ends[0], torch.ones(5, dtype=torch.bool), range(5)).is_complete


def test_a_part_of_the_frame_keeps_the_rest_of_the_state(ends):
    part = State(ends[0], ANCHORED, range(5)).crop(slice(1, 3), slice(2, 6))
    assert torch.equal(part.latents, ends[0][..., 1:3, 2:6]) and part.anchored is ANCHORED


def test_the_loss_counts_what_is_free(ends):
    """Against a loop over samples and latent frames."""
    x_0, x_1 = ends
    t, seen = torch.tensor([0.3, 0.9]), {}
    answer = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))

    def predict(x_t: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        seen.update(x_t=x_t, times=times)
        return answer

    loss, errors = flow.loss(predict, x_0, x_1, t, ANCHORED), []
    for b in range(2):
        for f in range(5):
            if ANCHORED[b, f]:
                assert torch.equal(seen["x_t"][b, :, f], x_0[b, :, f]) and seen["times"][b, f] == 0
            else:
                assert_close(seen["x_t"][b, :, f], (1 - t[b]) * x_0[b, :, f] + t[b] * x_1[b, :, f])
                assert seen["times"][b, f] == t[b]
                errors.append((answer[b, :, f] - (x_1 - x_0)[b, :, f]).square().mean())
    assert_close(loss, torch.stack(errors).mean())
    assert flow.loss(lambda x_t, times: x_1 - x_0, x_0, x_1, t, ANCHORED) == 0
    assert flow.loss(predict, x_0, x_1, t, torch.ones_like(ANCHORED)) == 0  # nothing is free


def test_no_gradient_reaches_what_was_said_of_an_anchor(ends):
    answer = torch.zeros(SHAPE, requires_grad=True)
    flow.loss(lambda x_t, times: answer, *ends, torch.tensor([0.5, 0.5]), ANCHORED).backward()
    touched = answer.grad.abs().amax(dim=(1, 3, 4)) > 0
    assert torch.equal(touched, ~ANCHORED)
