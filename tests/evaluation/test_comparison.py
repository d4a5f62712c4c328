"""Filmers beside each other on the same videos: closed-form differences, and what is lost comes first."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from smartdirector_lite.cli.evaluate import film_all
from smartdirector_lite.evaluation.benchmark import KINDS
from smartdirector_lite.evaluation.comparison import Difference, by_verdict, compare, comparison
from smartdirector_lite.evaluation.features import OWN
from smartdirector_lite.evaluation.records import VERSION, Record, record_path
from smartdirector_lite.evaluation.results import summarize, write_results
from smartdirector_lite.media import write_json

COUNT = 6


def record(number: int, kind: str = "single", shift: float = 0.0, **figures: float) -> Record:
    """A record whose features are `shift` away from the true ones."""
    true = torch.randn(5, 2, generator=torch.Generator().manual_seed(number))
    made_by = {"filmer": "a", "settings": {}, "source": "toy", "version": 1}
    figures = {name.replace("_", " "): value for name, value in figures.items()}
    return Record(f"{kind}-{number}", kind, made_by, 1.5, figures, (true + shift).tolist(), true.tolist())


def records(count: int = COUNT, kind: str = "single", shift: float = 0.0, **figures) -> list[Record]:
    """Records of `count` items. figures: functions of an item's number, or None where it has none."""
    rows = [{name: of(number) for name, of in figures.items()} for number in range(count)]
    known = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return [record(number, kind, shift, **row) for number, row in enumerate(known)]


def test_a_difference_is_that_of_the_same_videos():
    ours = records(timing=lambda n: 10.0 * n)
    worse = records(timing=lambda n: 10.0 * n + 1)
    assert compare(worse, ours)["timing"] == pytest.approx((1, 1, 1, COUNT))  # where the two intervals overlap widely
    assert summarize(ours)["timing"].high > summarize(worse)["timing"].low
    assert compare(ours, worse)["timing"] == pytest.approx((-1, -1, -1, COUNT))
    # Of two differences 0 and 2, a quarter of the resamples holds only the one, and another quarter only the other.
    even = compare(records(2, timing=lambda n: 30.0 * n + 2 * n), records(2, timing=lambda n: 30.0 * n))["timing"]
    assert even == (1, 0, 2, 2) and str(even) == "1 [0, 2] (2)"


def test_nearer_to_the_best_value_is_better_on_both_sides_of_it():
    ours = records(SSIM=lambda n: 0.5, flicker=lambda n: 0.9, steps=lambda n: 1.25, border_jump=lambda n: 1.5)
    other = records(SSIM=lambda n: 0.75, flicker=lambda n: 1.2, steps=lambda n: 0.75, border_jump=lambda n: 0.75)
    found = compare(other, ours)
    assert found["SSIM"].value == -0.25  # as large as the true video's, 1, is best
    assert found["flicker"].value == pytest.approx(0.1)  # 0.2 above 1, where ours is 0.1 below
    assert found["steps"].value == 0 and found["border jump"].value == -0.25


def test_distances_of_sets_are_compared():
    found = compare(records(shift=3.0), records(shift=1.0))
    assert found["Frechet distance"].value == pytest.approx(2 * (3**2 - 1**2))  # in each of two dimensions
    assert found["Frechet distance"].low > 0 and found["kernel distance"].low > 0
    # A kernel distance is unbiased, so equal videos have one below 0; nothing is farther away for that.
    near, far = records(shift=0.0), records(shift=0.5)
    assert summarize(near)["kernel distance"].value < 0 and compare(far, near)["kernel distance"].value > 0


def test_only_videos_count_that_both_have_a_figure_of():
    ours = records(jitter=lambda n: None if n == 0 else 1.0, timing=lambda n: 1.0 if n == 0 else None)
    other = records(jitter=lambda n: None if n == 1 else 100.0 if n == 0 else 4.0, timing=lambda n: 1.0)
    found = compare(other, ours)
    assert found["jitter"] == pytest.approx((3, 3, 3, COUNT - 2))  # without the video of 100, which ours lacks
    assert "timing" not in found  # one video has no interval
    assert compare(other[:1], ours[:1]) == {} == compare([], [])
    with pytest.raises(ValueError, match="film the same benchmark with both"):
        compare(other[1:], ours[:-1])


