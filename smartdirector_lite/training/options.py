"""The options that every training takes, and the checks that trainings make of their options."""

from dataclasses import dataclass

from .precision import PRECISIONS


@dataclass
class LoopConfig:
    """The options of every training. A value out of range raises a ValueError."""

    out: str = "runs/run"  # the run's folder, for its checkpoint, log, samples and export
    minutes: float = 30.0  # how long this call may take; a later call with the same `out` goes on
    steps: int = 2000  # the length of the whole run, which the learning rate follows
    warmup: int = 100  # steps over which the learning rate rises
    decay: float = 0.4  # share of the steps, at the end, over which the learning rate falls to a tenth
    ema: float = 0.998  # decay of the averaged weights, which are sampled from and exported; 0 for no average
    clip: float = 1.0  # largest norm that the gradient may have
    seed: int = 0  # seed of the weights, the batches and the noise
    precision: str = "auto"  # bf16 (autocast), fp32, or auto: bf16 where the device is fast at it
    save_minutes: float = 4.0  # minutes between two checkpoints
    log_every: int = 20  # steps between two lines of the log

    def __post_init__(self) -> None:
        check_least(self, 1, "steps", "log_every")
        check_least(self, 0, "warmup", "seed")
        check_positive(self, "minutes", "save_minutes", "clip")
        check_shares(self, "decay", "ema")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision = {self.precision!r}: give one of {', '.join(PRECISIONS)}")


def check_least(config: LoopConfig, low: float, *names: str) -> None:
    """Raise a ValueError for an option that is less than `low`."""
    for name in names:
        if not getattr(config, name) >= low:
            raise ValueError(f"{name} = {getattr(config, name)}: give {low} or more")


def check_positive(config: LoopConfig, *names: str) -> None:
    """Raise a ValueError for an option that is not more than 0."""
    for name in names:
        if not getattr(config, name) > 0:
            raise ValueError(f"{name} = {getattr(config, name)}: give more than 0")


def check_shares(config: LoopConfig, *names: str) -> None:
    """Raise a ValueError for a share or a probability that is not from 0 to 1."""
    for name in names:
        if not 0 <= getattr(config, name) <= 1:
            raise ValueError(f"{name} = {getattr(config, name)}: give 0 to 1")
