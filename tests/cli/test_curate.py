"""`smartdirector curate` from the shell: one line for what is wrong, and a dataset with a summary where nothing is."""

import json

import pytest

from smartdirector_lite.cli import main
from smartdirector_lite.media import write_video
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld.films import sample_film


def test_a_film_becomes_a_dataset(tmp_path, capsys):
    film, out = sample_film(3, num_shots=2, soft=0.0), tmp_path / "dataset"
    write_video(tmp_path / "film.mp4", film.frames(Size(96, 64)), film.fps)
    options = ["--size", "48x32", "--detector", "fast", "--licence", "CC BY"]
    assert main(["curate", str(tmp_path / "film.mp4"), "-o", str(out), *options]) == 0
    lines = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
    said = capsys.readouterr().out
    assert lines and all(line["licence"] == "CC BY" for line in lines)
    assert "film.mp4: 2 shots, " in said and f" {len(lines)} clips" in said and "index.html" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "missing.mp4: no such file"),
        (["{film}", "--size", "big"], "size 'big': write WIDTHxHEIGHT"),
        (["{film}", "--size", "33x32"], "give even sides"),
        (["{film}", "--jobs", "0"], "jobs must be 1 or more"),
        (["{film}"], "no video"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_text("this is not a film")
    arguments = [argument.replace("{film}", "text.mp4") for argument in arguments]
    assert main(["curate", *arguments, "-o", "dataset"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("smartdirector: ") and said.count("\n") == 1
    if message != "no video":
        assert message in said
    assert not list(tmp_path.rglob("metadata.jsonl"))