def test_several_runs_are_averaged():
    ours = [*records(timing=lambda n: 1.0 * n), *records(timing=lambda n: 1.0 * n + 2)]
    assert compare(records(timing=lambda n: n + 3.0), ours)["timing"] == pytest.approx((2, 2, 2, COUNT))


def test_what_is_lost_comes_first(tmp_path):
    found = {
        "a": {"timing": Difference(2, 1, 3, 9), "SSIM": Difference(-1, -2, -0.5, 9)},
        "b": {"timing": Difference(-1, -2, 0, 9), "SSIM": Difference(0.5, 0, 1, 9)},
    }
    verdicts = by_verdict(found)
    assert [*verdicts] == ["loses", "wins", "neither loses nor wins"]
    assert [{name: [*own] for name, own in one.items()} for one in verdicts.values()] == [
        {"a": ["SSIM"], "b": []},
        {"a": ["timing"], "b": []},
        {"a": [], "b": ["timing", "SSIM"]},
    ]
    ours = records(timing=lambda n: 2.0, SSIM=lambda n: 0.5, colour=lambda n: 1.0)
    runs = {"ours": ours, "other": records(timing=lambda n: 3.0, SSIM=lambda n: 0.75, colour=lambda n: 1.0)}
    section = comparison(runs, ["ours"])
    assert [*section.data] == ["ours"] and [*section.data["ours"]] == ["single"]
    lost, won, neither = section.text.split("\n## ")[1:]
    assert lost.startswith("Single-shot: where ours loses\n") and "SSIM" in lost and "timing" not in lost
    assert won.startswith("Single-shot: where ours wins\n") and "timing (frames)" in won and "SSIM" not in won
    assert "colour" in neither and "timing" not in neither
    write_results(tmp_path, runs, [section])
    written = json.loads((tmp_path / "results.json").read_text())["comparison"]["ours"]["single"]["other"]
    assert written["SSIM"] == {"value": -0.25, "low": -0.25, "high": -0.25, "videos": COUNT}
    assert section.text in (tmp_path / "results.md").read_text()
    assert "## Single-shot: where ours loses\n\nNowhere." in comparison({"ours": ours, "same": ours}, ["ours"]).text


class Known:
    """A filmer and a benchmark whose records are there."""

    source = "toy"

    def __init__(self, name: str, folder: Path, ssim: float) -> None:
        self.name, self.settings = name, {}
        self.names = [f"{kind}-{number}" for number in range(COUNT) for kind in KINDS]
        made_by = {"filmer": name, "settings": {}, "source": self.source, "version": VERSION}
        for kind in KINDS:
            for one in records(kind=kind, SSIM=lambda n: ssim):
                path = record_path(folder, self, one.item)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, {**asdict(one), "made_by": made_by})


def test_the_command_compares_each_stage_with_each_baseline(tmp_path, capsys):
    names = {"model": 0.75, "no anchors": 0.5, "bicubic": 0.5, "other": 1.0}
    model, plain, bicubic, other = (Known(name, tmp_path, ssim) for name, ssim in names.items())
    film_all(model, [model, plain], [bicubic, other], tmp_path, OWN)
    found = json.loads((tmp_path / "results.json").read_text())["comparison"]
    values = {
        (own, kind): {name: one["SSIM"]["value"] for name, one in by_filmer.items()}
        for own, by_kind in found.items()
        for kind, by_filmer in by_kind.items()
    }
    wanted = {"model": {"bicubic": 0.25, "other": -0.25}, "no anchors": {"bicubic": 0, "other": -0.5}}
    assert values == {(own, kind): one for own, one in wanted.items() for kind in KINDS}
    assert "## Multi-shot: where no anchors loses\n\n| figure | best | other" in capsys.readouterr().out
    record_path(tmp_path, other, other.names[0]).write_text("{")  # the tables are of all that went well before
    with pytest.raises(ValueError, match="is no whole record"):
        film_all(model, [], [bicubic, other], tmp_path, OWN)
    written = json.loads((tmp_path / "results.json").read_text())
    assert [*written["results"]["single"]] == ["bicubic"] and "comparison" not in written
