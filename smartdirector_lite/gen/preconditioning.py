"""A skip around the transformer, for models that are not much wider than their tokens.

To predict the velocity v = x_1 - x_0 is to hand on all of the noise in x_t, value by value. A narrow model has little
room left for anything else: of width 256, for instance, with tokens of 2 x 2 cells of 48 values. EDM's preconditioning
(Karras et al. 2022, table 1) carries that part past the network, here for flow matching's x_t = (1 - t) x_0 + t x_1.
"""

import torch
from torch import Tensor


def to_velocity(output: Tensor, x_t: Tensor, t: Tensor, sigma_data: float | None) -> Tensor:
    """The velocity of what the network gave: v = c_skip(t) x_t + c_out(t) output.

    With x_0 ~ N(0, sigma_data^2), c_skip x_t is the best linear guess of v, and c_out the spread of what remains.

    output, x_t: (B, C, F, h, w). t: (B, F) in [0, 1]. sigma_data: None for a network that predicts v itself, as Wan's.
    """
    if sigma_data is None:
        return output
    t = t.to(x_t.device, torch.float32)[:, None, :, None, None]
    variance = t.square() + ((1 - t) * sigma_data).square()
    skip = (t - (1 - t) * sigma_data**2) / variance
    return skip * x_t.float() + sigma_data / variance.sqrt() * output.float()
