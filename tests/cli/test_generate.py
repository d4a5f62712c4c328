"""`smartdirector generate` with several storyboards: alone, and in a launcher's processes (on the CPU, over gloo)."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from launching import launch
from PIL import Image

from smartdirector_lite.cli import main
from smartdirector_lite.cli.generate import video_paths
from smartdirector_lite.media import read_video


def write_story(path: Path, num_frames: int = 13, **changes: object) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((48, 32)).save(path.parent / "ball.png")
    story = {"description": f"a ball in {path.stem}", "num_frames": num_frames, "size": [48, 32]}
    story["keyframes"] = [{"image": "ball.png", "frame": 5}]
    path.write_text(json.dumps({**story, **changes}))
    return path


@pytest.fixture(scope="module")
def model(wan_folder, tmp_path_factory) -> str:
    folder = shutil.copytree(wan_folder, tmp_path_factory.mktemp("several") / "model")
    (folder / "smartdirector.json").write_text('{"steps": 2, "guidance_scale": 2.0, "size": [48, 32], "fps": 12}')
    return str(folder)


def messages(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("smartdirector: ")]


def flat(value: object) -> Iterator[float]:
    """The numbers in a JSON value, in order."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from flat(inner)
    elif isinstance(value, int | float):
        yield float(value)


def test_two_processes_make_the_files_of_one_and_outlive_a_failure(model, tmp_path, capsys):
    # 50 x 32 fits no token. Only the model can say so, when the storyboard's turn comes.
    stories = [write_story(tmp_path / f"{name}.json", size=[48 + 2 * (name == "a"), 32]) for name in "abc"]
    options = ["--model", model, "--seed", 3]
    assert main([*map(str, ["generate", *stories, "--out", tmp_path / "one", *options])]) == 2
    alone = capsys.readouterr()
    complaint = f"smartdirector: {stories[0]}: size 50x32: the sides must be multiples of 16x16"
    assert [line[: len(complaint)] for line in messages(alone.err)] == [complaint]

    done = launch("generate", *stories, "--out", tmp_path / "two", *options)
    assert [one.returncode for one in done] == [2, 0], done
    assert [line[: len(complaint)] for line in messages(done[0].stderr + done[1].stderr)] == [complaint]
    for one, name in zip(done, "bc", strict=True):  # the shares are a and b, and c
        assert one.stdout.startswith(f"{tmp_path / 'two' / name}.mp4: 13 frames at 12 fps in ")
        assert one.stdout.count(".mp4: ") == 1
    assert "Director-Gen" not in done[0].stderr + done[1].stderr and "Director-Gen" in alone.err

    made = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert made == [f"{name}.{end}" for name in "bc" for end in ("mp4", "report.json", "sheet.png")]
    assert made == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in "bc":  # the last bits may differ: a product's depend on where its matrices lie in memory
        videos, reports = [], []
        for folder in ("one", "two"):
            videos.append(read_video(tmp_path / folder / f"{name}.mp4").astype(int))
            reports.append([*flat(json.loads((tmp_path / folder / f"{name}.report.json").read_text()))])
        assert abs(videos[0] - videos[1]).mean() < 0.5
        assert reports[0] == pytest.approx(reports[1], rel=1e-2)
    one, other = (read_video(tmp_path / "one" / f"{name}.mp4").astype(int) for name in "bc")
    assert abs(one - other).mean() > 1


def test_bad_input_is_found_before_any_model_loads(tmp_path, capsys):
    good, bad = write_story(tmp_path / "a.json"), tmp_path / "b.json"
    bad.write_text("{")
    command = ["generate", good, bad, "--out", tmp_path / "out", "--model", "nowhere"]
    for error in (launch(*command)[1].stderr, (main([*map(str, command)]), capsys.readouterr().err)[1]):
        (line,) = messages(error)
        assert line.startswith(f"smartdirector: {bad}: not JSON: ")
    assert not (tmp_path / "out").exists()


def test_videos_are_named_apart(tmp_path, capsys):
    one, two, three = (write_story(tmp_path / name / "story.json") for name in ("a", "b", "deep/a"))
    out = tmp_path / "out"
    assert video_paths([one], out / "any.mp4") == [out / "any.mp4"]
    assert video_paths([one, two], out) == [out / "a.mp4", out / "b.mp4"]
    upper = write_story(tmp_path / "A.json")
    for clash in ([one, three], [one, two, upper], [two, two]):
        with pytest.raises(ValueError, match=r"story.json and .* would both be written to .*\.mp4; rename one of"):
            video_paths(clash, out)
    for file in (tmp_path / "x.mp4", one):
        with pytest.raises(ValueError, match="need a folder"):
            video_paths([one, two], file)
    with pytest.raises(ValueError, match="no storyboards"):
        video_paths([], out)
    assert main(["generate", str(one), str(three), "--out", str(out), "--model", "nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not out.exists()


def test_weights_that_were_saved_as_a_variant_are_named_or_found(gen, tmp_path, capsys):
    story, folder = write_story(tmp_path / "a.json"), tmp_path / "model"
    gen.save_pretrained(folder, variant="fp16")
    command = ["generate", str(story), "--model", str(folder), "--steps", "1"]
    for name, variant in (("named", ["--variant", "fp16"]), ("found", [])):
        assert main([*command, "--out", str(tmp_path / f"{name}.mp4"), *variant]) == 0
    assert np.array_equal(read_video(tmp_path / "named.mp4"), read_video(tmp_path / "found.mp4"))
    capsys.readouterr()
    assert main([*command, "--out", str(tmp_path / "b.mp4"), "--variant", "bf16"]) == 2
    assert "no weights of the variant 'bf16'; leave variant out" in capsys.readouterr().err
