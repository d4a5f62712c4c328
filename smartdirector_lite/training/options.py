"""The options that every training takes, and the ranges that the options of all trainings lie in."""

import math
import numbers
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, get_args, get_origin

from ..media.files import check_folder
from .precision import PRECISIONS


@dataclass(frozen=True)
class Range:
    """The values that a numeric option may have: from `low` to `high`, both included.

    Attributes:
        low, high: an infinite `high` takes infinity too, where the option is not a whole number.
        above: whether `low` itself is too low.
        step: what a whole number must be a multiple of.
    """

    low: float = 0
    high: float = math.inf
    above: bool = False
    step: int = 1

    def check(self, name: str, value: object, whole: bool) -> int | float:
        """Return a value as a Python number. ValueError for one that is out of range, no number, or not a number."""
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not (is_number and self.low <= value <= self.high) or (self.above and value == self.low):
            raise ValueError(f"{name} = {value!r}: give {self}")
        if whole and (math.isinf(value) or value % self.step):
            raise ValueError(f"{name} = {value!r}: give a whole number, {self}")
        return int(value) if whole else float(value)

    def __str__(self) -> str:
        if self.high == math.inf:
            words = f"more than {self.low:g}" if self.above else f"{self.low:g} or more"
        else:
            words = f"more than {self.low:g}, at most {self.high}" if self.above else f"{self.low:g} to {self.high}"
        return words if self.step == 1 else f"{words}, a multiple of {self.step}"


Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Channels = Annotated[int, Range(1, 65_536)]
Seed = Annotated[int, Range(0, 2**63 - 1)]
Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, 1_000_000)]
Rate = Annotated[float, Range(0, 1000, above=True)]
Real = Annotated[float, Range(-1000, 1000)]
Endless = Annotated[float, Range(0, above=True)]  # infinity is a limit that is never reached


@dataclass
class Options:
    """The options of a training command. The type of each number holds its Range, in which a value must lie."""

    def __post_init__(self) -> None:
        for field in fields(self):
            setattr(self, field.name, _checked(field.name, field.type, getattr(self, field.name)))


def _checked(name: str, kind: object, value: object) -> object:
    """Return an option's value, whose numbers are Python's own. ValueError for a number that is out of range."""
    if get_origin(kind) is tuple and isinstance(value, tuple):
        return tuple(_checked(name, one, part) for one, part in zip(get_args(kind), value, strict=True))
    if value is None and type(None) in get_args(kind):
        return value
    for one in (kind, *get_args(kind)):
        for limits in getattr(one, "__metadata__", ()):
            return limits.check(name, value, whole=get_args(one)[0] is int)
    return value


@dataclass
class LoopConfig(Options):
    """The options of every training. A value out of range raises a ValueError."""

    out: str = "runs/run"  # the run's folder, for its checkpoint, log, samples and export
    minutes: Endless = 30.0  # how long this call may take; a later call with the same `out` goes on
    steps: Count = 2000  # the length of the whole run, which the learning rate follows
    warmup: Natural = 100  # steps over which the learning rate rises
    decay: Share = 0.4  # share of the steps, at the end, over which the learning rate falls to a tenth
    ema: Share = 0.998  # decay of the averaged weights, which are sampled from and exported; 0 for no average
    clip: Endless = 1.0  # largest norm that the gradient may have
    seed: Seed = 0  # seed of the weights, the batches and the noise
    precision: str = "auto"  # bf16 (autocast), fp32, or auto: bf16 where the device is fast at it
    save_minutes: Endless = 4.0  # minutes between two checkpoints
    log_every: Count = 20  # steps between two lines of the log

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision = {self.precision!r}: give one of {', '.join(PRECISIONS)}")

    def check_out(self, *inputs: str) -> None:
        """Raise a ValueError where `out` takes no files, or where the run would replace one of its inputs.

        Args:
            inputs: folders; "" for none.
        """
        check_folder(self.out)
        for part in ("checkpoint", "export"):
            for given in filter(None, inputs):
                if Path(given).resolve().is_relative_to((Path(self.out) / part).resolve()):
                    raise ValueError(f"out = {self.out}: its {part} would replace the input {given}; give another out")
