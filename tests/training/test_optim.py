"""The optimisers, and the arithmetic that they use."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from smartdirector_lite.training.optim import Muon, make_optimizers, orthogonalize
from smartdirector_lite.training.precision import has_fast_bf16, mixed_precision


@pytest.mark.parametrize("shape", [(16, 16), (8, 40), (40, 8)])
def test_orthogonalize_evens_the_singular_values(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalize(matrix).float()
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.6 and values.max() < 1.35
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    cosine = (result * (u @ v)).sum() / result.norm() / (u @ v).norm()
    assert cosine > 0.97  # and it is the nearest one that it approaches


@pytest.mark.parametrize(
    ("instructions", "dtype", "name"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32, "no"),
        ({"avx512_bf16": True}, torch.bfloat16, "bf16"),
        ({"amx_bf16": True}, torch.bfloat16, "bf16"),
        ({}, torch.float32, "no"),
    ],
)
def test_a_cpu_that_would_emulate_bfloat16_is_spared_it(instructions, dtype, name, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    assert orthogonalize(torch.eye(3)).dtype == dtype
    assert mixed_precision("auto", torch.device("cpu")) == name
    assert has_fast_bf16(torch.device("cuda"))
    assert (
        mixed_precision("bf16", torch.device("cpu")) == "bf16" and mixed_precision("fp32", torch.device("cuda")) == "no"
    )


def test_muon_takes_the_steps_of_torchs_own():
    start = torch.randn(12, 20, generator=torch.Generator().manual_seed(1))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    one = Muon([ours], lr=0.05, weight_decay=0.01)
    two = torch.optim.Muon([theirs], lr=0.05, weight_decay=0.01, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for step in range(4):
        gradient = torch.randn(12, 20, generator=torch.Generator().manual_seed(10 + step))
        for parameter, optimizer in ((ours, one), (theirs, two)):
            parameter.grad = gradient.clone()
            optimizer.step()
    step_size, difference = (ours - start).abs().mean(), (ours - theirs).abs().mean()
    assert difference < 0.05 * step_size  # torch's iterates in bfloat16


def test_matrices_that_muon_takes_together_step_as_each_would_alone():
    generator = torch.Generator().manual_seed(2)
    shapes = [(6, 10), (10, 6), (6, 10), (6, 2, 5), (60, 1)]  # the first, third and fourth are one shape to it
    starts, gradients = [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(2)]

    def stepped(which: slice) -> list[nn.Parameter]:
        parameters = [nn.Parameter(start.clone()) for start in starts[which]]
        optimizer = Muon(parameters, lr=0.1)
        for _ in range(2):
            for parameter, gradient in zip(parameters, gradients[which], strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()
        return parameters

    together = stepped(slice(None))
    for k, (start, parameter) in enumerate(zip(starts, together, strict=True)):
        assert (parameter - start).abs().min() > 0
        assert_close(parameter, stepped(slice(k, k + 1))[0], rtol=0.01, atol=0.01)


def test_muon_takes_a_kernel_as_a_matrix_and_finds_a_minimum():
    weight = nn.Parameter(torch.zeros(4, 3, 3, 3))
    target = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    optimizer = Muon([weight], lr=0.05, weight_decay=0.0)
    errors = []
    for step in range(150):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - step / 150)

        def closure() -> float:
            optimizer.zero_grad()
            error = (weight - target).square().mean()
            error.backward()
            return float(error.detach())

        errors.append(optimizer.step(closure))
    assert errors[-1] < 0.01 * errors[0]


def test_every_parameter_has_one_optimizer_that_suits_it():
    model = nn.Module()
    model.matrix, model.kernel = nn.Parameter(torch.ones(4, 6)), nn.Parameter(torch.ones(4, 2, 3, 3))
    model.bias, model.gain = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4, 1, 1, 1))
    model.table, model.embedding = nn.Parameter(torch.ones(1, 6, 8)), nn.Parameter(torch.ones(9, 4))
    model.frozen = nn.Parameter(torch.ones(5, 5), requires_grad=False)
    muon, adam = make_optimizers(model, 0.1, 0.2, plain=[model.embedding])
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    held = [{names[id(p)] for group in o.param_groups for p in group["params"]} for o in (muon, adam)]
    assert held == [{"matrix", "kernel"}, {"bias", "gain", "table", "embedding"}]
    assert (muon.param_groups[0]["lr"], adam.param_groups[0]["lr"]) == (0.1, 0.2)
    (only,) = make_optimizers(nn.Linear(3, 3, bias=False), 0.1, 0.2)
    assert isinstance(only, Muon)
    with pytest.raises(ValueError, match="no parameters"):
        make_optimizers(nn.Linear(3, 3).requires_grad_(False), 0.1, 0.2)
