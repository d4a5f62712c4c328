"""The loop that every stage trains in: time-limited, resumable, one optimiser step at a time.

A run is a folder: `checkpoint/` (accelerate's whole state: weights, optimiser, EMA, random generators), `log.jsonl`, and
`samples/`. A checkpoint is written beside the old one and takes its place by renaming, so that a run killed at any
moment goes on from its last whole checkpoint.
"""

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor, nn


@dataclass
class LoopConfig:
    """What every trainer takes.

    out: the run's folder. minutes: wall-clock limit of this call. steps: the run's whole length, which the learning
    rate's decay follows; the run ends at whichever comes first. warmup: steps. decay: the share of the steps, at the end, over
    which the rate falls to a tenth.
    """

    out: str = "runs/run"
    minutes: float = 30.0
    steps: int = 2000
    warmup: int = 100
    decay: float = 0.4
    ema: float = 0.998
    clip: float = 1.0
    seed: int = 0
    precision: str = "bf16"
    save_minutes: float = 4.0
    log_every: int = 20


class Clock:
    """Progress of a run, as accelerate keeps it in a checkpoint."""

    def __init__(self):
        self.step = 0

    def state_dict(self) -> dict:
        return {"step": self.step}

    def load_state_dict(self, state: dict) -> None:
        self.step = state["step"]


def rate(step: int, config: LoopConfig) -> float:
    """Factor on the learning rate: linear warm-up, flat, cosine down to 0.1 over the last `decay` of the steps."""
    start = config.steps * (1 - config.decay)
    if step < config.warmup:
        return (step + 1) / config.warmup
    if step < start:
        return 1.0
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, (step - start) / max(1.0, config.steps - start))))


def train(
    config: LoopConfig, model: nn.Module, optimizers: list[torch.optim.Optimizer],
    loss: Callable[[nn.Module, int, torch.device], dict[str, Tensor]], sample: Callable[[nn.Module, Path, int], None],
    export: Callable[[nn.Module, Path], None],
) -> None:  # fmt: skip
    """Train `model` until the steps or the minutes run out, then export its EMA weights to `out/export`.

    loss(model, step, device) draws its own batch and returns named scalars, of which "loss" is minimised. sample(model, folder,
    step) draws pictures; export(model, folder) saves the weights. Both see the EMA weights. Resumes from `out/checkpoint`.
    """
    started, out = time.monotonic(), Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(mixed_precision=config.precision if config.precision != "fp32" else "no")
    torch.manual_seed(config.seed)
    model, *optimizers = accelerator.prepare(model, *optimizers)
    ema = EMAModel(accelerator.unwrap_model(model).parameters(), decay=config.ema)
    ema.to(accelerator.device)
    clock = Clock()
    accelerator.register_for_checkpointing(ema, clock)
    _recover(out)
    if (out / "checkpoint").exists():
        accelerator.load_state(str(out / "checkpoint"))
    base_rates = [[group.setdefault("base_lr", group["lr"]) for group in optimizer.param_groups] for optimizer in optimizers]
    saved = last_log = time.monotonic()
    totals: dict[str, float] = {}
    model.train()
    while clock.step < config.steps and time.monotonic() - started < config.minutes * 60:
        factor = rate(clock.step, config)
        for optimizer, rates in zip(optimizers, base_rates, strict=True):
            for group, base in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = base * factor
        with accelerator.autocast():
            values = loss(model, clock.step, accelerator.device)
        accelerator.backward(values["loss"])
        accelerator.clip_grad_norm_(model.parameters(), config.clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        ema.step(accelerator.unwrap_model(model).parameters())
        clock.step += 1
        for name, value in values.items():
            totals[name] = totals.get(name, 0.0) + float(value.detach()) / config.log_every
        if clock.step % config.log_every == 0 and accelerator.is_main_process:
            _log(out, clock.step, factor, totals, (time.monotonic() - last_log) / config.log_every)
            totals, last_log = {}, time.monotonic()
        if time.monotonic() - saved > config.save_minutes * 60:
            _save(accelerator, out)
            _with_ema(accelerator, model, ema, lambda m: sample(m, out / "samples", clock.step))
            saved = last_log = time.monotonic()
    _save(accelerator, out)
    _with_ema(accelerator, model, ema, lambda m: (sample(m, out / "samples", clock.step), export(m, out / "export")))


def _with_ema(accelerator: Accelerator, model: nn.Module, ema: EMAModel, action: Callable[[nn.Module], object]) -> None:
    if not accelerator.is_main_process:
        return
    plain = accelerator.unwrap_model(model)
    ema.store(plain.parameters())
    ema.copy_to(plain.parameters())
    plain.eval()
    with torch.no_grad():
        action(plain)
    ema.restore(plain.parameters())
    plain.train()


def _save(accelerator: Accelerator, out: Path) -> None:
    fresh, current, old = out / "checkpoint.new", out / "checkpoint", out / "checkpoint.old"
    shutil.rmtree(fresh, ignore_errors=True)
    accelerator.save_state(str(fresh))
    if accelerator.is_main_process:
        if current.exists():
            current.rename(old)
        fresh.rename(current)
        shutil.rmtree(old, ignore_errors=True)
    accelerator.wait_for_everyone()


def _recover(out: Path) -> None:
    """A run killed between the two renames of `_save` left its checkpoint under the name `checkpoint.old`."""
    if not (out / "checkpoint").exists() and (out / "checkpoint.old").exists():
        (out / "checkpoint.old").rename(out / "checkpoint")


def _log(out: Path, step: int, factor: float, totals: dict[str, float], seconds: float) -> None:
    row = {"step": step, **{name: round(value, 5) for name, value in totals.items()}, "rate": round(factor, 3)}
    row["seconds_a_step"] = round(seconds, 3)
    with open(out / "log.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
