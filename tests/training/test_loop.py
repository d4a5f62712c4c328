"""The loop: it can be killed at any moment, and goes on as if it had not been."""

import itertools
import json
import os
from pathlib import Path

import pytest
import torch
from launching import PYTHON_PATH, check, launch
from torch import nn
from torch.testing import assert_close

from smartdirector_lite.media import MediaError
from smartdirector_lite.training import loop
from smartdirector_lite.training.optim import make_optimizers
from smartdirector_lite.training.options import LoopConfig
from smartdirector_lite.training.processes import write_folder
from smartdirector_lite.training.stage import Stage


class Killed(BaseException):
    """As Ctrl-C, or the end of the process."""


class Line(Stage):
    """A small linear model with noise in its loss, which can be killed in the middle of a run."""

    def __init__(self, config: LoopConfig, kill_at: int | None = None, nan_at: int | None = None, width: int = 4):
        torch.manual_seed(0)
        self.config, self.kill_at, self.nan_at, self.width = config, kill_at, nan_at, width
        self.model = nn.Linear(width, 4)
        self.optimizers = make_optimizers(self.model, 0.05, 0.02)
        self.sampled, self.exported = [], {}

    def batch(self, number: int, device: torch.device) -> torch.Tensor:
        if number == self.kill_at:
            raise Killed
        return torch.randn(8, self.width) + number

    def loss(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        value = (model(batch) - batch.sum(dim=1, keepdim=True)).square().mean()
        is_nan = self.nan_at is not None and batch.mean().round() >= self.nan_at
        return {"loss": value * (float("nan") if is_nan else 1.0)}

    def sample(self, folder: Path, step: int) -> None:
        assert not self.model.training and not torch.is_grad_enabled()
        torch.randn(100 + step)  # pictures are drawn with random numbers too
        self.sampled.append(step)

    def export(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "weights").write_text("whole")
        self.exported = {name: value.clone() for name, value in self.model.state_dict().items()}


def run(folder: Path, kill_at: int | None = None, nan_at: int | None = None, width: int = 4, **options) -> Line:
    """Train a `Line`. Raises Killed where that is asked for."""
    defaults = {"steps": 6, "warmup": 2, "precision": "fp32", "log_every": 1, "ema": 0.9, "minutes": 1.0}
    line = Line(LoopConfig(out=str(folder), **{**defaults, **options}), kill_at, nan_at, width)
    loop.train_stage(line)
    return line


def test_a_resumed_run_is_an_unbroken_one_bit_for_bit(tmp_path, losses):
    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "broken", kill_at=3, save_minutes=1e-9)
    resumed = run(tmp_path / "broken", save_minutes=1e-9)
    assert resumed.sampled == [4, 5, 6, 6]
    for name in ("weight", "bias"):
        assert torch.equal(whole.exported[name], resumed.exported[name])  # the averaged weights
        assert torch.equal(whole.model.state_dict()[name], resumed.model.state_dict()[name])
        assert not torch.equal(whole.exported[name], whole.model.state_dict()[name])
    assert losses(tmp_path / "whole") == losses(tmp_path / "broken")
    assert (tmp_path / "broken" / "export" / "weights").read_text() == "whole"


