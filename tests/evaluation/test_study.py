"""The user study: what is shown and to whom, votes of many at once, a killed writer, and the report."""

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from smartdirector_lite.cli import main
from smartdirector_lite.evaluation.study import (
    ASPECTS,
    CHOICES,
    Showing,
    Study,
    StudyError,
    Vote,
    Votes,
    find_sources,
    open_study,
    prepare_study,
)
from smartdirector_lite.evaluation.study_report import count_study, share_of_video_1, write_study_report
from smartdirector_lite.media import probe_video, read_image, read_video, write_image, write_video

CLIPS = ("hill", "sea", "town")


def paint(seed: int, size: tuple[int, int] = (48, 32)) -> np.ndarray:
    return (
        np.random.default_rng(seed)
        .integers(0, 256, (6, size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
        .repeat(8, axis=1)
        .repeat(8, axis=2)
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """Two systems, three clips each, and pictures of keyframes."""
    root = tmp_path_factory.mktemp("systems")
    for number, name in enumerate(("ours", "theirs", "keys")):
        (root / name).mkdir()
        for index, clip in enumerate(CLIPS):
            frames = paint(10 * number + index)
            if name == "keys":
                write_image(root / name / f"{clip}.png", frames[0])
            else:
                write_video(root / name / f"{clip}.mp4", frames, 12)
    return root


@pytest.fixture(scope="module")
def made(folders, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("made") / "study"
    prepare_study([folders / "ours", folders / "theirs"], out, folders / "keys")
    return out


def sketch(systems: int, clips: int) -> Study:
    """A study whose videos nobody needs."""
    names = tuple(f"s{i}" for i in range(systems))
    return Study(names, tuple(f"c{i}" for i in range(clips)), "", "a seed", {}, {})


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_what_is_shown_is_what_was_given_under_names_that_tell_nothing(folders, made):
    study = open_study(made)
    assert study.systems == ("ours", "theirs") and study.clips == CLIPS and study.aspects == list(ASPECTS)
    for key, name in study.shown.items():
        system, _, clip = key.partition("/")
        path = made / "material" / name
        assert path.stat().st_mtime == 0 and len(path.stem) == 16
        if system:
            given, shown = read_video(folders / system / f"{clip}.mp4"), read_video(path)
            assert probe_video(path).fps == 12 and given.shape == shown.shape
            assert np.abs(given.astype(int) - shown).mean() < 8
        else:
            assert np.array_equal(np.array(read_image(folders / "keys" / f"{clip}.png")), np.array(read_image(path)))
    text = b"".join(path.read_bytes() for path in (made / "material").glob("*.[mp]*4"))
    assert not any(word in text for word in (b"ours", b"theirs", *map(str.encode, CLIPS)))


def test_metadata_of_a_given_video_is_not_handed_on(folders, tmp_path):
    import av

    for system in ("ours", "theirs"):
        (tmp_path / system).mkdir()
        with (
            av.open(str(folders / system / "sea.mp4")) as given,
            av.open(str(tmp_path / system / "sea.mp4"), "w") as out,
        ):
            out.metadata["comment"] = f"made by {system}"
            stream = out.add_stream_from_template(given.streams.video[0])
            for packet in given.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
        assert f"made by {system}".encode() in (tmp_path / system / "sea.mp4").read_bytes()
    study = prepare_study([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "study")
    for name in study.shown.values():
        assert b"made by" not in (tmp_path / "study/material" / name).read_bytes()


def test_the_same_files_open_the_same_study_and_others_do_not(folders, made, tmp_path):
    both = [folders / "ours", folders / "theirs"]
    assert prepare_study(both, made, folders / "keys") == open_study(made)
    with pytest.raises(StudyError, match="holds another study"):
        prepare_study(both, made)
    (tmp_path / "theirs").mkdir()
    for clip in CLIPS:
        write_video(tmp_path / "theirs" / f"{clip}.mp4", paint(99), 12)
    with pytest.raises(StudyError, match="theirs/hill differs"):
        prepare_study([both[0], tmp_path / "theirs"], made, folders / "keys")


def test_a_killed_preparation_is_made_anew(folders, tmp_path):
    (tmp_path / "study/material.part").mkdir(parents=True)
    (tmp_path / "study/material.part/rest.mp4").write_text("half")
    study = prepare_study([folders / "ours", folders / "theirs"], tmp_path / "study")
    assert {path.name for path in (tmp_path / "study/material").iterdir()} == {"study.json", *study.shown.values()}
    assert len(study.aspects) == 3  # nobody sees keyframes


def test_folders_that_do_not_fit_are_refused(folders, tmp_path):
    small, other = tmp_path / "small", tmp_path / "a" / "ours"
    for folder in (small, other):
        folder.mkdir(parents=True)
        for clip in CLIPS:
            write_video(folder / f"{clip}.mp4", paint(1, (32, 32)), 12)
    for given, reason in [
        ([folders / "ours"], "two folders"),
        ([folders / "ours", folders / "ours"], "each once"),
        ([folders / "ours", tmp_path / "no"], "no such folder"),
        ([folders / "keys", folders / "ours"], "keys has nothing called 'hill', and ours has"),
        ([folders / "ours", small], "48x32 in ours and 32x32 in small; give a size"),
    ]:
        with pytest.raises(StudyError, match=reason):
            prepare_study(given, tmp_path / "study")
    assert not (tmp_path / "study" / "material").exists()
    names, _, _ = find_sources([folders / "ours", other], None)
    assert names == ((folders / "ours").as_posix(), other.as_posix())
    study = prepare_study([folders / "ours", small], tmp_path / "study", size="32x32")
    assert {probe_video(tmp_path / "study/material" / name).size for name in study.shown.values()} == {(32, 32)}


def test_sides_are_balanced_after_any_number_of_pairs_and_over_any_two_raters():
    study = sketch(3, 11)
    assert len(study.pairs) == 33
    for rater in range(6):
        showings, swapped = study.showings(rater), Counter()
        assert sorted(one.pair for one in showings) == list(range(33))
        for showing in showings:
            swapped[study.pairs[showing.pair].systems] += 1 if showing.swapped else -1
            assert all(abs(count) <= 1 for count in swapped.values())
    one, two = ({showing.pair: showing.swapped for showing in study.showings(rater)} for rater in (4, 5))
    assert all(one[pair] != two[pair] for pair in one)
    orders = {tuple(showing.pair for showing in study.showings(rater)) for rater in range(0, 20, 2)}
    assert len(orders) == 10 and study.showings(3) == sketch(3, 11).showings(3)
    firsts = [study.showings(rater)[0].swapped for rater in range(0, 400, 2)]
    assert 70 < sum(firsts) < 130  # nobody knows which side comes first


def test_what_is_chosen_on_the_page_is_the_system_that_was_there():
    assert [Showing(0, False).choice(place) for place in range(3)] == ["first", "same", "second"]
    assert [Showing(0, True).choice(place) for place in range(3)] == ["second", "same", "first"]
    assert all(
        Showing(0, swapped).place(Showing(0, swapped).choice(i)) == i for swapped in (False, True) for i in range(3)
    )


# -- votes -------------------------------------------------------------------------------------------------------------


def test_votes_of_many_threads_are_all_there(tmp_path):
    Votes(tmp_path / "votes.sqlite")
    codes = [Votes(tmp_path / "votes.sqlite").add_rater() for _ in range(4)]

    def vote(code: str) -> None:
        votes = Votes(tmp_path / "votes.sqlite")
        for pair in range(50):
            votes.put(votes.rater(code), Showing(pair, False), {"a": CHOICES[pair % 3], "b": "same"})

    threads = [threading.Thread(target=vote, args=(code,)) for code in codes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    votes = Votes(tmp_path / "votes.sqlite")
    assert len(votes.all()) == 4 * 50 * 2
    assert votes.of(2) == {pair: {"a": CHOICES[pair % 3], "b": "same"} for pair in range(50)}


def test_a_changed_vote_replaces_the_old_one_and_a_wrong_one_changes_nothing(tmp_path):
    votes = Votes(tmp_path / "votes.sqlite")
    rater = votes.rater(votes.add_rater())
    votes.put(rater, Showing(3, True), {"a": "first", "b": "same"})
    votes.put(rater, Showing(3, True), {"a": "second"})
    assert votes.of(rater) == {3: {"a": "second", "b": "same"}}
    with pytest.raises(StudyError, match="CHECK"):
        votes.put(rater, Showing(3, True), {"a": "first", "b": "better"})
    assert votes.of(rater) == {3: {"a": "second", "b": "same"}}
    assert votes.rater("unknown") is None and votes.of(7) == {}


WRITER = """
import sys
from smartdirector_lite.evaluation.study import Showing, Votes
votes = Votes(sys.argv[1])
rater = votes.rater(votes.add_rater())
for pair in range(100_000):
    votes.put(rater, Showing(pair, False), {"a": "first", "b": "same"})
    print(pair, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_writer_loses_nothing_that_it_has_acknowledged(tmp_path):
    path = tmp_path / "votes.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    said = [int(writer.stdout.readline()) for _ in range(40)]
    writer.kill()
    said += [int(line) for line in writer.communicate()[0].splitlines() if line.strip()]
    kept = Votes(path).of(0)
    assert {*said} <= {*kept} and all(len(aspects) == 2 for aspects in kept.values())


# -- the report --------------------------------------------------------------------------------------------------------


def test_the_report_says_what_was_voted(made):
    study, votes = open_study(made), Votes(made / "votes.sqlite")
    for _ in range(4):
        rater = votes.rater(votes.add_rater())
        for showing in study.showings(rater):
            choices = dict.fromkeys(study.aspects, "same") | {"narrative pacing": "second", "overall quality": "first"}
            votes.put(rater, showing, choices)
    found = count_study(study, votes.all())["ours", "theirs"]
    assert [found[aspect].gsb.value for aspect in study.aspects] == [0, -1, 0, 1]
    assert (found["overall quality"].good, found["overall quality"].raters, found["overall quality"].clips) == (
        12,
        4,
        3,
    )
    assert share_of_video_1(votes.all()).value == 0.5
    sided = [Vote(0, 0, "a", "first", False), Vote(0, 1, "a", "second", True), Vote(0, 2, "a", "same", True)]
    assert share_of_video_1(sided).value == 1 and share_of_video_1(sided[2:]) is None
    page = write_study_report(made, study, votes.all()).read_text(encoding="utf-8")
    assert "4 raters, 48 votes" in page and "<th>overall quality</th><td>12</td><td>0</td><td>0</td><td>+1.00 [" in page
    told = json.loads((made / "report.json").read_text(encoding="utf-8"))
    assert told["preferences"][1]["gsb"][0] == -1 and told["preferences"][1]["systems"] == ["ours", "theirs"]


def test_the_command_reports_without_a_vote_and_refuses_in_one_line(folders, tmp_path, capsys):
    both, out = [str(folders / "ours"), str(folders / "theirs")], tmp_path / "study"
    assert main(["study", *both, "-o", str(out), "--report"]) == 0
    assert "report.html" in capsys.readouterr().out and "0 raters" in (out / "report.html").read_text(encoding="utf-8")
    assert main(["study", "-o", str(out), "--report"]) == 0
    capsys.readouterr()
    for arguments, reason in [
        (["-o", str(tmp_path / "none")], "holds no whole study"),
        ([both[0]], "two folders"),
        ([*both, "--port", "70000"], "port 70000"),
        ([*both, "--size", "big"], "size 'big'"),
    ]:
        assert main(["study", *arguments]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and reason in said


def test_the_guide_asks_what_the_page_asks():
    guide = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert "".join(f"| {aspect} | {question} |\n" for aspect, question in ASPECTS.items()) in guide
