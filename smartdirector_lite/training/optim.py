"""Muon for matrices and convolution kernels.

Muon (Jordan et al., 2024) replaces a matrix's momentum by the nearest orthogonal matrix, so that every direction learns
at the same rate. torch's own Muon takes 2-D parameters only. Here a kernel counts as a matrix (out, in x taps). The
update is scaled to the size of an Adam step, as torch's `adjust_lr_fn="match_rms_adamw"` scales it. Matrices of one
shape are iterated together, so that a GPU starts each product once and not once for each layer.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from .precision import has_fast_bf16


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """Approach the nearest orthogonal matrix by Newton-Schulz iteration.

    After 5 steps the singular values are within about 0.3 of 1, which is enough for Muon. So is bfloat16, which is used
    where the device is fast at it; elsewhere float32 is.

    Args:
        matrix: (..., rows, columns); each matrix is taken for itself.

    Returns:
        Matrices of the same shape, in bfloat16 or float32.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16() if has_fast_bf16(matrix.device) else matrix.float()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised. Parameters need two or more dimensions."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.01):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step, as every torch optimizer does."""
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        for group in self.param_groups:
            for parameters in _by_shape(group["params"]):
                updates = orthogonalize(torch.stack([self._averaged(p, group["momentum"]) for p in parameters]))
                scale = 0.2 * max(updates.shape[1:]) ** 0.5
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update.view_as(parameter).to(parameter), alpha=-group["lr"] * scale)
        return value

    def _averaged(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        """Return Nesterov's momentum of a parameter, as a matrix."""
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        average = state["momentum"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(average, momentum).flatten(1)


def _by_shape(parameters: Iterable[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Group the parameters that have a gradient, so that the matrices of a group may be stacked."""
    groups = defaultdict(list)
    for parameter in parameters:
        if parameter.grad is not None:
            groups[len(parameter), parameter.numel(), parameter.device, parameter.dtype].append(parameter)
    return list(groups.values())


def make_optimizers(
    model: nn.Module, lr: float, adam_lr: float, plain: Iterable[nn.Parameter] = ()
) -> list[torch.optim.Optimizer]:
    """Make Muon for matrices and kernels, and AdamW for everything else: gains, biases and tables.

    Parameters that need no gradient are left out, and so is an optimizer that would have nothing to do.

    Args:
        lr: Muon's learning rate.
        adam_lr: AdamW's learning rate.
        plain: matrices that AdamW is to train: embeddings, and the layers next to input and output.

    Raises:
        ValueError: nothing is to be trained.
    """
    plain_ids = {id(parameter) for parameter in plain}
    matrices, rest = [], []
    for parameter in model.parameters():
        if parameter.requires_grad:
            is_matrix = parameter.ndim >= 2 and parameter.shape[0] > 1 and parameter.squeeze().ndim >= 2
            (matrices if is_matrix and id(parameter) not in plain_ids else rest).append(parameter)
    if not matrices and not rest:
        raise ValueError("the model has no parameters to train")
    optimizers: list[torch.optim.Optimizer] = [Muon(matrices, lr)] if matrices else []
    if rest:
        optimizers.append(torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.95), weight_decay=0.0))
    return optimizers
