"""Training: optimisers, footage, the bank of clips, the loss, and a loop that can be killed at any moment."""

import copy
import dataclasses
import inspect
import itertools
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import AutoencoderKLWan
from launching import check, launch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.cli import train as cli_train
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.media import write_video
from smartdirector_lite.timeline import TAU_SCHEMES, ChunkPlan, Condition
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.training import bank, film, gen, loop, stage, vae
from smartdirector_lite.training.optim import Muon, make_optimizers, orthogonalize
from smartdirector_lite.training.precision import has_fast_bf16, mixed_precision
from smartdirector_lite.training.text import MAX_TOKENS, build_text_encoder, train_tokenizer
from smartdirector_lite.vae import multichunk
from smartdirector_lite.vae.causal import pad_tail

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fresh_accelerate():
    """accelerate keeps the precision of the first run of a process; every test here is a run of its own."""
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def tiny_vae(wan_folder) -> AutoencoderKLWan:
    return AutoencoderKLWan.from_pretrained(wan_folder, subfolder="vae").eval()


# -- optimisers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16, 16), (8, 40), (40, 8)])
def test_orthogonalize_evens_the_singular_values(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalize(matrix).float()
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.6 and values.max() < 1.35
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    cosine = (result * (u @ v)).sum() / result.norm() / (u @ v).norm()
    assert cosine > 0.97  # and it is the nearest one that it approaches


@pytest.mark.parametrize(
    ("instructions", "dtype", "name"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32, "no"),
        ({"avx512_bf16": True}, torch.bfloat16, "bf16"),
        ({"amx_bf16": True}, torch.bfloat16, "bf16"),
        ({}, torch.float32, "no"),
    ],
)
def test_a_cpu_that_would_emulate_bfloat16_is_spared_it(instructions, dtype, name, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    assert orthogonalize(torch.eye(3)).dtype == dtype
    assert mixed_precision("auto", CPU) == name
    assert has_fast_bf16(torch.device("cuda"))
    assert mixed_precision("bf16", CPU) == "bf16" and mixed_precision("fp32", torch.device("cuda")) == "no"


def test_muon_takes_the_steps_of_torchs_own():
    start = torch.randn(12, 20, generator=torch.Generator().manual_seed(1))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    one = Muon([ours], lr=0.05, weight_decay=0.01)
    two = torch.optim.Muon([theirs], lr=0.05, weight_decay=0.01, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for step in range(4):
        gradient = torch.randn(12, 20, generator=torch.Generator().manual_seed(10 + step))
        for parameter, optimizer in ((ours, one), (theirs, two)):
            parameter.grad = gradient.clone()
            optimizer.step()
    step_size, difference = (ours - start).abs().mean(), (ours - theirs).abs().mean()
    assert difference < 0.05 * step_size  # torch's iterates in bfloat16


def test_matrices_that_muon_takes_together_step_as_each_would_alone():
    generator = torch.Generator().manual_seed(2)
    shapes = [(6, 10), (10, 6), (6, 10), (6, 2, 5), (60, 1)]  # the first, third and fourth are one shape to it
    starts, gradients = [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(2)]

    def stepped(which: slice) -> list[nn.Parameter]:
        parameters = [nn.Parameter(start.clone()) for start in starts[which]]
        optimizer = Muon(parameters, lr=0.1)
        for _ in range(2):
            for parameter, gradient in zip(parameters, gradients[which], strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()
        return parameters

    together = stepped(slice(None))
    for k, (start, parameter) in enumerate(zip(starts, together, strict=True)):
        assert (parameter - start).abs().min() > 0
        assert_close(parameter, stepped(slice(k, k + 1))[0], rtol=0.01, atol=0.01)


def test_muon_takes_a_kernel_as_a_matrix_and_finds_a_minimum():
    weight = nn.Parameter(torch.zeros(4, 3, 3, 3))
    target = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    optimizer = Muon([weight], lr=0.05, weight_decay=0.0)
    errors = []
    for step in range(150):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - step / 150)

        def closure() -> float:
            optimizer.zero_grad()
            error = (weight - target).square().mean()
            error.backward()
            return float(error.detach())

        errors.append(optimizer.step(closure))
    assert errors[-1] < 0.01 * errors[0]


def test_every_parameter_has_one_optimizer_that_suits_it():
    model = nn.Module()
    model.matrix, model.kernel = nn.Parameter(torch.ones(4, 6)), nn.Parameter(torch.ones(4, 2, 3, 3))
    model.bias, model.gain = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4, 1, 1, 1))
    model.table, model.embedding = nn.Parameter(torch.ones(1, 6, 8)), nn.Parameter(torch.ones(9, 4))
    model.frozen = nn.Parameter(torch.ones(5, 5), requires_grad=False)
    muon, adam = make_optimizers(model, 0.1, 0.2, plain=[model.embedding])
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    held = [{names[id(p)] for group in o.param_groups for p in group["params"]} for o in (muon, adam)]
    assert held == [{"matrix", "kernel"}, {"bias", "gain", "table", "embedding"}]
    assert (muon.param_groups[0]["lr"], adam.param_groups[0]["lr"]) == (0.1, 0.2)
    (only,) = make_optimizers(nn.Linear(3, 3, bias=False), 0.1, 0.2)
    assert isinstance(only, Muon)
    with pytest.raises(ValueError, match="no parameters"):
        make_optimizers(nn.Linear(3, 3).requires_grad_(False), 0.1, 0.2)


# -- film --------------------------------------------------------------------------------------------------------------


SHOT_LENGTHS = (36, 30, 8, 40, 36)  # frames at 24 fps; the third is no second long


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("film") / "movie.mp4"
    colours = [(200, 40, 40), (40, 60, 200), (240, 240, 240), (20, 120, 30), (250, 200, 40)]
    frames = [np.full((48, 96, 3), c, np.uint8) for c, n in zip(colours, SHOT_LENGTHS) for _ in range(n)]
    for index, frame in enumerate(frames):
        frame[:, index % 90 : index % 90 + 6] = 128  # something that moves
    write_video(path, np.stack(frames), 24)
    return path


