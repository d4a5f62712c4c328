"""The benches can be run, and the figures that documents quote are those of bench/RESULTS.md."""

import importlib
import importlib.util
import json
import math
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import nn

from smartdirector_lite.loading import bundled_folder

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
RESULTS = (BENCH / "RESULTS.md").read_text(encoding="utf-8")
CARD = ROOT / "smartdirector_lite" / "weights" / "smartdirector-tiny" / "README.md"
BENCHES = sorted(path.stem for path in BENCH.glob("*.py") if path.stem != "common")


def load_bench(name: str):
    """Import a bench from its file, as if it were run from its folder."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(text: str) -> list[list[str]]:
    """The cells of every table row in a Markdown text, without the lines under headers."""
    lines = [line.strip().strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines if not set("".join(line)) <= set("|- ")]


def section(text: str, title: str) -> str:
    """The part of a Markdown text under a second-level title."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


# -- the commands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BENCHES)
def test_bench_says_what_it_does(name, monkeypatch, capsys):
    """Every name that a bench takes from the library is there, and its options can be parsed."""
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setattr(sys, "argv", [f"bench/{name}.py", "--help"])
    try:
        module = load_bench(name)
    except ModuleNotFoundError as error:
        if error.name in {"gradio_client", "playwright", "axe_playwright_python", "httpx", "psutil"}:
            pytest.skip(f"needs {error.name}")
        raise
    with pytest.raises(SystemExit) as end:
        module.main()
    assert end.value.code == 0
    assert module.__doc__.split("\n")[0][:40] in capsys.readouterr().out


@pytest.mark.parametrize("document", ["README.md", "bench/README.md", "bench/RESULTS.md", CARD.relative_to(ROOT)])
def test_documents_name_benches_that_are_there(document):
    named = set(re.findall(r"bench/(\w+)\.py", (ROOT / document).read_text(encoding="utf-8")))
    assert named <= set(BENCHES)
    if document == "bench/README.md":
        assert named == set(BENCHES)


def test_lines_of_code_are_counted_without_blanks_comments_and_docstrings():
    lines = load_bench("lines")
    module = '"""About this."""\n\nx = """no\ndocstring"""  # a comment\n\n\n'
    function = 'def f():\n    """Do it.\n\n    Well.\n    """\n    # why\n    return (\n        1\n    )\n'
    assert lines.count_lines(module + function) == 2 + 4


def test_every_room_of_the_method_is_there():
    lines = load_bench("lines")
    assert set(lines.METHOD) <= set(lines.count_rooms(lines.PACKAGE))


def moving_clip() -> torch.Tensor:
    """A bright square on a dark ground that goes a pixel to the right in every frame."""
    frames = torch.full((37, 3, 32, 64), 0.2)
    for frame in range(37):
        frames[frame, :, 10:22, 4 + frame : 16 + frame] = 0.8
    return frames


def test_figures_of_frames_in_between(monkeypatch):
    """A way with a tenth of another one's error gains 20 dB; half the contrast is half the gradients."""
    monkeypatch.syspath_prepend(str(BENCH))
    bench = load_bench("inbetween")
    truth = moving_clip()
    tallies = {name: bench.Tally() for name in ("truth", "near", "far", "pale")}
    for offset in (0.1, 0.2):
        tallies["truth"].add(truth, truth)
        tallies["near"].add(truth + offset / 10, truth)
        tallies["far"].add(truth - offset, truth)
        tallies["pale"].add(truth / 2, truth)
    assert tallies["near"].gain(tallies["far"]) == pytest.approx((20, 0), abs=1e-3)
    _, error = tallies["far"].gain(tallies["pale"])
    assert error == pytest.approx(abs(tallies["far"].psnr[0] - tallies["far"].psnr[1]) / 2, abs=1e-3)
    assert tallies["far"].error.psnr == pytest.approx(-10 * math.log10((0.1**2 + 0.2**2) / 2), abs=1e-3)
    assert tallies["truth"].similar / tallies["truth"].similar_count == pytest.approx(1, abs=1e-4)
    assert tallies["pale"].similar < 0.9 * tallies["truth"].similar
    assert tallies["pale"].gradients == pytest.approx(tallies["truth"].gradients / 2)


