"""The loop that every stage trains in: time-limited, resumable, one optimiser step at a time.

A run is a folder: `checkpoint/` (accelerate's whole state: weights, optimisers, EMA, random generators), `log.jsonl`,
`samples/`, and at the end `export/`. A folder is written beside the one that it replaces and takes its place by
renaming, so that a run killed at any moment goes on from its last whole checkpoint, and an unbroken run and a resumed
one take the same steps. Checkpoints belong to the machine that wrote them: accelerate pickles parts of them. What is
passed on is the export.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedDataParallelKwargs, send_to_device
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.data import DataLoader

from .precision import PRECISIONS, mixed_precision
from .processes import agreed, beside, keep_trained_weights, set_sharding, write_folder


@dataclass
class LoopConfig:
    """What every trainer takes. ValueError for a value out of range.

    out: the run's folder. minutes: wall-clock limit of this call. steps: the run's whole length, which the learning
    rate's decay follows; the run ends at whichever comes first. warmup: steps. decay: the share of the steps, at the
    end, over which the rate falls to a tenth. ema: decay of the averaged weights, 0 for none. clip: of the gradient's
    norm. precision: bf16 (autocast), fp32, or auto: bf16 where the device is fast at it. workers: processes that draw
    batches ahead (0: none, right on a GPU). save_minutes: between checkpoints. log_every: steps.
    uneven: not an option, but whether some batches leave some weights unused; several processes must know.
    """

    uneven: ClassVar[bool] = False
    out: str = "runs/run"
    minutes: float = 30.0
    steps: int = 2000
    warmup: int = 100
    decay: float = 0.4
    ema: float = 0.998
    clip: float = 1.0
    seed: int = 0
    precision: str = "auto"
    workers: int = 0
    save_minutes: float = 4.0
    log_every: int = 20

    def __post_init__(self) -> None:
        for name, low in (("steps", 1), ("log_every", 1), ("warmup", 0), ("workers", 0), ("seed", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} = {getattr(self, name)}: give {low} or more")
        for name in ("minutes", "save_minutes", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)}: give more than 0")
        for name in ("decay", "ema"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)}: give 0 to 1")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision = {self.precision!r}: give one of {', '.join(PRECISIONS)}")


class Clock:
    """Progress of a run, as accelerate keeps it in a checkpoint."""

    def __init__(self) -> None:
        self.step = 0

    def state_dict(self) -> dict:
        return {"step": self.step}

    def load_state_dict(self, state: dict) -> None:
        self.step = state["step"]


class Prefetch:
    """Batches by number, drawn ahead by worker processes; with no workers, drawn when asked for, on the device.

    draw(number, device) makes a batch; the same number always makes the same one, so a resumed run sees what an
    unbroken one would have seen. Workers are sent a pickle of it, which should be small. steps: of the run; each takes
    one batch in each process.
    """

    def __init__(self, draw: Callable[[int, torch.device], object], steps: int, workers: int):
        self.draw, self.workers, self._batches = draw, workers, None
        self.processes = PartialState().num_processes
        self.count = steps * self.processes

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> object:
        return self.draw(number, torch.device("cpu"))

    def take(self, number: int, device: torch.device) -> object:
        """The batch of that number, on `device`; to be asked for in this process's order, from any first one."""
        if self.workers == 0:
            return self.draw(number, device)
        if self._batches is None:
            loader = DataLoader(
                self,
                batch_size=None,
                sampler=range(number, self.count, self.processes),
                num_workers=self.workers,
                prefetch_factor=3,
                multiprocessing_context="spawn",  # a fork would copy locks that other threads hold, and wait for ever
                generator=torch.Generator(),  # or it would draw from the one that a resumed run must find untouched
            )
            self._batches = iter(loader)
        return send_to_device(next(self._batches), device)


class Meter:
    """Means since the last line of `log.jsonl`. After a resumed run a step may have two lines; the later one counts.

    path: of that file; None for a process that writes none.
    """

    def __init__(self, path: Path | None):
        self.path, self.totals, self.count, self.since = path, {}, 0, time.monotonic()

    def add(self, values: dict[str, Tensor]) -> None:
        self.count += 1
        for name, value in values.items():
            self.totals[name] = self.totals.get(name, 0.0) + value.detach()

    def check(self, step: int) -> None:
        """ValueError once the loss has not been finite: a checkpoint from then on would be of no use."""
        if not math.isfinite(self.totals.get("loss", 0.0)):
            raise ValueError(f"the loss is not finite by step {step}; resume with a smaller learning rate")

    def write(self, step: int, factor: float) -> None:
        self.check(step)
        means = {name: round(float(total) / self.count, 5) for name, total in self.totals.items()}
        seconds = (time.monotonic() - self.since) / self.count
        row = {"step": step, **means, "rate": round(factor, 3), "seconds_a_step": round(seconds, 3)}
        if self.path is not None:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        self.totals, self.count, self.since = {}, 0, time.monotonic()


def rate(step: int, config: LoopConfig) -> float:
    """Factor on the learning rate: linear warm-up, flat, cosine down to 0.1 over the last `decay` of the steps."""
    start = config.steps * (1 - config.decay)
    if step < config.warmup:
        return (step + 1) / config.warmup
    if step < start:
        return 1.0
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, (step - start) / max(1.0, config.steps - start))))


