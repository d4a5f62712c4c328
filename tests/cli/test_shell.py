"""What the command owes to the shell: exit codes, one line whatever ends it, names in any encoding, no leftovers."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smartdirector_lite.cli import app, main
from smartdirector_lite.media import write_video

COMMAND = [sys.executable, "-m", "smartdirector_lite.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"}
SHORT = {"description": "x", "num_frames": 5, "size": [48, 32]}


def start(*arguments: object, before: str = "", **options: object) -> subprocess.Popen:
    """Start the command in a process; `before` is Python that runs there first."""
    code = f"import sys\n{before}\nfrom smartdirector_lite.cli import main\nsys.exit(main(sys.argv[1:]))"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT, **options}
    return subprocess.Popen([*([sys.executable, "-c", code] if before else COMMAND), *map(str, arguments)], **pipes)


def put(path: Path, **changes: object) -> Path:
    path.write_text(json.dumps({**SHORT, **changes}))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (48, 32), "red").save("k.sheet.png")
    write_video("out.mp4", np.zeros((5, 32, 48, 3), np.uint8), 12)
    os.symlink("out.mp4", "soft.mp4")
    put(tmp_path / "clip.json", clips=[{"video": "out.mp4", "frame": 0}])
    put(tmp_path / "k.json", keyframes=[{"image": "k.sheet.png", "frame": 0}])
    put(tmp_path / "out.report.json")
    (tmp_path / "several").mkdir()
    os.symlink("../k.sheet.png", "several/clip.sheet.png")
    (tmp_path / "z.sheet.png").mkdir()
    (tmp_path / "q.report.json").touch(mode=0o444)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "clip.json"], "out.mp4: {}/out.mp4, an input,"),
        (["generate", "clip.json", "-o", "soft.mp4"], "soft.mp4: {}/out.mp4, an input,"),
        (["generate", "clip.json", "-o", "OUT.mp4"], "OUT.mp4: {}/out.mp4, an input,"),
        (["generate", "k.json", "-o", "several/../k.mp4"], "several/../k.sheet.png: {}/k.sheet.png, an input,"),
        (["generate", "out.report.json"], "out.report.json: out.report.json, an input,"),
        (["generate", "clip.json", "k.json", "-o", "several"], "several/clip.sheet.png: {}/k.sheet.png, an input,"),
        (["upscale", "out.mp4", "-o", "out.mp4"], "out.mp4: out.mp4, an input,"),
        (["upscale", "soft.mp4", "-o", "./out.mp4"], "out.mp4: soft.mp4, an input,"),
        (["upscale", "out.mp4", "-o", "a.mp4", "--keyframe", "0=none.png"], "none.png: no such file"),
        (["upscale", "out.mp4", "-o", "no/a.mp4"], "no/a.mp4: the folder no does not exist; make it first"),
        (["upscale", ".", "-o", "a.mp4"], ".: is a folder; give a file"),
        (["generate", "k.json", "-o", "k.json/a.mp4"], "k.json: can't write there (Not a directory)"),
        (["generate", "k.json", "-o", "z.mp4"], "z.sheet.png: is a folder; give the name of a file"),
        (["generate", "k.json", "-o", "q.mp4"], "q.report.json: is write-protected or no plain file"),
        (["generate", "k.json", "-o", "x" * 300 + ".mp4"], ".mp4: can't be written (File name too long)"),
    ],
)
def test_outputs_are_looked_at_before_a_model_loads(folder, capsys, arguments, message):
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    assert main([*arguments, "--model", "nowhere"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message.format(folder) in err, err
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_names_that_the_console_cannot_show_are_no_error(folder, wan_folder, encoding):
    stories = [put(folder / name) for name in ("映画.json", "a😀.json", os.fsdecode(b"bad\xff.json"))]
    environment = {**ENVIRONMENT, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    for arguments, code in (
        (["plan", "映.json"], 2),
        (["--help"], 0),
        (["generate", *stories, "-o", "出", "--model", wan_folder, "--steps", "1"], 0),
    ):
        done = start(*arguments, env=environment)
        out, err = done.communicate()
        assert done.returncode == code and b"codec" not in err, err
    shown = r"\u51fa/\u6620\u753b.mp4: 5 frames" if encoding != "utf-8" else "出/映画.mp4: 5 frames"
    assert shown.encode() in out
    assert {path.name for path in (folder / "出").glob("*.mp4")} == {f"{path.stem}.mp4" for path in stories}


def test_a_reader_that_leaves_is_no_error(folder):
    for arguments in (["plan", "k.json"], ["--help"], ["generate", "none.json"]):
        code = f"{' '.join([*COMMAND, *arguments])} 2>&1 | true; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("141\n", "")
    assert subprocess.run([*COMMAND, "plan", "k.json"], env=ENVIRONMENT, preexec_fn=lambda: os.close(1)).returncode == 0


SLOW = """
import time
from smartdirector_lite.cli import app
from smartdirector_lite.media import atomic_path
def plan(seconds: float = 60.0) -> None:
    with atomic_path("o.mp4") as path:
        path.touch()
        print("ready", flush=True)
        time.sleep(seconds)
