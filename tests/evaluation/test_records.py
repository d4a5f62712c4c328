"""A benchmark's run: records that outlive a killed run and are made once, tables, and the command."""

import dataclasses
import json
from dataclasses import asdict

import pytest
import torch

from smartdirector_lite.cli import main
from smartdirector_lite.evaluation import benchmark
from smartdirector_lite.evaluation.baselines import cross_fade, hold_nearest
from smartdirector_lite.evaluation.benchmark import EnlargedBenchmark, ToyBenchmark
from smartdirector_lite.evaluation.enlargers import resized
from smartdirector_lite.evaluation.filmers import BlendFilmer, DirectorFilmer
from smartdirector_lite.evaluation.measure import measure
from smartdirector_lite.evaluation.records import Record, record_path, run_benchmark
from smartdirector_lite.evaluation.results import as_table, as_text, summarize, summarize_all, write_results
from smartdirector_lite.evaluation.tasks import TASKS, Calling
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.loading import load_director
from smartdirector_lite.media import Size
from smartdirector_lite.training.tiny import DRAFT, FINAL

SHORT = (1.3, 1.5)  # seconds: the shortest videos that have a window
SMALL = Size(64, 48)


class Counting(BlendFilmer):
    """Counts what it films, and is killed at one item."""

    def __init__(self, name="cross-fade", killed_at="", **settings):
        super().__init__(name, cross_fade, settings)
        object.__setattr__(self, "filmed", [])
        object.__setattr__(self, "killed_at", killed_at)

    def __call__(self, item):
        if item.name == self.killed_at:
            raise KeyboardInterrupt
        self.filmed.append(item.name)
        return super().__call__(item)


def test_a_killed_run_goes_on_and_an_added_item_is_measured_alone(tmp_path):
    killed = Counting(killed_at="single-001")
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(ToyBenchmark(2, SHORT, SMALL), killed, tmp_path)
    assert killed.filmed == ["single-000", "multi-000"]
    again = Counting()
    records = run_benchmark(ToyBenchmark(2, SHORT, SMALL), again, tmp_path)
    assert again.filmed == ["single-001", "multi-001"] and [record.item for record in records] == [
        "single-000",
        "multi-000",
        "single-001",
        "multi-001",
    ]
    assert run_benchmark(ToyBenchmark(1, SHORT, SMALL), Counting(), tmp_path) == records[:2]
    other = Counting(steps=3)  # other settings make other videos
    run_benchmark(ToyBenchmark(1, SHORT, SMALL), other, tmp_path)
    assert other.filmed == ["single-000", "multi-000"]
    path = record_path(tmp_path, other, "single-000")
    path.write_text("{")
    with pytest.raises(ValueError, match=r"single-000.json: is no whole record .*; delete it"):
        run_benchmark(ToyBenchmark(1, SHORT, SMALL), other, tmp_path)


def record(item: str, kind: str, l1: float, **figures: float) -> Record:
    features = torch.randn(3, 4, generator=torch.Generator().manual_seed(len(item))).tolist()
    made_by = {"filmer": "a", "settings": {"steps": 2}, "source": "toy", "version": 1}
    return Record(item, kind, made_by, 1.5, {"keyframe L1, first": l1, **figures}, features, features)


def test_tables_hold_means_over_the_videos_of_one_kind(tmp_path):
    records = [record("s", "single", 2.0, cuts=0.5), record("ss", "single", 4.0), record("m", "multi", 9.0)]
    single = summarize(records[:2])
    assert single["keyframe L1, first"].value == 3 and single["cuts"].value == 0.5 and "eyes" not in single
    assert single["Frechet distance"].value == pytest.approx(0, abs=1e-6)
    table = as_table({"ours": single, "other": summarize(records[2:])}).splitlines()
    assert {len(line) for line in table} == {len(table[0])}
    row = next(line for line in table if line.startswith("| keyframe L1, first (levels)"))
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["0", "3 [2, 4]", "9 [9, 9]"]
    written = write_results(tmp_path, {"a": records})
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["results"]["multi"]["a"]["keyframe L1, first"] == {"value": 9, "low": 9, "high": 9}
    assert found["settings"] == {"a": {"steps": 2}} and found["source"] == "toy"
    assert found["commit"] and found["machine"]
    text = (tmp_path / "results.md").read_text()
    assert written == as_text({"a": records}, summarize_all({"a": records})) and written in text
    assert "## Multi-shot, 1 video\n" in text and "- a: steps 2" in text


def test_the_two_stages_are_a_filmer(two_stage_folder):
    item = ToyBenchmark(1, SHORT, Size(48, 32))[1]
    filmer = DirectorFilmer(load_director(str(two_stage_folder)), "random", steps=1)
    video = filmer(item)
    assert video.shape == item.frames.shape and float(video.min()) >= 0 and float(video.max()) <= 1
    assert filmer.settings["steps"] == 1 and filmer.settings["guidance_scale"] == 2 and filmer.settings["weights"]
    assert (filmer(item) == video).all()


def test_filmers_say_the_scheme_that_they_film_with(two_stage_folder):
    director = load_director(str(two_stage_folder))
    director.gen = DirectorGenPipeline.from_pipe(director.gen, tau_scheme="continuous")
    for calling, schemes in ((Calling(), ("continuous", "frame_time")), (Calling(rope="restart"), ("restart",) * 2)):
        first, second = (TASKS[task].directors(director, "random", calling)[0] for task in ("film", "enlarge"))
        assert (first.settings["rope"], second.settings["rope"]) == schemes