def test_a_film_is_cut_into_its_shots(movie, tmp_path):
    cache = film.prepare_film(movie, tmp_path / "cache", size=(32, 16))
    info = json.loads((cache / "shots.json").read_text())
    assert info["fps"] == 12 and [tuple(shot) for shot in info["shots"]] == [(0, 18), (18, 33), (37, 57), (57, 75)]
    training, held_out = film.FilmShots.load(cache), film.FilmShots.load(cache, held_out=True)
    assert training.frames.shape == (75, 16, 32, 3) and training.frames.dtype == np.uint8
    assert training.shots == [(0, 18), (18, 33), (37, 57)] and held_out.shots == [(57, 75)]
    clip = training.clip(2, 5, crop=(4, 0, 8, 30))
    assert clip.shape == (5, 3, 8, 30)
    assert_close(clip[0, :, 4, 25], torch.tensor([200, 40, 40]) / 255, atol=0.03, rtol=0)
    assert {path.name for path in cache.iterdir()} == {"frames.npy", "shots.json"}


def test_a_prepared_film_is_not_decoded_again_nor_taken_for_another(movie, tmp_path):
    cache = film.prepare_film(movie, tmp_path, size=(32, 16), seconds=(1.0, 4.0))
    before = (cache / "frames.npy").stat().st_mtime_ns
    assert len(film.FilmShots.load(cache).frames) == 36
    film.prepare_film(movie, tmp_path, size=(32, 16), seconds=(1.0, 4.0))
    assert (cache / "frames.npy").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="was made from"):
        film.prepare_film(movie, tmp_path, size=(48, 16), seconds=(1.0, 4.0))


def test_a_worker_maps_the_film_instead_of_being_sent_it(movie, tmp_path):
    footage = film.FilmShots.load(film.prepare_film(movie, tmp_path, size=(32, 16), seconds=(1.0, 4.0)))
    sent = pickle.dumps(footage)
    mapped = pickle.loads(sent)
    assert len(sent) < 1000 < footage.frames.nbytes and isinstance(mapped.frames, np.memmap)
    assert np.array_equal(mapped.frames, footage.frames)
    assert (mapped.shots, mapped.fps) == (footage.shots, footage.fps)
    in_memory = film.FilmShots(np.ones((4, 2, 2, 3), np.uint8), [(0, 4)], 12.0)
    assert np.array_equal(pickle.loads(pickle.dumps(in_memory)).frames, in_memory.frames)


def test_clips_lie_within_one_shot():
    shots = film.FilmShots(np.zeros((60, 2, 2, 3), np.uint8), [(0, 10), (10, 13), (30, 42)], 12.0)
    rng = np.random.default_rng(0)
    starts = {shots.sample(rng, 8) for _ in range(200)}
    assert starts == {0, 1, 2, 30, 31, 32, 33, 34}
    assert shots.sample(rng, 12) == 30 and shots.sample(rng, 13) is None


def test_a_flash_is_no_cut_unless_it_stands_out():
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)  # every frame differs from the next
    assert film.find_shots(noisy, 12) == [(0, 40)]


def broken_movies(folder: Path, movie: Path) -> dict[str, Path]:
    text, cut = folder / "text.mp4", folder / "cut.mp4"
    text.write_text("not a film")
    cut.write_bytes(movie.read_bytes()[:-2000])
    return {"no such file": folder / "missing.mp4", "not a video": text, "cut short": cut}


def test_a_film_that_cannot_be_read_is_named_and_leaves_nothing(movie, tmp_path):
    for message, path in broken_movies(tmp_path, movie).items():
        with pytest.raises(ValueError, match=message) as caught:
            film.prepare_film(path, tmp_path / "cache", size=(32, 16))
        assert path.name in str(caught.value) and "\n" not in str(caught.value)
        assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": (50.0, 60.0)}, "no frames between"),
        ({"seconds": (0.0, 0.5)}, "no shot of 1.0 s"),
        ({"seconds": (3.0, 2.0)}, "seconds"),
        ({"step": 0}, "step = 0"),
        ({"size": (32, 8)}, "sides of 16"),
    ],
)
def test_impossible_parts_of_a_film_are_refused(movie, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        film.prepare_film(movie, tmp_path / "cache", **{"size": (32, 16), **options})
    assert not (tmp_path / "cache").exists()


def test_a_damaged_cache_is_named(movie, tmp_path):
    with pytest.raises(ValueError, match="no prepared film"):
        film.FilmShots.load(tmp_path)
    cache = film.prepare_film(movie, tmp_path / "cache", size=(32, 16))
    data = (cache / "frames.npy").read_bytes()
    (cache / "frames.npy").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="damaged"):
        film.FilmShots.load(cache)
    (cache / "shots.json").write_text('{"fps": 12}')
    with pytest.raises(ValueError, match="no prepared film"):
        film.FilmShots.load(cache)


# -- the loop ----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """As Ctrl-C, or the end of the process."""


def run(folder: Path, kill_at: int | None = None, nan_at: int | None = None, width: int = 4, **options) -> dict:
    """Train a small linear model with noise in its loss. Returns what was exported; raises Killed where asked to."""
    torch.manual_seed(0)
    model = nn.Linear(width, 4)
    optimizers = make_optimizers(model, 0.05, 0.02)
    defaults = {"steps": 6, "warmup": 2, "precision": "fp32", "log_every": 1, "ema": 0.9, "minutes": 1.0}
    config = loop.LoopConfig(out=str(folder), **{**defaults, **options})
    result = {"sampled": []}

    def loss(model: nn.Module, step: int, device: torch.device) -> dict[str, torch.Tensor]:
        if step == kill_at:
            raise Killed
        x = torch.randn(8, width) + step
        value = (model(x) - x.sum(dim=1, keepdim=True)).square().mean()
        return {"loss": value * (float("nan") if step == nan_at else 1.0)}

    def sample(model: nn.Module, folder: Path, step: int) -> None:
        assert not model.training and not torch.is_grad_enabled()
        torch.randn(100 + step)  # pictures are drawn with random numbers too
        result["sampled"].append(step)

    def export(model: nn.Module, folder: Path) -> None:
        folder.mkdir()
        (folder / "weights").write_text("whole")
        result.update({name: value.clone() for name, value in model.state_dict().items()})

    loop.train(config, model, optimizers, loss, sample, export)
    result["last"] = {name: value.clone() for name, value in model.state_dict().items()}
    return result


def losses(folder: Path) -> dict[int, float]:
    """By step; of a step logged twice, the later."""
    return {row["step"]: row["loss"] for row in map(json.loads, (folder / "log.jsonl").read_text().splitlines())}