app.COMMANDS["plan"] = plan
"""


def test_signals_leave_no_temporary_file_and_a_killed_run_is_swept_by_the_next(folder):
    for number, said in ((signal.SIGINT, b"interrupted"), (signal.SIGTERM, b"told to stop"), (signal.SIGHUP, b"stop")):
        process = start("plan", before=SLOW)
        assert process.stdout.readline() == b"ready\n" and [*folder.glob(".*")]
        process.send_signal(number)
        _, err = process.communicate()
        assert process.returncode == 128 + number and said in err and err.count(b"\n") == 1, err
        assert not [*folder.glob(".*")]
    alive, killed = (start("plan", before=SLOW) for _ in range(2))
    assert alive.stdout.readline() == killed.stdout.readline() == b"ready\n"
    killed.kill()
    killed.communicate()
    assert len([*folder.glob(".*")]) == 2
    assert start("plan", "--seconds", "0", before=SLOW).wait() == 0
    assert len([*folder.glob(".*")]) == 1 and (folder / "o.mp4").exists()
    alive.terminate()
    alive.communicate()


def test_nohup_is_respected(folder):
    process = start("plan", "--seconds", "0.5", before=SLOW, preexec_fn=lambda: signal.signal(1, signal.SIG_IGN))
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGHUP)
    assert process.wait() == 0


def test_too_little_memory_is_one_line(capsys, monkeypatch):
    def ask_torch() -> None:
        torch.empty(2**60)

    def ask_numpy() -> None:
        np.empty(2**60, np.uint8)

    def ask_python() -> None:
        raise MemoryError

    for ask in (ask_torch, ask_numpy, ask_python):
        monkeypatch.setitem(app.COMMANDS, "plan", ask)
        assert main(["plan"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and ("memory" in err or "allocate" in err), err


def test_a_full_disk_is_one_line_that_names_the_file(folder, wan_folder):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    before = sorted(path.name for path in folder.iterdir())
    put(folder / "big.json", size=[256, 256])
    process = start("generate", "big.json", "-o", "b.mp4", "--model", wan_folder, "--steps", 1, preexec_fn=limit)
    _, err = process.communicate()
    assert process.returncode == 2 and b"Traceback" not in err
    assert (
        err.splitlines()[-1]
        == b"smartdirector: b.mp4: can't be written (File too large); make room, or choose another place"
    )
    assert sorted(path.name for path in folder.iterdir()) == sorted([*before, "big.json"])


def test_values_that_are_not_finite_are_one_line(capsys, monkeypatch):
    def work() -> None:
        raise FloatingPointError("the model's values are not finite")

    monkeypatch.setitem(app.COMMANDS, "plan", work)
    assert main(["plan"]) == 2
    assert capsys.readouterr().err == "smartdirector: the model's values are not finite\n"
