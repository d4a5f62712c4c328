"""Values that say what a call needs of memory and arithmetic. `estimate` computes them."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from ..media.size import Size
from ..timeline import ChunkPlan, Condition, check_int

MODES = ("full", "model", "group", "sequential")  # the fastest first; see `placement`
RESERVE = 3_000_000_000  # bytes of a GPU that CUDA's context and cuDNN's workspaces may take
QUANTIZED = {"int8": 0.51, "nf4": 0.29}  # bytes of quantized weights, scales included, for each byte in bfloat16


@dataclass(frozen=True)
class Call:
    """What is asked for. ValueError for values out of range.

    Attributes:
        size: the size of the draft.
        num_keyframes: how many keyframes there are; they are spread evenly, the first at frame 0.
        steps: denoising steps.
        guided: whether classifier-free guidance doubles the work of each step.
        tiled: whether the VAE works in tiles and encodes one keyframe at a time (`enable_tiling`, `enable_slicing`).
    """

    size: tuple[int, int]
    num_frames: int
    num_keyframes: int = 0
    steps: int = 50
    guided: bool = True
    tiled: bool = False

    def __post_init__(self) -> None:
        check_int("num_frames", self.num_frames, 1, 100_000)
        check_int("num_keyframes", self.num_keyframes, 0, self.num_frames)
        check_int("steps", self.steps, 1, 1000)
        for name, side in zip(Size._fields, self.size, strict=True):
            check_int(name, side, 1, 8192)

    def plan(self, stride: int) -> ChunkPlan:
        """Return the chunks of the call's video."""
        places = {i * self.num_frames // self.num_keyframes for i in range(self.num_keyframes)}
        return ChunkPlan.build(self.num_frames, [Condition(frame) for frame in sorted(places)], stride)


@dataclass(frozen=True)
class Weights:
    """The bytes of a model's weights.

    Attributes:
        total: all weights.
        block: the weights of the largest repeated block.
        layer: the weights of the largest layer.
        rest: the weights that are in no block.
    """

    total: int
    block: int
    layer: int
    rest: int

    @classmethod
    def of(cls, model: nn.Module) -> "Weights":
        """Measure a model. Its blocks are the items of its outermost module lists."""
        own = {module: sum(p.nbytes for p in module.parameters(recurse=False)) for module in model.modules()}
        blocks = [sum(own[module] for module in block.modules()) for block in _blocks(model)]
        total = sum(p.nbytes for p in model.parameters())
        return cls(total, max(blocks, default=0), max(own.values()), total - sum(blocks))

    def resident(self, mode: str) -> int:
        """Return the bytes on the GPU while the model runs in a memory mode."""
        if mode == "sequential":
            return self.layer
        if mode == "group":  # one block runs while the next is on its way
            return min(self.total, self.rest + 2 * self.block)
        return self.total


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        yield from child if isinstance(child, nn.ModuleList) else _blocks(child)


@dataclass(frozen=True)
class StageNeeds:
    """A part of a call.

    Attributes:
        models: the names of the models that run in it.
        bytes: what it needs beside their weights, at the peak.
        flops: the operations of its products and convolutions.
    """

    name: str
    models: tuple[str, ...]
    bytes: int
    flops: int


@dataclass(frozen=True)
class Estimate:
    """What a call needs.

    Attributes:
        weights: the weights of each model, by its name.
        stages: the parts of the call, in their order.
    """

    weights: dict[str, Weights]
    stages: tuple[StageNeeds, ...]

    @property
    def host(self) -> int:
        """The bytes of weights that the computer's memory must hold."""
        return sum(weights.total for weights in self.weights.values())

    def peak(self, mode: str) -> tuple[int, str]:
        """Return the most bytes on the GPU in a memory mode, and the name of the stage that needs them."""
        return max((self._needed(stage, mode), stage.name) for stage in self.stages)

    def _needed(self, stage: StageNeeds, mode: str) -> int:
        if mode == "full":
            return self.host + stage.bytes
        modes = {name: "model" if name == "vae" and mode == "group" else mode for name in stage.models}
        return sum(self.weights[name].resident(how) for name, how in modes.items()) + stage.bytes

    def quantized(self, kind: str | None) -> "Estimate":
        """Return what the call needs with the transformer's weights quantized: one of QUANTIZED, or None."""
        share = 1 if kind is None else QUANTIZED[kind]
        sizes = dataclasses.astuple(self.weights["transformer"])
        smaller = Weights(*(round(share * size) for size in sizes))
        return dataclasses.replace(self, weights={**self.weights, "transformer": smaller})

    def table(self) -> str:
        """Return a table for people: the memory of each mode, and what each stage takes."""
        lines = [f"{'memory':12}{'GPU':>10}{'computer':>12}   peak in"]
        for mode in MODES:
            peak, where = self.peak(mode)
            lines.append(f"{mode:12}{gigabytes(peak):>10}{gigabytes(self.host):>12}   {where}")
        lines.append(f"\n{'stage':12}{'weights':>10}{'beside':>12}{'TFLOP':>12}")
        for stage in self.stages:
            weights = gigabytes(sum(self.weights[name].total for name in stage.models))
            lines.append(f"{stage.name:12}{weights:>10}{gigabytes(stage.bytes):>12}{stage.flops / 1e12:>12,.1f}")
        return "\n".join(lines)


def gigabytes(count: int) -> str:
    """Return a number of bytes as people read it; a gigabyte is 10^9 bytes."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