def test_a_resumed_run_is_an_unbroken_one_bit_for_bit(tmp_path):
    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "broken", kill_at=3, save_minutes=1e-9)
    resumed = run(tmp_path / "broken", save_minutes=1e-9)
    assert resumed["sampled"] == [4, 5, 6, 6]
    for name in ("weight", "bias"):
        assert torch.equal(whole[name], resumed[name])  # the averaged weights
        assert torch.equal(whole["last"][name], resumed["last"][name])
        assert not torch.equal(whole[name], whole["last"][name])
    assert losses(tmp_path / "whole") == losses(tmp_path / "broken")
    assert (tmp_path / "broken" / "export" / "weights").read_text() == "whole"


# One process of several, or the only one, with the same batches in each step.
WORKER = """
import sys
from pathlib import Path
import torch
from smartdirector_lite.training import loop, optim, processes

out, accumulate, state = Path(sys.argv[1]), int(sys.argv[2]), processes.join_processes()
torch.manual_seed(0)
model = torch.nn.Linear(4, 4)
config = loop.LoopConfig(out=str(out), steps=5, warmup=0, precision="fp32", log_every=1, ema=0.9)
seen = []


def loss(model, number, device):
    seen.append(number)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(number))
    return {"loss": (model(x) - x.sum(dim=1, keepdim=True)).square().mean()}


def sample(model, folder, step):
    folder.mkdir(exist_ok=True)
    (folder / f"{state.process_index}").touch()


def export(model, folder):
    folder.mkdir(exist_ok=True)
    (folder / f"{state.process_index}").touch()
    torch.save(model.state_dict(), folder / "weights")


loop.train(config, model, optim.make_optimizers(model, 0.05, 0.02), loss, sample, export, accumulate=accumulate)
(out / f"seen-{state.process_index}").write_text(repr(seen))
"""


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one_that_accumulates(tmp_path):
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
    assert torch.equal(whole["weight"], resumed["weight"])
    assert not new.exists() and not old.exists()


def test_the_time_limit_ends_a_run_and_a_later_call_finishes_it(tmp_path):
    first = run(tmp_path / "run", minutes=1e-9)
    assert first["sampled"] == [0]  # no time for a step, but for a checkpoint and an export
    assert torch.equal(first["weight"], first["last"]["weight"])
    finished = run(tmp_path / "run")
    assert finished["sampled"] == [6]
    assert torch.equal(finished["weight"], run(tmp_path / "whole")["weight"])
    again = run(tmp_path / "run")  # nothing left to do
    assert torch.equal(again["last"]["weight"], finished["last"]["weight"])


