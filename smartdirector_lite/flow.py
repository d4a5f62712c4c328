"""Flow matching over Multi-Chunk latents: the equations of the paper, each written once (SmartDirector, section 3).

A straight path leads from x_0 to x_1: x_t = (1 - t) x_0 + t x_1, and the model learns its velocity v = x_1 - x_0.
In Director-Gen x_0 is data and x_1 is noise. In Director-SR x_0 is the high-resolution latents z_HR and x_1 is the
enlarged low-resolution ones, z_LR. Both stages and the trainers of both use these functions.

Anchors are the latents that come from a keyframe or a clip. They stay clean: their time is 0, no step moves them, and
they do not count in the loss. `State` carries the latents together with this knowledge.

Axes: B batch, C channels, F latent frames, h, w latent height and width. Time t runs from 0 (x_0) to 1 (x_1).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class State:
    """Latents on their way along the path. A step returns a new state and never changes this one.

    Attributes:
        latents: (B, C, F, h, w), float32.
        anchored: (F,) or (B, F) bools, true for anchors.
        tau: F temporal positions for the transformer (MC-RoPE), from `ChunkPlan.tau`.
    """

    latents: Tensor
    anchored: Tensor
    tau: Sequence[float]

    @property
    def is_complete(self) -> bool:
        """Whether every latent is an anchor, so that nothing is left to generate."""
        return bool(self.anchored.all())

    def times(self, t: float | Tensor) -> Tensor:
        """(B, F): the time `t`, a number, for each latent frame; 0 for the anchors. Any unit of time will do."""
        return (~self.anchored * t).expand(len(self.latents), -1)

    def moved(self, latents: Tensor) -> "State":
        """The state with these latents (B, C, F, h, w), in which the anchors are kept as they are here."""
        return replace(self, latents=torch.where(spread(self.anchored), self.latents, latents))

    def crop(self, rows: slice, columns: slice) -> "State":
        """The part of every latent frame that lies in these rows and columns."""
        return replace(self, latents=self.latents[..., rows, columns])

    def euler_step(self, velocity: Tensor, t: float, t_next: float) -> "State":
        """One Euler step along the velocity (B, C, F, h, w), from time `t` to the earlier time `t_next`."""
        return self.moved(self.latents - (t - t_next) * velocity)


def spread(per_frame: Tensor) -> Tensor:
    """(F,) or (B, F) -> (1 or B, 1, F, 1, 1), so that it broadcasts over latents (B, C, F, h, w)."""
    return per_frame.view(-1, 1, per_frame.shape[-1], 1, 1)


def path(x_0: Tensor, x_1: Tensor, t: float | Tensor) -> Tensor:
    """x_t = (1 - t) x_0 + t x_1.

    Args:
        x_0, x_1: (B, C, F, h, w).
        t: in [0, 1]; one number, or (B, F) numbers, one for each latent frame.
    """
    t = spread(t) if isinstance(t, Tensor) else t
    return (1 - t) * x_0 + t * x_1


def velocity(x_0: Tensor, x_1: Tensor) -> Tensor:
    """v = dx_t/dt = x_1 - x_0, the same at every t; (B, C, F, h, w)."""
    return x_1 - x_0


def loss(predict: Callable[[Tensor, Tensor], Tensor], x_0: Tensor, x_1: Tensor, t: Tensor, anchored: Tensor) -> Tensor:
    """The training loss: the mean squared error of the predicted velocity over the latents that are not anchors.

    Args:
        predict: the model, which takes x_t (B, C, F, h, w) and times (B, F) and returns a velocity (B, C, F, h, w).
        x_0, x_1: the two ends of the path, (B, C, F, h, w).
        t: (B,) times in [0, 1], one for each sample.
        anchored: (B, F) bools, true for anchors, which the model sees as x_0 at time 0.

    Returns:
        A scalar; 0 where every latent is an anchor.
    """
    times = torch.where(anchored, 0.0, t[:, None])
    predicted = predict(path(x_0, x_1, times), times)
    error = (predicted - velocity(x_0, x_1)).square().mean(dim=(1, 3, 4))  # (B, F)
    free = (~anchored).float()
    return (error * free).sum() / free.sum().clamp(min=1)


def precondition(output: Tensor, x_t: Tensor, t: Tensor, sigma_data: float | None) -> Tensor:
    """The velocity of what a network gave: v = c_skip(t) x_t + c_out(t) output. Ours; the paper has no such step.

    To predict the velocity is to hand on all of the noise in x_t, value by value. A narrow network has little room
    left for anything else. EDM's preconditioning (Karras et al. 2022, table 1) carries that part past the network:
    with x_0 ~ N(0, sigma_data^2), c_skip x_t is the best linear guess of v, and c_out is the spread of what remains.

    Args:
        output: (B, C, F, h, w), what the network gave for `x_t`.
        x_t: (B, C, F, h, w).
        t: (B, F) in [0, 1].
        sigma_data: None for a network that predicts v itself, as Wan's do.
    """
    if sigma_data is None:
        return output
    t = spread(t.to(x_t.device, torch.float32))
    variance = t.square() + ((1 - t) * sigma_data).square()
    skip = (t - (1 - t) * sigma_data**2) / variance
    return skip * x_t.float() + sigma_data / variance.sqrt() * output.float()