@pytest.mark.weights
def test_frames_in_between_of_the_unseen_are_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.syspath_prepend(str(BENCH))
    sheet = tmp_path / "sheet.png"
    options = ["--unseen", "drawings", "--shots", "1", "--steps", "1", "--sheet", str(sheet)]
    monkeypatch.setattr(sys, "argv", ["bench/inbetween.py", *options])
    load_bench("inbetween").main()
    said = capsys.readouterr().out
    assert "1 unseen (drawings) shots" in said and "RIFE" not in said
    assert re.search(r"cross-fade +\d+\.\d\d dB +0\.\d+ +[01]\.\d\d +\+0\.00", said)
    with Image.open(sheet) as picture:
        assert picture.size == (9 * 120, 3 * 72)  # the truth, ours and the cross-fade


@pytest.mark.weights
def test_a_learning_curve_compares_exports_with_the_first(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCH))
    bench = load_bench("learning")
    toy = next(bench.sources(SimpleNamespace(film="")))
    assert [kind for kind, _ in bench.sources(SimpleNamespace(film="x"))] == ["toy", "film", "drawings", "photo-like"]
    monkeypatch.setattr(bench, "sources", lambda options: [toy])
    models = f"smartdirector-tiny=0,{bundled_folder() / 'director-gen'}=7"
    options = ["--models", models, "--shots", "1", "--steps", "1", "--out", str(tmp_path / "curve"), "--said", "A run."]
    options += ["--clips", "4.2", "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", ["bench/learning.py", *options])
    bench.main()
    (rows,) = json.loads((tmp_path / "curve.json").read_text(encoding="utf-8"))["tables"].values()
    fade, first, later, mean = rows
    assert [row["steps"] for row in rows] == ["cross-fade", 0, 7, "half-way"] and first["gain"] == later["gain"] == 0
    assert later["psnr"] == first["psnr"] and fade["gain"] == pytest.approx(fade["psnr"] - first["psnr"], abs=1e-6)
    assert mean["psnr"] == pytest.approx(first["psnr"], abs=1e-3)  # the mean of the same weights
    text = (tmp_path / "curve.md").read_text(encoding="utf-8")
    assert f"| 7 | 29 | {first['psnr']:.2f} |" in text and "A run." in text