def test_a_log_line_holds_means_also_after_a_resumption(tmp_path):
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
    assert torch.equal(run(tmp_path / "run")["weight"], run(tmp_path / "whole")["weight"])


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
    with pytest.raises(ValueError, match=r"out = .*can't write there"):
        run(tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps = 0"),
        ({"log_every": 0}, "log_every = 0"),
        ({"minutes": 0.0}, "minutes = 0.0"),
        ({"decay": 1.5}, "decay = 1.5"),
        ({"precision": "fp8"}, "precision = 'fp8'.*auto, bf16, fp32"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        loop.LoopConfig(**options)


def test_the_rate_warms_up_stays_and_falls_to_a_tenth():
    config = loop.LoopConfig(steps=100, warmup=10, decay=0.4)
    rates = [loop.rate(step, config) for step in range(101)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[10:60] == [1.0] * 50
    assert rates[80] == pytest.approx(0.55) and rates[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def draw_numbers(step: int, device: torch.device) -> torch.Tensor:
    return torch.full((2,), float(step), device=device)


def test_batches_drawn_ahead_are_the_same_and_leave_the_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    batches = loop.Prefetch(draw_numbers, steps=6, workers=1)
    assert [int(batches.take(step, CPU)[0]) for step in range(2, 6)] == [2, 3, 4, 5]
    assert torch.equal(torch.rand(1), expected)
    batches = loop.Prefetch(draw_numbers, steps=6, workers=1)
    batches.count, batches.processes = 12, 2  # what the second of two processes asks for
    assert [int(batches.take(number, CPU)[0]) for number in (5, 7, 9, 11)] == [5, 7, 9, 11]
    assert int(loop.Prefetch(draw_numbers, steps=6, workers=0).take(4, CPU)[0]) == 4


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
    with pytest.raises(OSError, match="disk full"):
        loop.write_folder(target, bad)
    assert (target / "a").read_text() == "old"
    loop.write_folder(target, good)
    assert (target / "a").read_text() == "new" and [path.name for path in tmp_path.iterdir()] == ["folder"]


# -- the bank ----------------------------------------------------------------------------------------------------------


def entry_of(num_frames: int, keyframes: tuple = (), cuts: tuple = ()) -> bank.ClipEntry:
    return bank.ClipEntry(num_frames, keyframes, cuts, "a caption", "short")


def test_a_clip_is_cut_at_its_keyframes_and_cuts():
    plan = entry_of(30, (0, 13, 23), (9,)).plan(4)
    assert plan == ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)], 4, [9])
    assert [chunk.start for chunk in plan.chunks] == [0, 9, 13, 23]


def test_keyframes_of_every_kind_are_drawn():
    rng = np.random.default_rng(0)
    counts = set()
    for _ in range(400):
        num_frames = int(rng.integers(13, 74))
        frames = bank.draw_keyframes(rng, num_frames, (6, 12))
        assert list(frames) == sorted(set(frames)) and all(0 <= frame < num_frames for frame in frames)
        assert all(type(frame) is int for frame in frames)  # they go into JSON
        counts.add(len(frames))
    assert {0, 1, 2, 3, 4, 5} <= counts


def test_sparse_keyframes_are_few_and_dense_ones_at_most_20_frames_apart():
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert len(bank.draw_keyframes(rng, 60, (20,), sparse=1.0)) <= 2
        assert max(np.diff([0, *bank.draw_keyframes(rng, 60, (20,), sparse=0.0), 60])) <= 20


def test_the_command_makes_a_bank_with_the_librarys_share_of_sparse_clips():
    assert inspect.signature(cli_train.train_bank).parameters["sparse"].default == bank.SPARSE


@torch.no_grad()
def test_clips_are_encoded_as_multichunk_encodes_them(tiny_vae):
    entries = [entry_of(1), entry_of(30, (0, 13, 23)), entry_of(18, (5,), (9,)), entry_of(13), entry_of(7, (1, 2, 6))]
    clips = [(torch.rand(entry.num_frames, 3, 16, 32), entry) for entry in entries]
    for latents_at_once in (1, 9, 60):
        encoded = bank.encode_clips(tiny_vae, clips, latents_at_once)
        for (video, entry), latents in zip(clips, encoded, strict=True):
            slow = multichunk.encode_video(tiny_vae, entry.plan(4), video.transpose(0, 1)[None] * 2 - 1)[0]
            assert_close(latents, slow, atol=2e-5, rtol=1e-4)


def test_a_shard_comes_back_and_is_the_same_every_time(tiny_vae, tmp_path):
    options = {"clips": 3, "size": (16, 32), "precision": torch.float32}
    path = bank.build_shard(tiny_vae, tmp_path / "bank", 4, **options)
    again = bank.build_shard(tiny_vae, tmp_path / "again", 4, **options)
    assert path.read_bytes() == again.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["shard-00004.safetensors"]
    clips = bank.LatentBank(path.parent, bank.fingerprint(tiny_vae)).clips
    rng = np.random.default_rng((0, 4))
    drawn = [bank.draw_clip(rng, None, 0.0, (16, 32)) for _ in range(3)]
    assert [entry for _, entry in clips] == [entry for _, entry in drawn]
    with torch.no_grad():
        for (latents, entry), expected in zip(clips, bank.encode_clips(tiny_vae, drawn), strict=True):
            assert latents.shape == (8, entry.plan(4).num_latents, 2, 4)
            assert_close(latents.float(), expected, atol=2e-3, rtol=2e-3)


def test_a_batch_holds_clips_of_one_length_and_new_shards_are_found(tiny_vae, tmp_path, monkeypatch):
    monkeypatch.setattr(bank, "REFRESH_EVERY", 20)
    made_by = bank.fingerprint(tiny_vae)
    bank.build_shard(tiny_vae, tmp_path, 0, clips=4, size=(16, 16))
    clips = bank.LatentBank(tmp_path, made_by)
    assert len(clips.clips) == 4
    bank.build_shard(tiny_vae, tmp_path, 1, clips=2, size=(16, 16))
    clips.refresh()
    clips.refresh()
    assert len(clips.clips) == 6
    for seed in range(20):
        batch = clips.draw(np.random.default_rng(seed), 60)
        lengths = {latents.shape[1] for latents, _ in batch}
        assert len(lengths) == 1 and len(batch) == max(1, 60 // lengths.pop())
        if seed == 0:
            bank.build_shard(tiny_vae, tmp_path, 2, clips=3, size=(16, 16))
        assert len(clips.clips) == (9 if seed == 19 else 6)


@pytest.mark.parametrize("keyframes", [(0, 9, 17, 30), (5, 14), (8,), ()])
def test_excerpts_are_what_their_frames_alone_would_be_encoded_to_but_for_the_surplus(tiny_vae, keyframes):
    video = torch.rand(31, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    entry = bank.ClipEntry(31, keyframes, (), "a caption", "a")
    with torch.no_grad():
        (whole,) = bank.encode_clips(tiny_vae, [(video, entry)])
        parts = list(bank.excerpts(whole, entry, 4))
        overrun = {chunk.start: chunk.overrun for chunk in entry.plan(4).chunks}
        starts = list(overrun)
        spans = [*zip(starts, [*starts[1:], 31])] if len(starts) > 1 else []
        spans += [(a, b + 1) for n in (1, 2) for a, b in zip(starts, starts[n:])]
        assert [part.num_frames for _, part in parts] == [b - a for a, b in spans]
        for (latents, part), (start, stop) in zip(parts, spans, strict=True):
            (expected,) = bank.encode_clips(tiny_vae, [(video[start : start + part.num_frames], part)])
            assert latents.shape == expected.shape
            for chunk in part.plan(4).chunks:
                end = chunk.latent_start + chunk.num_latents - (chunk.overrun != overrun[start + chunk.start])
                assert_close(latents[:, chunk.latent_start : end], expected[:, chunk.latent_start : end])
            assert part.keyframes == tuple(k - start for k in keyframes if start <= k < stop)
            assert part.caption == "a caption"
    assert not list(bank.excerpts(whole, dataclasses.replace(entry, cuts=(11,)), 4))


def test_a_bank_holds_excerpts_where_asked(tiny_vae, tmp_path):
    bank.build_shard(tiny_vae, tmp_path, 0, clips=4, size=(16, 16))
    made_by = bank.fingerprint(tiny_vae)
    whole, all_of_them = bank.LatentBank(tmp_path, made_by), bank.LatentBank(tmp_path, made_by, stride=4)
    assert len(all_of_them.clips) == sum(1 + len([*bank.excerpts(*clip, 4)]) for clip in whole.clips) > len(whole.clips)
    for latents, entry in all_of_them.clips:
        assert latents.shape[1] == entry.plan(4).num_latents


def test_shards_that_do_not_fit_are_named(tiny_vae, tmp_path):
    with pytest.raises(ValueError, match="no clips there"):
        bank.LatentBank(tmp_path, "any")
    path = bank.build_shard(tiny_vae, tmp_path, 0, clips=1, size=(16, 16))
    with pytest.raises(ValueError, match="encoded by another VAE"):
        bank.LatentBank(tmp_path, "another")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"shard-00000\.safetensors: damaged"):
        bank.LatentBank(tmp_path, bank.fingerprint(tiny_vae))


def test_a_fingerprint_tells_encoders_and_ways_of_encoding_apart_but_not_decoders(tiny_vae, wan_folder, monkeypatch):
    other = AutoencoderKLWan.from_pretrained(wan_folder, subfolder="vae")
    nn.init.zeros_(other.decoder.conv_in.weight)
    before = bank.fingerprint(tiny_vae)
    assert bank.fingerprint(other) == before
    nn.init.zeros_(other.encoder.conv_in.weight)
    assert bank.fingerprint(other) != before
    monkeypatch.setattr(bank, "ENCODING", "repeats")
    assert bank.fingerprint(tiny_vae) != before


def test_clips_come_from_the_film_as_often_as_asked():
    frames = np.full((80, 32, 48, 3), 255, np.uint8)
    shots = film.FilmShots(frames, [(0, 80)], 12.0)
    rng = np.random.default_rng(0)
    video, entry = bank.draw_clip(rng, shots, 1.0, (16, 24))
    assert entry.caption == bank.FILM_CAPTION and entry.cuts == () and entry.num_frames <= bank.FILM_FRAMES
    assert video.shape == (entry.num_frames, 3, 16, 24) and video.min() > 0.999
    assert bank.draw_clip(rng, shots, 0.0, (16, 24))[1].caption != bank.FILM_CAPTION


def test_film_clips_are_whole_frames_or_parts_of_them_and_as_often_mirrored():
    ramp = np.linspace(0, 240, 48).round().astype(np.uint8)  # darker on the left, so that a row tells what is seen
    shots = film.FilmShots(np.broadcast_to(ramp[None, None, :, None], (4, 32, 48, 3)).copy(), [(0, 4)], 12.0)
    rng, mirrored, shares = np.random.default_rng(0), 0, []
    for _ in range(200):
        video = bank.film_clip(rng, shots, 1, 3, (16, 24))
        assert video.shape == (3, 3, 16, 24) and video.min() >= 0 and video.max() <= 1
        row = video[0, 0, 8]
        mirrored += bool(row[0] > row[-1])
        shares.append(float((row[-4] - row[3]).abs()) / (240 / 255) * 47 / 34)  # 17 of 24 columns
    assert 80 < mirrored < 120
    whole = [share for share in shares if share > 0.98]
    assert 80 < len(whole) < 130 and bank.CLOSEST - 0.02 < min(shares) < bank.CLOSEST + 0.1 and max(shares) < 1.02


# -- text --------------------------------------------------------------------------------------------------------------


def test_the_tokenizer_knows_its_words_and_loses_none():
    captions = [bank.scene_caption(sample_scene(seed, 49)) for seed in range(300)]
    tokenizer = train_tokenizer(captions)
    assert tokenizer.get_vocab() == train_tokenizer(captions).get_vocab()
    tokens = tokenizer("Rory walks right.").input_ids
    assert tokenizer.convert_ids_to_tokens(tokens) == ["Ġrory", "Ġwalks", "Ġright", ".", "</s>"]
    for text in ("rory and the übermoose 🦌", "quizzical"):  # bytes, where there is no word
        assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True).strip() == text
    longest = max(len(tokenizer(bank.scene_caption(sample_scene(seed, 73, 3))).input_ids) for seed in range(300))
    assert longest <= MAX_TOKENS
    assert len(tokenizer("word " * 999, truncation=True).input_ids) == MAX_TOKENS


def test_a_text_width_without_whole_heads_is_refused():
    with pytest.raises(ValueError, match="text_dim = 100"):
        build_text_encoder(300, dim=100)


# -- Director-Gen's loss -----------------------------------------------------------------------------------------------


class Oracle(nn.Module):
    """Knows x_0, and so the true velocity; what it says at anchors is nonsense. Keeps what it was asked."""

    def __init__(self, x_0: torch.Tensor):
        super().__init__()
        self.x_0, self.scale = x_0, nn.Parameter(torch.ones(()))

    def forward(self, latents, t, tokens, mask, tau):
        self.asked = {"latents": latents, "t": t, "tokens": tokens, "mask": mask, "tau": tau}
        t = t[:, None, :, None, None]
        return torch.where(t > 0, self.scale * (latents - self.x_0) / t.clamp(min=1e-3), 1e4)


def batch_of(anchors: list[list[bool]]) -> dict[str, torch.Tensor]:
    shape = (len(anchors), 3, len(anchors[0]), 2, 4)
    return {
        "x_0": torch.randn(shape, generator=torch.Generator().manual_seed(1)),
        "anchors": torch.tensor(anchors),
        "t": torch.linspace(0.3, 0.9, len(anchors)),
        "tokens": torch.zeros(len(anchors), 5, dtype=torch.long),
        "mask": torch.ones(len(anchors), 5, dtype=torch.long),
        "tau": torch.rand(len(anchors), len(anchors[0])),
    }


def test_the_true_velocity_has_no_loss_and_anchors_are_clean():
    batch = batch_of([[True, False, False, True], [False, False, True, False]])
    model = Oracle(batch["x_0"])
    assert gen.flow_loss(model, batch)["loss"] < 1e-9
    asked, anchors = model.asked, batch["anchors"]
    assert torch.equal(asked["t"], torch.where(anchors, 0.0, batch["t"][:, None]))
    clean = anchors[:, None, :, None, None].expand_as(batch["x_0"])
    assert torch.equal(asked["latents"][clean], batch["x_0"][clean])
    assert (asked["latents"] != batch["x_0"])[~clean].all()
    assert all(torch.equal(asked[name], batch[name]) for name in ("tokens", "mask", "tau"))


def test_the_loss_is_the_mean_over_what_is_no_anchor():
    batch = batch_of([[True, False, False], [False, False, True]])
    model = Oracle(batch["x_0"])
    nn.init.zeros_(model.scale)  # says 0 everywhere else
    torch.manual_seed(3)
    loss = gen.flow_loss(model, batch)["loss"]
    torch.manual_seed(3)
    velocity = torch.randn_like(batch["x_0"]) - batch["x_0"]
    free = (~batch["anchors"])[:, None, :, None, None].expand_as(velocity)
    assert_close(loss, velocity[free].square().mean(), rtol=1e-5, atol=0)
    x_1 = velocity + batch["x_0"]
    t = batch["t"][:, None, None, None, None]
    assert_close(model.asked["latents"][free], ((1 - t) * batch["x_0"] + t * x_1)[free])


def test_a_batch_of_anchors_alone_teaches_nothing():
    batch = batch_of([[True, True]])
    model = Oracle(batch["x_0"])
    loss = gen.flow_loss(model, batch)["loss"]
    loss.backward()
    assert loss == 0 and model.scale.grad == 0


PLAN = ChunkPlan.build(40, [Condition(0), Condition(13), Condition(26), Condition(39)], cuts=[20, 26])
# chunks:  0 (key, natural)  13 (key)  20 (cut, no key)  26 (key at a cut)  39 (key, one latent)


def test_anchors_are_the_plans_when_nothing_is_drawn():
    config = gen.GenConfig(drop_anchor=0.0, clip_anchor=0.0)
    assert stage.draw_anchors(np.random.default_rng(0), PLAN, config) == PLAN.anchors


def test_anchors_are_dropped_where_a_chunk_begins_anyway_and_nowhere_else():
    anchors = stage.draw_anchors(np.random.default_rng(0), PLAN, gen.GenConfig(drop_anchor=1.0, clip_anchor=0.0))
    assert [anchors[chunk.latent_start] for chunk in PLAN.chunks] == [False, True, False, False, True]
    assert sum(anchors) == 2


def test_a_keyframe_becomes_a_clip_of_two_latents_or_more_within_its_chunk():
    config, counts = gen.GenConfig(drop_anchor=0.0, clip_anchor=1.0), set()
    for seed in range(60):
        anchors = stage.draw_anchors(np.random.default_rng(seed), PLAN, config)
        for index, chunk in enumerate(PLAN.chunks):
            part = anchors[chunk.latent_start : chunk.latent_start + chunk.num_latents]
            count = sum(part)
            assert part == [True] * count + [False] * (len(part) - count)
            assert count == {2: 0, 4: 1}.get(index, count) and (index in (2, 4) or count >= 2)
            counts.add((index, count))
    assert {(0, n) for n in range(2, PLAN.chunks[0].num_latents + 1)} <= counts


def test_blocks_are_compiled_where_they_are_and_a_head_is_zeroed(session_gen):
    transformer = copy.deepcopy(session_gen.transformer)
    stage.compile_blocks(transformer)
    assert all(block._compiled_call_impl is not None for block in transformer.blocks)
    assert [*transformer.state_dict()] == [*session_gen.transformer.state_dict()]
    stage.zero_head(transformer)
    assert not transformer.proj_out.weight.any() and not transformer.proj_out.bias.any()


def test_a_trunk_gets_tokens_of_another_size(session_gen):
    old = session_gen.transformer
    channels, size = old.config.in_channels, (2, 4)
    assert list(old.config.patch_size) == [1, 2, 2] and stage.repatch(old, None) is stage.repatch(old, 2) is old
    new = stage.repatch(old, 1)
    assert list(new.config.patch_size) == [1, 1, 1] and type(new) is type(old)
    changed = {name for name, value in new.state_dict().items() if not torch.equal(value, old.state_dict().get(name))}
    assert changed == {"patch_embedding.weight", "proj_out.weight", "proj_out.bias"}
    cells = torch.randn(2, channels, 3, *size, generator=torch.Generator().manual_seed(0))
    even = F.interpolate(cells, (3, 4, 8))  # the same within every token of 2 x 2
    expected = F.interpolate(old.patch_embedding(even), (3, 4, 8))
    assert_close(new.patch_embedding(even), expected, atol=1e-4, rtol=1e-4)
    hidden = torch.randn(5, old.config.num_attention_heads * old.config.attention_head_dim)
    assert_close(new.proj_out(hidden), old.proj_out(hidden).unflatten(1, (4, channels)).mean(1), atol=1e-5, rtol=1e-4)
    back = stage.repatch(new, 2)
    assert_close(back.patch_embedding(even), old.patch_embedding(even), atol=1e-4, rtol=1e-4)
    assert_close(back.proj_out(hidden), new.proj_out(hidden).repeat(1, 4))


def test_captions_are_left_out_as_often_as_asked():
    config = gen.GenConfig(text_dropout=0.2, description_only=0.3)
    rng = np.random.default_rng(0)
    drawn = [gen.caption_of(rng, entry_of(5), config) for _ in range(2000)]
    assert drawn.count("") / 2000 == pytest.approx(0.2, abs=0.03)
    assert drawn.count("short") / 2000 == pytest.approx(0.3, abs=0.03)
    assert drawn.count("a caption") / 2000 == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("scheme", TAU_SCHEMES)
def test_batches_carry_the_index_scheme_that_was_asked_for(wan_folder, scheme):
    entry = entry_of(30, (0, 13))
    plan = entry.plan(4)

    class Bank:
        def draw(self, rng, latent_frames):
            return [(torch.randn(8, plan.num_latents, 4, 4), entry)] * 2

    tokenizer = DirectorGenPipeline.from_pretrained(wan_folder, vae=None).tokenizer
    batch = gen.draw_batch(gen.GenConfig(rope=scheme), Bank(), tokenizer, 4, 0, CPU)
    assert torch.equal(batch["tau"], torch.tensor([plan.tau(scheme)] * 2))


def test_training_reads_text_as_the_pipeline_does(wan_folder):
    pipeline = DirectorGenPipeline.from_pretrained(wan_folder)
    text = pipeline.tokenizer(["a red ball"], padding="max_length", max_length=MAX_TOKENS, return_tensors="pt")
    seen = []
    model = gen.TrainedGen(pipeline.text_encoder, pipeline.transformer, None)
    handle = pipeline.transformer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[2]))
    with torch.no_grad():
        latents, tau = torch.randn(1, 8, 2, 4, 4), torch.tensor([[0.0, 1.0]])
        model(latents, torch.tensor([[0.0, 500.0]]), text.input_ids, text.attention_mask, tau)
        expected, _ = pipeline.encode_prompt("a red ball", None, False, max_sequence_length=MAX_TOKENS, device=CPU)
    handle.remove()
    assert_close(seen[0], expected, atol=1e-6, rtol=0)
    assert (expected[0, 10:] == 0).all() and (expected[0, :3] != 0).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 2}, "workers = 2"),
        ({"clip_anchor": 2.0}, "clip_anchor = 2.0"),
        ({"shards": -1}, "shards = -1"),
        ({"steps": -1}, "steps = -1"),
        ({"rope": "frames"}, "rope = frames: give one of frame_time, "),
    ],
)
def test_gen_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        gen.GenConfig(**options)


