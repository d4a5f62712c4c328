"""The loop that every stage trains in: time-limited, resumable, one optimiser step at a time.

A run is a folder: `checkpoint/` (accelerate's whole state: weights, optimisers, average, random generators),
`log.jsonl`, `samples/`, and at the end `export/`. A folder is written beside the one that it replaces and takes its
place by renaming. A run that is killed at any moment therefore goes on from its last whole checkpoint, and takes the
steps that an unbroken run would have taken. accelerate pickles parts of a checkpoint, so a checkpoint belongs to the
machine that wrote it. What is passed on is the export.
"""

import contextlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedDataParallelKwargs
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from ..media.files import make_folder, writing
from .options import LoopConfig
from .precision import mixed_precision
from .processes import agreed, beside, keep_trained_weights, set_sharding, write_folder
from .stage import Stage


class Clock:
    """The number of steps that a run has taken. accelerate saves it in each checkpoint."""

    def __init__(self) -> None:
        self.step = 0

    def state_dict(self) -> dict:
        return {"step": self.step}

    def load_state_dict(self, state: dict) -> None:
        self.step = state["step"]


class Meter:
    """Means of what was logged since the last line of `log.jsonl`.

    A resumed run may write a second line for a step. The later line counts.

    Args:
        path: the log; None for a process that writes none.
    """

    def __init__(self, path: Path | None):
        self.path, self.totals, self.count, self.since = path, {}, 0, time.monotonic()

    def add(self, values: dict[str, Tensor]) -> None:
        self.count += 1
        for name, value in values.items():
            self.totals[name] = self.totals.get(name, 0.0) + value.detach()

    def check(self, step: int) -> None:
        """Raise a ValueError once the loss has not been finite: no later checkpoint would be of use."""
        if not math.isfinite(self.totals.get("loss", 0.0)):
            raise ValueError(f"the loss is not finite by step {step}; resume with a smaller learning rate")

    def write(self, step: int, factor: float) -> None:
        self.check(step)
        means = {name: round(float(total) / self.count, 5) for name, total in self.totals.items()}
        seconds = (time.monotonic() - self.since) / self.count
        row = {"step": step, **means, "rate": round(factor, 3), "seconds_a_step": round(seconds, 3)}
        if self.path is not None:
            with writing(self.path), open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        self.totals, self.count, self.since = {}, 0, time.monotonic()


def rate_factor(step: int, config: LoopConfig) -> float:
    """Factor on the learning rate: a linear warm-up, then 1, then a cosine to 0.1 over the last `decay` of steps."""
    start = config.steps * (1 - config.decay)
    if step < config.warmup:
        return (step + 1) / config.warmup
    if step < start:
        return 1.0
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, (step - start) / max(1.0, config.steps - start))))


def train_stage(stage: Stage) -> None:
    """Train until the steps or the minutes run out, then export the averaged weights to `out/export`.

    A run goes on from `out/checkpoint` where there is one.

    Raises:
        ValueError: a folder that can't be written to, a checkpoint of another model, a loss that is not finite.
    """
    started, config = time.monotonic(), stage.config
    out = _open_folder(config.out)
    accelerator = _open_accelerator(stage)
    base_rates = [group["lr"] for optimizer in stage.optimizers for group in optimizer.param_groups]
    model, *optimizers = accelerator.prepare(stage.model, *stage.optimizers)
    trained = [value for value in stage.model.parameters() if value.requires_grad or not stage.finetunes]
    ema, clock = EMAModel(trained, decay=config.ema) if config.ema else None, Clock()
    _load(accelerator, ema, clock, out / "checkpoint")
    meter, saved = Meter(out / "log.jsonl" if accelerator.is_main_process else None), time.monotonic()

    def save() -> None:
        meter.check(clock.step)
        write_folder(out / "checkpoint", lambda folder: accelerator.save_state(str(folder)), accelerator)
        if accelerator.is_main_process:
            with _averaged(stage.model, trained, ema):
                stage.sample(out / "samples", clock.step)

    def is_over() -> bool:
        return agreed(accelerator, time.monotonic() - started >= config.minutes * 60)

    model.train()
    over = is_over()
    while clock.step < config.steps and not over:
        factor = rate_factor(clock.step, config)
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group, base in zip(groups, base_rates, strict=True):
            group["lr"] = base * factor
        for index in range(clock.step * stage.accumulate, (clock.step + 1) * stage.accumulate):
            meter.add(_backward(accelerator, stage, model, index))
        accelerator.clip_grad_norm_(model.parameters(), config.clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if ema is not None:
            ema.step(trained)
        clock.step += 1
        if clock.step % config.log_every == 0:
            meter.write(clock.step, factor)
        over, now = is_over(), time.monotonic()
        if agreed(accelerator, now - saved > config.save_minutes * 60):
            save()
            saved = time.monotonic()
            meter.since += saved - now
    save()
    with _averaged(stage.model, trained, ema):
        exports = accelerator.is_main_process or stage.finetunes
        write_folder(out / "export", lambda folder: stage.export(folder) if exports else None, accelerator)


def _backward(accelerator: Accelerator, stage: Stage, model: nn.Module, index: int) -> dict[str, Tensor]:
    """Add a batch's part to the gradient. Processes exchange their gradients at the last batch of a step.

    Args:
        index: the batch's number among those of this process.
    """
    is_last = (index + 1) % stage.accumulate == 0
    with contextlib.nullcontext() if is_last else accelerator.no_sync(model):
        number = index * accelerator.num_processes + accelerator.process_index
        values = stage.loss(model, stage.batch(number, accelerator.device))
        accelerator.backward(values["loss"] / stage.accumulate)
    return values


def _open_accelerator(stage: Stage) -> Accelerator:
    exchange = DistributedDataParallelKwargs(find_unused_parameters=stage.uneven)
    precision = mixed_precision(stage.config.precision, PartialState().device)
    accelerator = Accelerator(mixed_precision=precision, kwargs_handlers=[exchange])
    if stage.finetunes:
        set_sharding(accelerator, stage.config.ema)
        keep_trained_weights(accelerator)
    torch.manual_seed(stage.config.seed + accelerator.process_index)
    return accelerator


@contextlib.contextmanager
def _averaged(model: nn.Module, trained: list[nn.Parameter], ema: EMAModel | None) -> Iterator[None]:
    """Give the model its averaged weights, in eval mode, and leave the run's random numbers as they are."""
    if ema is not None:
        ema.store(trained)
        ema.copy_to(trained)
    model.eval()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            yield
    finally:
        if ema is not None:
            ema.restore(trained)
        model.train()


def _open_folder(folder: str) -> Path:
    """Make the run's folder. A ValueError tells that it can't be written to before any step is taken."""
    out = make_folder(folder)
    with writing(out / "log.jsonl"):
        (out / "log.jsonl").touch()
    return out


def _load(accelerator: Accelerator, ema: EMAModel | None, clock: Clock, folder: Path) -> None:
    """Take up the last whole checkpoint, if there is one."""
    accelerator.register_for_checkpointing(*([clock] if ema is None else [ema, clock]))
    old = beside(folder, "old")
    if accelerator.is_main_process and old.exists() and not folder.exists():  # killed between `write_folder`'s renames
        old.rename(folder)
    accelerator.wait_for_everyone()
    if not folder.exists():
        return
    try:
        accelerator.load_state(str(folder))
    except Exception as error:  # whatever torch, safetensors or the file system find wrong with it
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{folder}: damaged, or of another model ({reason}); choose another out folder") from error
    if ema is not None:
        ema.to(accelerator.device)