def test_the_command_measures_what_is_asked(two_stage_folder, tmp_path, capsys, monkeypatch):
    assert TASKS["film"].size == DRAFT
    monkeypatch.setitem(TASKS, "film", dataclasses.replace(TASKS["film"], size=SMALL))
    monkeypatch.setattr(benchmark, "QUICK_SECONDS", SHORT)
    options = ["--quick", "--items", "1", "--steps", "1", "--out", str(tmp_path / "out")]
    command = ["evaluate", "--model", str(two_stage_folder), *options, "--guidance-scale", "1"]
    assert main([*command, "--baselines", "hold"]) == 0
    told = capsys.readouterr().out
    assert "hold, single-000: " in told and "## Single-shot, 1 video\n" in told
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["settings"][str(two_stage_folder)]["rope"] == "frame_time"  # the weights' own
    found = found["results"]
    assert set(found["single"]) == {str(two_stage_folder), "hold"}
    assert found["single"]["hold"]["keyframe L1, first"]["value"] == 0
    assert found["single"][str(two_stage_folder)]["keyframe L1, first"]["value"] > 5
    assert main([*command, "--baselines", "rigid"]) == 2
    assert "baselines must be one of cross-fade, hold" in capsys.readouterr().err
    assert main([*command, "--baselines", "bicubic"]) == 2
    assert "'bicubic' belongs to --task enlarge; for --task film choose from cross-fade" in capsys.readouterr().err
    assert main([*command, "--items", "0"]) == 2
    assert "items must be at least 1, got 0" in capsys.readouterr().err


def test_the_command_measures_enlargement(two_stage_folder, tmp_path, capsys, monkeypatch):
    assert TASKS["enlarge"].size == FINAL  # whose measurement would take long here
    monkeypatch.setitem(TASKS, "enlarge", dataclasses.replace(TASKS["enlarge"], size=SMALL))
    monkeypatch.setattr(benchmark, "QUICK_SECONDS", SHORT)
    out = tmp_path / "out"
    command = ["evaluate", "--task", "enlarge", "--quick", "--items", "1", "--out", str(out)]
    assert main([*command, "--model", str(two_stage_folder), "--steps", "1", "--rope", "restart"]) == 0
    found = json.loads((out / "results.json").read_text())
    assert found["settings"][str(two_stage_folder)]["rope"] == "restart"
    assert found["source"].endswith(f"{SMALL}, enlarged from half that size")
    name = str(two_stage_folder)
    assert set(found["results"]["single"]) == {name, f"{name}, no anchors", "bicubic"}
    assert found["settings"][name]["anchors"] and not found["settings"][f"{name}, no anchors"]["anchors"]
    item = EnlargedBenchmark(ToyBenchmark(1, SHORT, SMALL))[0]
    assert item.small.shape[2:] == (SMALL.height // 2, SMALL.width // 2) and item.name == "single-000-enlarged"
    loss = found["results"]["single"]["bicubic"]["PSNR, moving"]["value"]
    torch.testing.assert_close(loss, measure(resized(item.small, SMALL, "bicubic"), item)["PSNR, moving"])
    capsys.readouterr()
    assert main([*command, "--model", "none"]) == 0  # the baselines alone
    found = json.loads((out / "results.json").read_text())
    assert set(found["results"]["single"]) == {"bicubic"} and "comparison" not in found
    for options, said in (
        (["--model", "none", "--baselines"], "no baselines, so nothing is measured"),
        (["--pacing", "action"], "pacing is action, which --task enlarge has no use for"),
        (["--guidance-scale", "2"], "guidance-scale is 2.0, which --task enlarge has no use for"),
        (["--baselines", "rife"], "'rife' belongs to --task film; for --task enlarge choose from bicubic"),
    ):
        assert main([*command, *options]) == 2
        assert said in capsys.readouterr().err


def test_records_are_plain_json(tmp_path):
    filmer = BlendFilmer("hold", hold_nearest)
    (one,) = run_benchmark(_First(ToyBenchmark(1, SHORT, SMALL)), filmer, tmp_path)
    assert Record.load(record_path(tmp_path, filmer, one.item)) == one
    assert json.loads(json.dumps(asdict(one), allow_nan=False)) == asdict(one)
    assert len(one.features[0]) == 64 and one.figures["keyframe L1, first"] == 0


class _First:
    """The first item of a benchmark alone."""

    def __init__(self, benchmark):
        self.benchmark, self.names, self.source = benchmark, benchmark.names[:1], benchmark.source

    def __getitem__(self, index):
        return self.benchmark[index]


def test_runs_of_several_seeds_are_averaged_item_by_item():
    first = [record("s", "single", 2.0, eyes=1.0), record("ss", "single", 4.0)]
    second = [record("s", "single", 4.0, eyes=0.0), record("ss", "single", 8.0)]
    found = summarize([*first, *second])
    assert found["keyframe L1, first"].value == 4.5
    assert (found["keyframe L1, first"].low, found["keyframe L1, first"].high) == (3, 6)  # of two items, not of four
    assert found["eyes"].value == 0.5
    runs = {"a": [*first, *second]}
    assert "## Single-shot, 2 videos\n" in as_text(runs, summarize_all(runs))
    with pytest.raises(ValueError):
        summarize([*first, second[0]])  # a run is not whole
