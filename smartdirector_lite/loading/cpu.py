"""Models made fast on a CPU: their layers run in oneDNN where torch would choose something slower.

For a single float32 sample torch takes slower code in two places. A convolution over time runs in torch's own older
code, many times as slow, unless channels x frames x height exceed 20480. A product of matrices runs in MKL, which is
slow on AMD's processors.
"""

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, WanRMS_norm
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-12  # as in torch's `normalize`
MANY = 256  # with so many rows a product gains more in oneDNN than it costs to lay its weights out


def prepare_for_cpu(model: nn.Module) -> None:
    """Make a VAE, a transformer or a restorer fast on a CPU, in place. Results stay the same within float rounding.

    Convolutions' kernels are laid out with the channels innermost. Parameters keep their names, values and shapes.
    """
    for parameter in model.parameters():
        if parameter.ndim in (4, 5):
            layout = torch.channels_last if parameter.ndim == 4 else torch.channels_last_3d
            parameter.data = parameter.data.to(memory_format=layout)
    for module in model.modules():
        if all(type(parameter) is nn.Parameter for parameter in module.parameters(recurse=False)):  # not quantized
            module.__class__ = FASTER.get(type(module), type(module))


def _is_for_onednn(x: Tensor) -> bool:
    """Whether a layer may hand `x` to oneDNN: float32 on a CPU, without autocast and compilation."""
    if torch.compiler.is_compiling():
        return False
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled


class _CausalConv3d(WanCausalConv3d):
    """A convolution that always runs in oneDNN and leaves the padding in space to oneDNN, without a padded copy."""

    def forward(self, x: Tensor, cache_x: Tensor | None = None) -> Tensor:
        if not _is_for_onednn(x):
            return super().forward(x, cache_x)
        columns, _, rows, _, before, _ = self._padding  # diffusers keeps it nowhere else
        if cache_x is not None and before > 0:
            x = torch.cat([cache_x, x], dim=2)
            before -= cache_x.shape[2]
        x = F.pad(x, (0, 0, 0, 0, before, 0))
        padding = (0, rows, columns)
        return torch.mkldnn_convolution(x, self.weight, self.bias, padding, self.stride, self.dilation, self.groups)


class _RMSNorm(WanRMS_norm):
    """A normalisation that goes over its input fewer times and keeps its type; the sum of squares is in float32.

    Under autocast the parent returns float32 for any input, and the layers up to the next convolution work on twice the
    bytes.
    """

    def forward(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=torch.float32)
        x = x * (self.scale / norm.clamp_min(EPSILON)).to(x.dtype)
        gamma = self.gamma.to(x.dtype)
        return x * gamma if torch.is_grad_enabled() else x.mul_(gamma)


class _Linear(nn.Linear):
    """A product that runs in oneDNN as a convolution with a kernel of 1 x 1, which is the same."""

    def forward(self, x: Tensor) -> Tensor:
        if not _is_for_onednn(x) or x.numel() < MANY * self.in_features:
            return super().forward(x)
        rows = x.reshape(1, 1, -1, self.in_features).permute(0, 3, 1, 2)
        rows = torch.mkldnn_convolution(rows, self.weight[:, :, None, None], self.bias, (0, 0), (1, 1), (1, 1), 1)
        return rows.permute(0, 2, 3, 1).reshape(*x.shape[:-1], self.out_features)


FASTER = {WanCausalConv3d: _CausalConv3d, WanRMS_norm: _RMSNorm, nn.Linear: _Linear}