# -- the VAE's batches and loss ----------------------------------------------------------------------------------------


def test_a_step_always_draws_the_same_batch_and_no_held_out_scene():
    config = vae.VAEConfig(steps=10)
    for step in (0, 5, 9):
        batch = vae.draw_batch(config, None, step, CPU)
        assert torch.equal(batch, vae.draw_batch(config, None, step, CPU))
        assert batch.min() >= -1 and batch.max() <= 1 and (batch.shape[2] - 1) % 4 == 0
        layouts = {(n, frames, rows, columns) for _, _, n, frames, rows, columns in vae.LAYOUTS}
        assert (batch.shape[0], *batch.shape[2:]) in layouts
    assert not torch.equal(vae.draw_batch(config, None, 1, CPU)[:1, :, :1, :32, :32], batch[:1, :, :1, :32, :32])


def test_a_larger_batch_has_as_many_more_clips():
    for step in range(4):
        one, three = (vae.draw_batch(vae.VAEConfig(batch=batch), None, step, CPU) for batch in (1, 3))
        assert three.shape == (3 * len(one), *one.shape[1:])
        assert len(torch.unique(three, dim=0)) > 2 * len(one)  # not one clip three times (two may be of the sky alone)


def test_a_film_clip_of_draft_size_is_the_shrunken_final_one():
    frames = np.random.default_rng(0).integers(0, 256, (5, 128, 224, 3), dtype=np.uint8)
    footage = film.FilmShots(frames, [(0, 5)], 12.0)
    config, rng = vae.VAEConfig(film_share=1.0), np.random.default_rng(0)
    draft = vae._draw_clip(config, footage, rng, vae.DRAFT, (3, 7, 16, 24), 5, 1, CPU)
    final = vae._draw_clip(config, footage, rng, vae.FINAL, (6, 14, 32, 48), 5, 1, CPU)
    assert_close(draft, final.unflatten(-2, (16, 2)).unflatten(-1, (24, 2)).mean(dim=(-3, -1)), atol=1e-6, rtol=0)