def test_half_way_is_the_mean_of_the_weights(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    first, last = (
        SimpleNamespace(gen=SimpleNamespace(transformer=nn.Linear(3, 2), text_encoder=nn.Embedding(4, 2)))
        for _ in range(2)
    )
    wanted = (first.gen.transformer.weight + last.gen.transformer.weight) / 2
    told = (first.gen.text_encoder.weight + last.gen.text_encoder.weight) / 2
    found = load_bench("learning").half_way(first, last).gen
    torch.testing.assert_close(found.transformer.weight, wanted)
    torch.testing.assert_close(found.text_encoder.weight, told)


@pytest.mark.parametrize("models", ["tiny", "tiny=3", "tiny=0,x=", "tiny=0,x=5,y=5", "tiny=0,tiny=4"])
def test_models_of_a_learning_curve_have_ever_more_steps(models, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setattr(sys, "argv", ["bench/learning.py", "--models", models])
    with pytest.raises(SystemExit, match="--models: give FOLDER=0"):
        load_bench("learning").main()


@pytest.mark.parametrize("options", [["--unseen", "photos"], ["--unseen", "all", "--film", "runs/film"]])
def test_wrong_kinds_of_the_unseen_are_refused(options, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setattr(sys, "argv", ["bench/inbetween.py", *options])
    with pytest.raises(SystemExit, match="--unseen"):
        load_bench("inbetween").main()


# -- the figures -------------------------------------------------------------------------------------------------------


def test_headline_figures_are_those_of_the_sections():
    headline = section(RESULTS, "Headline figures")
    rest = set(re.findall(r"[\d.]*\d", RESULTS.replace(headline, "")))
    for what, figure, *_ in rows(headline)[1:]:
        assert set(re.findall(r"[\d.]*\d", figure)) <= rest, what


@pytest.mark.parametrize(("path", "title"), [(ROOT / "README.md", "How good it is"), (CARD, "Measured")])
def test_quoted_figures_are_those_of_the_results(path, title):
    known = {row[0]: row[1] for row in rows(RESULTS)}
    quoted = rows(section(path.read_text(encoding="utf-8"), title))[1:]
    assert len(quoted) > 3
    assert [row for row in quoted if known.get(row[0]) != row[1]] == []


def test_table_of_the_learning_curve_is_the_file():
    tables = json.loads((BENCH / "results" / "learning.json").read_text(encoding="utf-8"))["tables"]
    part = section(RESULTS, "Frames between keyframes").partition("### What more training brings")[2]
    (_, _, *kinds), *table = rows(part)
    assert sorted({"toy world": "toy"}.get(kind, kind) for kind in kinds) == sorted(tables)
    for steps, clips, *cells in table:
        for kind, cell in zip(kinds, cells, strict=True):
            found = {str(row["steps"]): row for row in tables[{"toy world": "toy"}.get(kind, kind)]}[steps]
            gain = f", {found['gain']:+.2f} ± {found['standard_error']:.2f}" if steps != "0" else ""
            assert cell == f"{found['psnr']:.2f} dB{gain}"
            assert clips == ("-" if found["clips"] is None else f"{found['clips']:,}")
    assert [str(row["steps"]) for row in tables["toy"]] == ["cross-fade", *(row[0] for row in table)]
    early, last = ({kind: own[place]["gain"] for kind, own in tables.items()} for place in (2, -2))
    more = {kind: last[kind] - early[kind] for kind in tables}
    doublings = math.log2(tables["film"][-2]["clips"] / tables["film"][2]["clips"])
    assert all(0.2 <= round(more[kind], 1) <= 0.3 for kind in ("film", "photo-like")) and more["drawings"] < 0
    assert all(early[kind] > last[kind] / 2 for kind in ("drawings", "photo-like"))
    assert more["photo-like"] / doublings < 0.1
    assert tables["toy"][-1]["gain"] > -tables["toy"][-1]["standard_error"]  # may be chance


def test_what_captions_bring_is_the_file():
    found = json.loads((BENCH / "results" / "captions.json").read_text(encoding="utf-8"))["tasks"]
    text = " ".join(section(RESULTS, "Curation").split())
    dense, alone = found["a keyframe every 12 frames"], found["the first keyframe alone"]
    assert f"{dense['curated']:.2f} dB in place of {dense['one sentence']:.2f} dB with a keyframe every 12" in text
    assert f"{alone['curated']:.2f} in place of {alone['one sentence']:.2f} dB after the first" in text
    errors = f"errors of {dense['standard error']:.2f} and {alone['standard error']:.2f}"
    assert f"of a shot is {dense['gain']:.2f} and {alone['gain']:.2f} dB" in text and errors in text


def test_table_of_tau_schemes_is_the_file():
    measured = json.loads((BENCH / "results" / "ablation.json").read_text(encoding="utf-8"))["velocity"]
    header, *table = rows(section(RESULTS, "Tau schemes"))
    ours, *others = [name.strip("`") for name in header[2:]]
    assert len(table) == 2 * len(measured)
    for group, latents, error, *more in table:
        figures = measured[group]["t = 0.9" + (", beside keyframes" if latents == "just before a keyframe" else "")]
        assert error == f"{figures[ours]['value']:.4f}"
        assert more == ["{value:+.1f} % [{low:+.1f}, {high:+.1f}]".format(**figures[scheme]) for scheme in others]


def test_what_is_said_of_the_ways_is_the_file():
    measured = json.loads((BENCH / "results" / "ablation.json").read_text(encoding="utf-8"))["results"]
    single, multi = measured["single"], measured["multi"]
    naive, faultless, chunks = "naive", "faultless naive", "faultless Multi-Chunk"
    said = [
        (single[naive], "Frechet distance", "{:.1f} where `frame_time` has"),
        (single["frame_time"], "Frechet distance", "`frame_time` has {:.1f} in single-shot"),
        (multi[naive], "Frechet distance", "and {:.1f} where it has"),
        (multi["frame_time"], "Frechet distance", "where it has {:.1f} in multi-shot"),
        (single[faultless], "Frechet distance", "distance of {:.2f} in single-shot"),
        (multi[faultless], "Frechet distance", "and {:.2f} in multi-shot videos, still"),
        (single[faultless], "keyframe L1, middle", "still misses the keyframes in the middle by {:.1f} levels"),
        (multi[faultless], "cuts", "and has {:.2f} of the cuts"),
        (single[chunks], "Frechet distance", "has {:.3f} and"),
        (multi[chunks], "Frechet distance", "and {:.3f}, misses"),
        (single[chunks], "keyframe L1, middle", "misses those keyframes by {:.1f} levels"),
    ]
    text = " ".join(section(RESULTS, "Tau schemes").split())
    assert [said for of, figure, said in said if said.format(of[figure]["value"]) not in text] == []
    assert multi[chunks]["cuts"]["value"] == 1
    quick = json.loads((BENCH / "results" / "evaluate-quick.json").read_text(encoding="utf-8"))["results"]
    ours = [quick[kind]["smartdirector-tiny"]["Frechet distance"]["value"] for kind in ("single", "multi")]
    assert "smartdirector-tiny stands at {:.1f} and {:.1f}".format(*ours) in text


def test_figures_of_the_gpu_are_the_file():
    measured = rows((BENCH / "results" / "nvidia-h200.md").read_text(encoding="utf-8"))
    ratios = next(row for row in measured if row[0] == "ours / diffusers")
    quoted = {row[0]: row[1] for row in rows(section(RESULTS, "Speed"))}
    assert [quoted["time of a step"], quoted["memory of a step beside the weights"]] == ratios[1:]


def test_tables_of_extensions_are_the_file():
    measured = json.loads((BENCH / "results" / "extension.json").read_text(encoding="utf-8"))["results"]
    figures = ("identity", "creature sharpness", "colour shift", "PSNR")

    def both(rows_of: dict, key: str) -> str:
        return " / ".join(f"{rows_of[way][key]['value']:.2f}" for way in ("in one go", "in rounds"))

    _, *table = rows(section(RESULTS, "Extensions"))
    drift, joins = [row for row in table if len(row) == 6], [row for row in table if len(row) == 3][1:]
    assert {row[0] for row in drift} == set(measured) == {row[0] for row in joins}
    for direction, distance, *cells in drift:
        assert cells == [both(measured[direction][figure], distance) for figure in figures]
    for direction, join, cell in joins:
        assert cell == both(measured[direction]["join"], join)


def test_table_of_pacings_is_the_file():
    found = json.loads((BENCH / "results" / "pacing.json").read_text(encoding="utf-8"))
    measured, text = found["results"], section(RESULTS, "Pacing")
    header, *table = rows(text)
    assert [row[0] for row in table] == list(measured["timing"])
    for name, *cells in table:
        own = [measured[figure][name] for figure in ("timing", "track error")]
        assert cells == [" / ".join(f"{one[timing]['value']:.2f}" for one in own) for timing in header[1:]]
    for worse in found["worse by"].values():
        assert worse["timing"]["low"] > 0  # the figure can fail: it finds whoever ignores the retiming
        quoted = "{value:.2f} frames worse ({low:.2f} to {high:.2f})".format(**worse["timing"])
        assert quoted in " ".join(text.split())


BESIDE = section(RESULTS, "The benchmark, beside what one could take instead")
FIGURES = {
    "PSNR of moving pixels, dB": ["PSNR, moving"],
    "Frechet distance in the small network's features": ["Frechet distance"],
    "jump at keyframes": ["border jump"],
    "flashes a video": ["flashes"],
    "track error, pixels": ["track error"],
    "timing, frames": ["timing"],
    "motion over the truth's": ["steps"],
    "error of keyframes, levels of 255": [f"keyframe L1, {place}" for place in ("first", "middle", "last")],
}
COLUMNS = {
    "keyframe held": "hold",
    "with anchors": "smartdirector-tiny",
    "without anchors": "smartdirector-tiny, no anchors",
    "the same, colours matched": "Real-ESRGAN, matched",
}
SETS = {"film, single shots": ("-film", ["single"]), "toy world, single / multi": ("", ["single", "multi"])}


def evaluated(name: str) -> dict:
    return json.loads((BENCH / "results" / f"evaluate-{name}.json").read_text(encoding="utf-8"))


def test_tables_beside_others_are_the_files():
    header, compared = [], 0
    for first, *cells in rows(BESIDE):
        if first == "what":
            header = [COLUMNS.get(cell.strip("`"), cell.strip("`")) for cell in cells]
            continue
        where, _, what = first.partition(": ")
        suffix, kinds = SETS[where]
        file = f"enlarge{suffix}" if "bicubic" in header else suffix.strip("-") or "quick"
        results = evaluated(file)["results"]
        figures = [FIGURES.get(one, [one]) for one in ([what] if what in FIGURES else what.split(" / "))]
        for name, cell in zip(header, cells, strict=True):
            measured = [[results[kind][name][key]["value"] for key in keys] for kind in kinds for keys in figures]
            for quoted, values in zip(cell.split(" / "), measured, strict=True):
                decimals = len(quoted.partition(".")[2])
                assert quoted == f"{sum(values) / len(values):.{decimals}f}", (first, name)
                compared += 1
    assert compared > 100


def test_sure_differences_from_rife_are_the_files():
    """The figures in prose; those that it calls sure are, and the others are not."""
    text = " ".join(BESIDE.split())
    kinds = {
        kind: found["RIFE"] for kind, found in evaluated("quick")["comparison"]["smartdirector-tiny"].items()
    } | {"film": evaluated("film")["comparison"]["smartdirector-tiny"]["single"]["RIFE"]}
    for kind, figure, sentence in (
        ("film", "SSIM", "SSIM is {0:.3f} worse ({1:.3f} to {2:.3f})"),
        ("film", "flicker", "flicker {0:.2f} ({1:.2f} to {2:.2f})"),
        ("film", "border jump", "the jump at keyframes {0:.2f} ({1:.2f} to {2:.2f})"),
        ("multi", "identity", "{0:.2f} worse than RIFE's in multi-shot videos ({1:.2f} to {2:.2f})"),
        ("single", "PSNR, moving", "PSNR is {0:.2f} dB better than RIFE's in single-shot videos ({1:.2f} to {2:.2f})"),
        ("multi", "PSNR, moving", "and {0:.2f} dB in multi-shot ones ({1:.2f} to {2:.2f})"),
    ):
        one = kinds[kind][figure]
        assert (one["low"] > 0) == ("better" in sentence or "and " in sentence) and one["low"] * one["high"] > 0
        low, high = sorted((abs(one["low"]), abs(one["high"])))
        assert sentence.format(abs(one["value"]), low, high) in text
    assert f"PSNR ({-kinds['film']['PSNR, moving']['value']:.2f} dB worse)" in text
    unsure = [("film", figure) for figure in ("PSNR, moving", "warping error", "Frechet distance")]
    for kind, figure in [*unsure, ("single", "identity"), ("multi", "SSIM")]:
        assert kinds[kind][figure]["low"] < 0 < kinds[kind][figure]["high"]
    for kind in ("single", "multi"):
        won = [kinds[kind][figure]["low"] > 0 for figure in ("Frechet distance", "track error", "timing", "steps")]
        assert all(won)
    means = evaluated("quick")["results"]
    for by_filmer in means.values():
        assert by_filmer["RIFE"]["PSNR, moving"]["high"] > by_filmer["smartdirector-tiny"]["PSNR, moving"]["low"]