# One process of several, or the only one, with the same batches in each step.
WORKER = """
import sys
from pathlib import Path
import torch
from smartdirector_lite.training import loop, optim, options, processes, stage

out, state = Path(sys.argv[1]), processes.join_processes()


class Line(stage.Stage):
    accumulate = int(sys.argv[2])
    config = options.LoopConfig(out=str(out), steps=5, warmup=0, precision="fp32", log_every=1, ema=0.9)

    def __init__(self):
        torch.manual_seed(0)
        self.model = torch.nn.Linear(4, 4)
        self.optimizers = optim.make_optimizers(self.model, 0.05, 0.02)
        self.seen = []

    def batch(self, number, device):
        self.seen.append(number)
        return torch.randn(8, 4, generator=torch.Generator().manual_seed(number))

    def loss(self, model, batch):
        return {"loss": (model(batch) - batch.sum(dim=1, keepdim=True)).square().mean()}

    def sample(self, folder, step):
        folder.mkdir(exist_ok=True)
        (folder / f"{state.process_index}").touch()

    def export(self, folder):
        self.sample(folder, 0)
        torch.save(self.model.state_dict(), folder / "weights")


line = Line()
loop.train_stage(line)
(out / f"seen-{state.process_index}").write_text(repr(line.seen))
"""


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one_that_accumulates(tmp_path, losses):
    check(launch(tmp_path / "one", 2, code=WORKER, processes=1))
    check(launch(tmp_path / "two", 1, code=WORKER))
    one, two = (torch.load(tmp_path / name / "export" / "weights") for name in ("one", "two"))
    assert_close(two, one)
    seen = [json.loads((tmp_path / name).read_text()) for name in ("one/seen-0", "two/seen-0", "two/seen-1")]
    assert seen == [[*range(10)], [*range(0, 10, 2)], [*range(1, 10, 2)]]
    for folder in ("samples", "export"):  # by the main process alone
        assert (tmp_path / "two" / folder / "0").exists() and not (tmp_path / "two" / folder / "1").exists()
    assert list(losses(tmp_path / "two")) == [1, 2, 3, 4, 5]
    assert len((tmp_path / "two" / "log.jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize("moment", ["while saving", "between the renames", "while removing the old one"])
def test_a_run_killed_while_it_saves_goes_on_from_a_whole_checkpoint(tmp_path, moment):
    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "run", kill_at=3, save_minutes=1e-9)
    checkpoint = tmp_path / "run" / "checkpoint"
    new, old = checkpoint.with_name("checkpoint.new"), checkpoint.with_name("checkpoint.old")
    if moment == "while saving":
        new.mkdir()
        (new / "model.safetensors").write_bytes(b"half")
    elif moment == "between the renames":
        checkpoint.rename(old)
    else:
        old.mkdir()
        (old / "model.safetensors").write_bytes(b"half")
    resumed = run(tmp_path / "run", save_minutes=1e-9)
    assert torch.equal(whole.exported["weight"], resumed.exported["weight"])
    assert not new.exists() and not old.exists()


def test_the_time_limit_ends_a_run_and_a_later_call_finishes_it(tmp_path):
    first = run(tmp_path / "run", minutes=1e-9)
    assert first.sampled == [0]  # no time for a step, but for a checkpoint and an export
    assert torch.equal(first.exported["weight"], first.model.state_dict()["weight"])
    finished = run(tmp_path / "run")
    assert finished.sampled == [6]
    assert torch.equal(finished.exported["weight"], run(tmp_path / "whole").exported["weight"])
    again = run(tmp_path / "run")  # nothing left to do
    assert torch.equal(again.model.state_dict()["weight"], finished.model.state_dict()["weight"])


def test_a_log_line_holds_means_also_after_a_resumption(tmp_path, losses):
    run(tmp_path / "each")
    each = losses(tmp_path / "each")
    with pytest.raises(Killed):
        run(tmp_path / "fours", kill_at=3, save_minutes=1e-9, log_every=4)
    run(tmp_path / "fours", log_every=4)
    assert losses(tmp_path / "fours") == {4: each[4]}  # of the steps since the resumption, of which there was one
    run(tmp_path / "threes", log_every=3)
    means = {3: (each[1] + each[2] + each[3]) / 3, 6: (each[4] + each[5] + each[6]) / 3}
    assert losses(tmp_path / "threes") == pytest.approx(means, rel=1e-4)


def test_a_loss_that_is_not_finite_ends_the_run_and_spares_the_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="not finite by step 4"):
        run(tmp_path / "run", nan_at=3, save_minutes=1e-9)
    assert torch.equal(run(tmp_path / "run").exported["weight"], run(tmp_path / "whole").exported["weight"])


def test_a_checkpoint_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(Killed):
        run(tmp_path / "run", kill_at=2, save_minutes=1e-9)
    with pytest.raises(ValueError, match=r"checkpoint: damaged, or of another model"):
        run(tmp_path / "run", width=5)
    (tmp_path / "run" / "checkpoint" / "model.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"checkpoint: damaged"):
        run(tmp_path / "run")


def test_a_folder_that_cannot_be_written_to_is_named_before_anything_is_done(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match=r"run: can't write there \(Not a directory\); choose another folder"):
        run(tmp_path / "file" / "run")


FULL = """
import resource, sys
from pathlib import Path
from test_loop import run
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
run(Path(sys.argv[1]), save_minutes=1e-9)
"""


@pytest.mark.parametrize(("size", "part"), [(10, "log.jsonl"), (500, "checkpoint")])
def test_a_full_disk_is_told_in_one_line_and_spares_the_checkpoint(tmp_path, size, part):
    with pytest.raises(Killed):
        run(tmp_path / "run", kill_at=3, save_minutes=1e-9)
    before = {path: path.read_bytes() for path in (tmp_path / "run" / "checkpoint").iterdir()}
    place = {"PYTHONPATH": os.pathsep.join([PYTHON_PATH, str(Path(__file__).parent)])}
    (done,) = launch(tmp_path / "run", size, code=FULL, processes=1, **place)
    assert done.stderr.splitlines()[-1].endswith("make room, or choose another place")
    assert f"MediaError: {tmp_path / 'run' / part}: can't be written (" in done.stderr.splitlines()[-1]
    assert {path: path.read_bytes() for path in (tmp_path / "run" / "checkpoint").iterdir()} == before
    assert not (tmp_path / "run" / "checkpoint.new").exists()


def test_the_rate_warms_up_stays_and_falls_to_a_tenth():
    config = LoopConfig(steps=100, warmup=10, decay=0.4)
    rates = [loop.rate_factor(step, config) for step in range(101)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[10:60] == [1.0] * 50
    assert rates[80] == pytest.approx(0.55) and rates[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    def good(folder: Path) -> None:
        folder.mkdir()
        (folder / "a").write_text("new")

    def bad(folder: Path) -> None:
        good(folder)
        raise OSError("disk full")

    target = tmp_path / "folder"
    target.mkdir()
    (target / "a").write_text("old")
    with pytest.raises(MediaError, match=r"folder: can't be written \(disk full\); make room, or choose another place"):
        write_folder(target, bad)
    assert (target / "a").read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["folder"]
    write_folder(target, good)
    assert (target / "a").read_text() == "new" and [path.name for path in tmp_path.iterdir()] == ["folder"]