def test_the_reconstruction_loss_counts_what_moves():
    config = vae.VAEConfig(edge_weight=0.0, motion_weight=2.0)
    still, moving = torch.zeros(1, 3, 3, 4, 4), torch.zeros(1, 3, 3, 4, 4)
    moving[:, :, 2, 0, 0] = 1.0  # one pixel of 16, from the second to the third frame
    assert vae.reconstruction_loss(still, still, config) == 0
    error = 0.5
    plain = 0.5 * error + 4 * error**2
    assert_close(vae.reconstruction_loss(still + error, still, config), torch.tensor(plain))
    wanted = plain * (1 + 2.0 * 2 / 48)  # it counts as moving in both frames
    assert_close(vae.reconstruction_loss(moving + error, moving, config), torch.tensor(wanted))
    config.edge_weight = 0.5
    assert_close(vae.reconstruction_loss(still + error, still, config), torch.tensor(plain))  # flat: no edges are wrong
    config.motion_weight = 0.0
    flickers = vae.reconstruction_loss(moving, still, config) - vae.reconstruction_loss(moving * 0, still, config)
    pixel, corner, blink = (0.5 + 4) / 48, 2 / 36, 1 / 32  # an edge each way, of 36 a direction; one step in time of 32
    assert_close(flickers, torch.tensor(pixel + 0.5 * (corner + blink)))
    config.flicker_weight = 3.0
    flickers = vae.reconstruction_loss(moving, still, config) - vae.reconstruction_loss(moving * 0, still, config)
    assert_close(flickers, torch.tensor(pixel + 0.5 * (corner + 4 * blink)))  # the truth stands still there
    missed = vae.reconstruction_loss(still, moving, config)  # where it moves, a step counts once
    assert_close(missed, torch.tensor(pixel + 0.5 * (corner + blink)))


