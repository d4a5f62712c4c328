"""What a call needs of memory and arithmetic, as a value: by model, by stage, by memory mode. See `estimate`."""

from dataclasses import dataclass

from ..timeline import ChunkPlan, Condition, check_int

MODES = ("full", "model", "group", "sequential")  # the fastest first
RESERVE = 3_000_000_000  # bytes of a GPU that are not ours to plan with: CUDA's context, cuDNN's workspaces (2 GB)


@dataclass(frozen=True)
class Weights:
    """Bytes of a model: all, of its largest repeated block, of its largest layer, of what is in no block."""

    total: int
    block: int
    layer: int
    rest: int

    def resident(self, mode: str) -> int:
        """Bytes on the GPU while the model runs. group: two blocks, since the next one comes while one runs."""
        if mode in ("full", "model"):
            return self.total
        return min(self.total, self.rest + 2 * self.block) if mode == "group" else self.layer


@dataclass(frozen=True)
class Stage:
    """A part of a call: the models that run in it, bytes beside their weights at the peak, and FLOPs."""

    name: str
    models: tuple[str, ...]
    bytes: int
    flops: int


@dataclass(frozen=True)
class Estimate:
    """What a call needs. weights: by model. stages: in order. host: bytes of weights that the computer must hold."""

    weights: dict[str, Weights]
    stages: tuple[Stage, ...]

    @property
    def host(self) -> int:
        return sum(weights.total for weights in self.weights.values())

    @property
    def flops(self) -> int:
        return sum(stage.flops for stage in self.stages)

    def peak(self, mode: str) -> tuple[int, str]:
        """Bytes on the GPU at most in a memory mode, and the stage that needs them."""
        return max((self._stage_peak(stage, mode), stage.name) for stage in self.stages)

    def _stage_peak(self, stage: Stage, mode: str) -> int:
        if mode == "full":
            return self.host + stage.bytes
        names = {name: "model" if name == "vae" and mode == "group" else mode for name in stage.models}
        return sum(self.weights[name].resident(how) for name, how in names.items()) + stage.bytes

    def best(self, free: int) -> str | None:
        """The fastest mode that fits into `free` bytes of GPU memory; None if none does."""
        return next((mode for mode in MODES if self.peak(mode)[0] + RESERVE <= free), None)

    def table(self) -> str:
        """For people: memory by mode, and what the stages take."""
        lines = [f"{'memory':12}{'GPU':>10}{'computer':>12}   peak in"]
        for mode in MODES:
            peak, where = self.peak(mode)
            lines.append(f"{mode:12}{gigabytes(peak):>10}{gigabytes(self.host):>12}   {where}")
        lines.append(f"\n{'stage':12}{'weights':>10}{'beside':>12}{'TFLOP':>12}")
        for stage in self.stages:
            weights = sum(self.weights[name].total for name in stage.models)
            row = f"{stage.name:12}{gigabytes(weights):>10}{gigabytes(stage.bytes):>12}{stage.flops / 1e12:>12,.1f}"
            lines.append(row)
        return "\n".join(lines)


def gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


@dataclass(frozen=True)
class Call:
    """What is asked for. size: (width, height) of the draft. guided: with classifier-free guidance.

    tiled: the VAE works in tiles, and encodes one keyframe at a time (`enable_tiling`, `enable_slicing`).

    ValueError for values out of range.
    """

    size: tuple[int, int]
    num_frames: int
    num_keyframes: int = 0
    steps: int = 50
    guided: bool = True
    tiled: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (("num_frames", 1, 100_000), ("num_keyframes", 0, self.num_frames), ("steps", 1, 1000)):
            check_int(name, getattr(self, name), low, high)
        for name, side in zip(("width", "height"), self.size, strict=True):
            check_int(name, side, 1, 8192)

    def plan(self, stride: int) -> ChunkPlan:
        """The keyframes evenly spread, the first at frame 0."""
        places = {i * self.num_frames // self.num_keyframes for i in range(self.num_keyframes)}
        return ChunkPlan.build(self.num_frames, [Condition(frame) for frame in sorted(places)], stride)