def train(
    config: LoopConfig,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    loss: Callable[[nn.Module, int, torch.device], dict[str, Tensor]],
    sample: Callable[[nn.Module, Path, int], object],
    export: Callable[[nn.Module, Path], object],
    finetuning: bool = False,
    accumulate: int = 1,
) -> None:
    """Train `model` until the steps or the minutes run out, then export its EMA weights to `out/export`.

    loss(model, number, device) draws its own batch and returns named scalars, of which "loss" is minimised; batches
    are numbered through over steps and processes. sample(model, folder, step) draws pictures; export(model, folder)
    saves the weights. Both see the EMA weights. finetuning: weights may be sharded, then every process exports; what is
    frozen is not checkpointed. accumulate: batches of a step, in each process. Resumes from `out/checkpoint`.
    ValueError for a folder that can't be written to, a checkpoint of another model, and a loss that is not finite.
    """
    started, out = time.monotonic(), _open_folder(config.out)
    accelerator = _open_accelerator(config, finetuning)
    base_rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    model, *optimizers = accelerator.prepare(model, *optimizers)
    plain, clock = accelerator.unwrap_model(model), Clock()
    trained = [parameter for parameter in plain.parameters() if parameter.requires_grad or not finetuning]
    ema = EMAModel(trained, decay=config.ema) if config.ema else None
    _load(accelerator, ema, clock, out / "checkpoint")
    meter, saved = Meter(out / "log.jsonl" if accelerator.is_main_process else None), time.monotonic()

    def save() -> None:
        meter.check(clock.step)
        write_folder(out / "checkpoint", lambda folder: accelerator.save_state(str(folder)), accelerator)
        if accelerator.is_main_process:
            with _averaged(plain, trained, ema):
                sample(plain, out / "samples", clock.step)

    model.train()
    (over,) = agreed(accelerator, time.monotonic() - started >= config.minutes * 60)
    while clock.step < config.steps and not over:
        factor = _set_rates(optimizers, base_rates, rate(clock.step, config))
        for batch in range(clock.step * accumulate, (clock.step + 1) * accumulate):
            meter.add(_backward(accelerator, model, loss, batch, accumulate))
        accelerator.clip_grad_norm_(model.parameters(), config.clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if ema is not None:
            ema.step(trained)
        clock.step += 1
        if clock.step % config.log_every == 0:
            meter.write(clock.step, factor)
        now = time.monotonic()
        over, due = agreed(accelerator, now - started >= config.minutes * 60, now - saved > config.save_minutes * 60)
        if due:
            save()
            saved = time.monotonic()
            meter.since += saved - now
    save()
    with _averaged(plain, trained, ema):
        leads = accelerator.is_main_process or finetuning
        write_folder(out / "export", lambda folder: export(plain, folder) if leads else None, accelerator)


def _set_rates(optimizers: list[torch.optim.Optimizer], base_rates: list[float], factor: float) -> float:
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    for group, base in zip(groups, base_rates, strict=True):
        group["lr"] = base * factor
    return factor


def _backward(
    accelerator: Accelerator, model: nn.Module, loss: Callable, batch: int, accumulate: int
) -> dict[str, Tensor]:
    """Add a batch's part to the gradient; processes exchange theirs at the last one of a step."""
    number = batch * accelerator.num_processes + accelerator.process_index
    with accelerator.no_sync(model) if (batch + 1) % accumulate else contextlib.nullcontext():
        values = loss(model, number, accelerator.device)
        accelerator.backward(values["loss"] / accumulate)
    return values


def _open_accelerator(config: LoopConfig, finetuning: bool) -> Accelerator:
    exchange = DistributedDataParallelKwargs(find_unused_parameters=config.uneven)
    precision = mixed_precision(config.precision, PartialState().device)
    accelerator = Accelerator(mixed_precision=precision, kwargs_handlers=[exchange])
    if finetuning:
        set_sharding(accelerator, config.ema)
        keep_trained_weights(accelerator)
    torch.manual_seed(config.seed + accelerator.process_index)
    return accelerator


@contextlib.contextmanager
def _averaged(model: nn.Module, trained: list[nn.Parameter], ema: EMAModel | None) -> Iterator[None]:
    """The model with its EMA weights, in eval mode. What is drawn meanwhile leaves the run's random numbers alone."""
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
    """ValueError unless the run can write to it, now rather than at the first checkpoint."""
    out = Path(folder)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "log.jsonl").touch()
    except OSError as error:
        raise ValueError(f"out = {out}: can't write there ({error.strerror}); choose another folder") from error
    return out


def _load(accelerator: Accelerator, ema: EMAModel | None, clock: Clock, folder: Path) -> None:
    """Take up the last whole checkpoint, if there is one."""
    accelerator.register_for_checkpointing(*([clock] if ema is None else [ema, clock]))
    old = beside(folder, "old")
    if accelerator.is_main_process and old.exists() and not folder.exists():  # killed amid `write_folder`'s renames
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