def test_a_clip_ends_anywhere_in_its_last_group():
    rng, clip = np.random.default_rng(0), torch.randn(2, 3, 9, 4, 4)
    ends = [vae.end_anywhere(clip, rng, 4) for _ in range(60)]
    assert {end.shape[2] for end in ends} == {6, 7, 8, 9}
    assert all(torch.equal(end, clip[:, :, : end.shape[2]]) for end in ends)
    assert {vae.end_anywhere(clip[:, :, :1], rng, 4).shape[2] for _ in range(20)} == {1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"film_share": 1.2}, "film_share"),
        ({"freeze_encoder": True}, "freeze_encoder needs init"),
        ({"keep_weight": 1.0}, "keep_weight needs init"),
        ({"widen_encoder": 64}, "widen_encoder needs init"),
        ({"freeze_decoder": True}, "freeze_decoder needs init"),
        ({"init": "a", "freeze_encoder": True, "freeze_decoder": True}, "nothing is left to train"),
        ({"batch": 0}, "batch = 0"),
    ],
)
def test_vae_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        vae.VAEConfig(**options)


def test_missing_folders_are_named_before_anything_is_made(tmp_path):
    missing = str(tmp_path / "missing")
    for config in (vae.VAEConfig(out=str(tmp_path / "a"), film=missing), vae.VAEConfig(init=missing)):
        with pytest.raises(ValueError, match="missing"):
            vae.train_vae(config)
    with pytest.raises(ValueError, match=r"vae = .*missing: no VAE there"):
        gen.train_gen(gen.GenConfig(out=str(tmp_path / "a"), vae=missing))
    assert not (tmp_path / "a").exists()


# -- everything, very small --------------------------------------------------------------------------------------------

SMALL_LAYOUTS = ((0.5, 0.5, 4, 1, 16, 16), (0.5, 0.5, 2, 5, 16, 16))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Two steps of the VAE and two of Director-Gen, as `train vae` and `train gen` take them."""
    folder = tmp_path_factory.mktemp("runs")
    AcceleratorState._reset_state(reset_partial_state=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae, "LAYOUTS", SMALL_LAYOUTS)
        vae.train_vae(vae_config(folder, steps=2))
        gen.train_gen(gen_config(folder, steps=2))
    return folder


def vae_config(folder: Path, steps: int) -> vae.VAEConfig:
    return vae.VAEConfig(
        out=str(folder / "vae"), base_dim=8, decoder_base_dim=8, z_dim=4, steps=steps, warmup=0, log_every=1
    )


def gen_config(folder: Path, steps: int) -> gen.GenConfig:
    shards = folder / "bank"
    if not shards.exists():
        small = AutoencoderKLWan.from_pretrained(folder / "vae" / "export")
        bank.build_shard(small, shards, 0, clips=4, size=(32, 48))
    return gen.GenConfig(
        out=str(folder / "gen"),
        vae=str(folder / "vae" / "export"),
        bank=str(shards),
        shards=1,
        heads=2,
        head_dim=12,
        layers=1,
        ffn_dim=32,
        text_dim=48,
        latent_frames=24,
        steps=steps,
        warmup=0,
        log_every=1,
    )


def test_training_from_scratch_to_a_pipeline_folder(trained):
    coder = AutoencoderKLWan.from_pretrained(trained / "vae" / "export")
    assert coder.config.scale_factor_temporal == 4 and len(coder.config.latents_std) == 4
    assert min(coder.config.latents_std) > 0 and coder.config.latents_std != [1.0] * 4
    for name in ("vae", "gen"):
        assert list(losses(trained / name)) == [1, 2]
        assert (trained / name / "samples" / "000002.png").stat().st_size > 1000
    pipeline = DirectorGenPipeline.from_pretrained(trained / "gen" / "export")
    assert pipeline.transformer.proj_out.weight.abs().max() > 0  # begins at zero
    assert torch.equal(pipeline.vae.encoder.conv_in.weight, coder.encoder.conv_in.weight)
    assert pipeline.tokenizer.model_max_length == MAX_TOKENS
    weights = [path.suffix for path in (trained / "gen" / "export").rglob("*") if path.is_file()]
    assert set(weights) <= {".json", ".safetensors"}


def test_training_goes_on_and_starts_from_a_trained_pipeline(trained, monkeypatch):
    monkeypatch.setattr(vae, "LAYOUTS", SMALL_LAYOUTS)
    before = DirectorGenPipeline.from_pretrained(trained / "gen" / "export", vae=None)
    gen.train_gen(gen_config(trained, steps=3))
    assert list(losses(trained / "gen")) == [1, 2, 3]
    after = DirectorGenPipeline.from_pretrained(trained / "gen" / "export", vae=None)
    assert before.tokenizer.get_vocab() == after.tokenizer.get_vocab()
    assert not torch.equal(before.transformer.proj_out.weight, after.transformer.proj_out.weight)
    config = dataclasses.replace(gen_config(trained, steps=3), init=str(trained / "gen" / "export"))
    coder = AutoencoderKLWan.from_pretrained(config.vae)
    model, _ = gen.build_model(config, coder)
    assert torch.equal(model.transformer.proj_out.weight, after.transformer.proj_out.weight)
    model, _ = gen.build_model(dataclasses.replace(config, patch=1), coder)
    assert list(model.transformer.config.patch_size) == [1, 1, 1]
    vae.train_vae(vae_config(trained, steps=3))  # its latents are others now, so the bank no longer fits
    assert list(losses(trained / "vae")) == [1, 2, 3]
    with pytest.raises(ValueError, match="encoded by another VAE"):
        gen.train_gen(gen_config(trained, steps=4))


def test_the_vae_learns_from_clips_padded_as_chunks_are(monkeypatch, tmp_path):
    coded, counted = [], []
    forward, loss = vae.TrainedVAE.forward, vae.reconstruction_loss

    def see(model, video, halve):
        coded.append(video)
        return forward(model, video, halve)

    def count(output, video, config):
        assert output.shape == video.shape
        counted.append(video)
        return loss(output, video, config)

    monkeypatch.setattr(vae, "LAYOUTS", ((1.0, 1.0, 2, 5, 16, 16),))
    monkeypatch.setattr(vae.TrainedVAE, "forward", see)
    monkeypatch.setattr(vae, "reconstruction_loss", count)
    vae.train_vae(dataclasses.replace(vae_config(tmp_path, steps=8), equivariance=0.0))
    assert {video.shape[2] for video in coded} == {5}
    assert len({video.shape[2] for video in counted}) > 2  # frames that padding added do not count
    assert all(torch.equal(pad_tail(real, 4), video) for real, video in zip(counted, coded, strict=True))


UNEVEN = f"""
import sys
from smartdirector_lite.training import vae

vae.LAYOUTS = {SMALL_LAYOUTS}
vae.train_vae(vae.VAEConfig(out=sys.argv[1], base_dim=8, decoder_base_dim=8, z_dim=4, steps=5, warmup=0, log_every=1))
"""


@pytest.mark.slow
def test_one_process_may_draw_pictures_while_another_draws_clips(tmp_path, monkeypatch):
    check(launch(tmp_path, code=UNEVEN))
    assert len(losses(tmp_path)) == 5
    monkeypatch.setattr(vae, "LAYOUTS", SMALL_LAYOUTS)
    batches = [vae.draw_batch(vae.VAEConfig(steps=5), None, number, CPU) for number in range(10)]
    kinds = [{batch.shape[2] == 1 for batch in batches[k : k + 2]} for k in range(0, 10, 2)]
    assert {True, False} in kinds


def test_latents_are_kept_near_those_of_the_vae_before(trained, monkeypatch, tmp_path):
    monkeypatch.setattr(vae, "LAYOUTS", SMALL_LAYOUTS)
    before = trained / "vae" / "export"
    drifts = {}
    for weight in (1e-6, 100.0):
        config = vae_config(tmp_path / str(weight), steps=6)
        vae.train_vae(dataclasses.replace(config, init=str(before), keep_weight=weight))
        rows = (tmp_path / str(weight) / "vae" / "log.jsonl").read_text().splitlines()
        drifts[weight] = [json.loads(row)["drift"] for row in rows]
        after = AutoencoderKLWan.from_pretrained(tmp_path / str(weight) / "vae" / "export")
        assert after.config.latents_std == AutoencoderKLWan.from_pretrained(before).config.latents_std
    assert drifts[1e-6][0] == drifts[100.0][0] == 0
    assert drifts[1e-6][-1] > 2 * drifts[100.0][-1] > 0


def test_the_strip_of_pictures_shows_the_frames_side_by_side(tmp_path):
    from PIL import Image

    scene = sample_scene(HELD_OUT_SEED, 13)
    video = render(scene, 16, 32, frames=slice(0, 13, 6)).transpose(0, 1) * 2 - 1
    vae.save_strip(video, tmp_path / "samples" / "1.png")
    picture = np.asarray(Image.open(tmp_path / "samples" / "1.png"))
    assert picture.shape == (16, 96, 3)
    second = torch.from_numpy(picture[:, 32:64].copy()).permute(2, 0, 1) / 127.5 - 1
    assert_close(second, video[:, 1], atol=0.005, rtol=0)
