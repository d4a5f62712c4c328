"""The `smartdirector` command: what it writes, and one line with exit code 2 for whatever is wrong."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smartdirector_lite import __version__
from smartdirector_lite.cli import app, bundled_storyboards, demo
from smartdirector_lite.media import files, read_video
from smartdirector_lite.storyboard import Storyboard
from smartdirector_lite.timeline import ChunkPlan, Condition

ROOT = Path(__file__).resolve().parents[2]
STORY = {
    "description": "a red ball",
    "num_frames": 30,
    "size": [48, 32],
    "keyframes": [
        {"image": "ball.png", "frame": 0},
        {"image": "ball.png", "frame": 13},
        {"image": "ball.png", "frame": 23},
    ],
}


def write_story(folder: Path, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((48, 32)).save(folder / "ball.png")
    (folder / "story.json").write_text(json.dumps({**STORY, **changes}))
    return folder / "story.json"


@pytest.fixture
def story(tmp_path) -> Path:
    return write_story(tmp_path)


@pytest.fixture(scope="module")
def model(wan_folder, tmp_path_factory) -> str:
    """The tiny random model, in two steps."""
    folder = shutil.copytree(wan_folder, tmp_path_factory.mktemp("cli") / "model")
    (folder / "smartdirector.json").write_text('{"steps": 2, "guidance_scale": 2.0, "size": [48, 32], "fps": 12}')
    return str(folder)


def run(*arguments: object) -> int:
    return app.main([str(argument) for argument in arguments])


def command(*arguments: object, code: str = "") -> subprocess.CompletedProcess:
    """The command in a process of its own; `code` instead runs Python."""
    start = ["-c", code] if code else ["-m", "smartdirector_lite.cli"]
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )


def refused(capsys, message: str, *arguments: object) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.endswith("\n"), err
    assert err.startswith("smartdirector: ") and message in err, err


# ---------------------------------------------------------------- generate


def test_generate_writes_what_it_says(story, model, capsys):
    out = story.parent / "story.mp4"
    assert run("generate", story, "--out", out, "--model", model) == 0
    printed = capsys.readouterr().out.splitlines()
    assert (
        printed[0].startswith(f"{out}: 30 frames at 12 fps in ") and "story.sheet.png, story.report.json" in printed[0]
    )
    assert printed[1].startswith("3 frames given: mean difference ") and printed[3].startswith("border at frame 13: ")
    assert read_video(out).shape == (30, 32, 48, 3)
    assert json.loads(story.read_text()) == STORY  # out's report does not take the storyboard's name
    report = json.loads((story.parent / "story.report.json").read_text())
    assert [keyframe["frame"] for keyframe in report["keyframes"]] == [0, 13, 23]
    assert Image.open(story.parent / "story.sheet.png").width > 7 * 48


def test_the_same_seed_gives_the_same_file(story, model):
    paths = [story.parent / f"{name}.mp4" for name in "abc"]
    for path, seed in zip(paths, (7, 7, 8), strict=True):
        assert run("generate", story, "-o", path, "--model", model, "--seed", seed) == 0
    assert np.array_equal(read_video(paths[0]), read_video(paths[1]))
    assert not np.array_equal(read_video(paths[0]), read_video(paths[2]))


def test_options_reach_the_director(story, model, monkeypatch):
    from smartdirector_lite.director import Director

    seen, original = [], Director.__call__

    def look(self, storyboard, **options):
        seen.append(options)
        return original(self, storyboard, **options)

    monkeypatch.setattr(Director, "__call__", look)
    out = ("--model", model, "--out", story.parent / "a.mp4")
    given = ["--steps", "1", "--guidance-scale", "1.5", "--rope", "restart", "--seed", "4", "--stage", "gen"]
    assert run("generate", story, *out) == run("generate", story, *out, *given) == 0
    own = {"seed": 0, "steps": None, "guidance_scale": None, "rope": None, "stage": "all"}
    asked = {"seed": 4, "steps": 1, "guidance_scale": 1.5, "rope": "restart", "stage": "gen"}
    assert seen == [{"progress": True, **chosen} for chosen in (own, asked)]


def test_the_second_stage_doubles_the_size_unless_the_draft_is_asked_for(story, two_stage_folder, capsys):
    for stage, shape in (("all", (30, 64, 96, 3)), ("gen", (30, 32, 48, 3))):
        out = story.parent / f"{stage}.mp4"
        given = [] if stage == "all" else ["--stage", stage]
        assert run("generate", story, "--out", out, "--model", two_stage_folder, *given) == 0
        assert read_video(out).shape == shape
        printed = capsys.readouterr()
        assert ("Director-SR" in printed.err) == (stage == "all")
        assert printed.out.splitlines()[2].startswith("the frames beside them: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.json"], "missing.json: no such file"),
        (["broken.json"], "broken.json: not JSON: "),
        (["empty.json"], "empty.json: the storyboard "),
        (["outside.json"], "leaves the storyboard's folder"),
        (["odd.json"], "size 50x30: the sides must be multiples of 16x16"),
        (["story.json", "--out", "a.avi"], "a.avi: videos are written as .mp4; end the name so"),
        (["story.json", "--out", "nowhere/a.mp4"], "nowhere/a.mp4: the folder nowhere does not exist; make it first"),
        (["story.json", "--out", "folder.mp4"], "folder.mp4: is a folder; give the name of a file"),
        (["story.json", "--rope", "sinus"], "invalid choice 'sinus' for argument '--rope'. Expected one of ("),
        (["story.json", "--steps", "0"], "num_inference_steps must be from 1 to 1000, got 0"),
        (["story.json", "--steps", "few"], "--steps"),
        (["story.json", "--stage", "sr"], "--stage"),
        (["story.json", "--guidance-scale", "nan"], "guidance_scale must be a number from 0 to 100, got nan"),
        (["story.json", "--seed", "-1"], "seed must be from 0 to 9223372036854775807, got -1"),
        (["story.json", "--seed", str(2**70)], "seed must be from 0 to 9223372036854775807"),
        (["story.json", "--model", "nowhere"], "model 'nowhere': there is no such folder"),
        (["story.json", "--model", "Wan-AI/Wan2.2-TI2V-5B-Diffusers"], "Nothing is downloaded unasked"),
        (["story.json", "--stepps", "3"], "Unrecognized options: --stepps, 3; did you mean --steps?"),
        ([], "no storyboards; give one JSON file or more"),
    ],
)
def test_generate_refuses(story, model, capsys, monkeypatch, arguments, message):
    folder = story.parent
    monkeypatch.chdir(folder)
    (folder / "broken.json").write_text("{")
    (folder / "empty.json").write_text("{}")
    (folder / "odd.json").write_text(json.dumps({**STORY, "size": [50, 30]}))
    (folder / "outside.json").write_text(json.dumps({**STORY, "keyframes": [{"image": "../a.png", "frame": 0}]}))
    (folder / "folder.mp4").mkdir()
    before = sorted(folder.iterdir())
    given = arguments if "--model" in arguments else [*arguments, "--model", model]
    refused(capsys, message, "generate", *given)
    assert sorted(folder.iterdir()) == before  # nothing was written


def test_a_folder_that_takes_no_files_is_found_before_the_work(story, capsys, monkeypatch):
    def deny(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", deny)
    message = f"{story.parent}: can't write there (Permission denied); choose another folder"
    refused(capsys, message, "generate", story, "--out", story.parent / "a.mp4", "--model", "nowhere")


# ---------------------------------------------------------------- demo


def test_demo_renders_every_bundled_storyboard(model, tmp_path, monkeypatch, capsys):
    for name in ("first", "second"):
        write_story(tmp_path / "stories", num_frames=5, keyframes=[])
        shutil.copytree(tmp_path / "stories", tmp_path / "bundled" / name)
    monkeypatch.setattr(demo, "bundled_storyboards", lambda: tmp_path / "bundled")
    out = tmp_path / "new" / "demo"
    assert run("demo", "--out", out, "--model", model) == 0
    made = sorted(path.name for path in out.iterdir())
    assert made == [f"{name}.{end}" for name in ("first", "second") for end in ("mp4", "report.json", "sheet.png")]
    assert capsys.readouterr().out.count("5 frames at 12 fps") == 2


def test_demo_refuses(model, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    refused(capsys, "need a folder; name one", "demo", "--out", tmp_path / "file")
    refused(capsys, "seed must be from 0", "demo", "--out", tmp_path / "out", "--model", model, "--seed", "-3")
    monkeypatch.setattr(demo, "bundled_storyboards", lambda: tmp_path / "none")
    refused(capsys, "no storyboards", "demo", "--out", tmp_path / "out")


def test_the_bundled_storyboards_are_whole():
    found = sorted(bundled_storyboards().glob("*/story.json"))
    assert len(found) >= 2
    for path in found:
        story = Storyboard.load(path)
        assert len(story.plan().chunks) > 1 and story.keyframes


# ---------------------------------------------------------------- plan, and the command itself


def test_plan_prints_the_table(story, capsys):
    assert run("plan", story) == 0
    plan = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)])
    assert capsys.readouterr().out == plan.table() + "\n"
    assert run("plan", story, "--rope", "restart", "--stride", 8) == 0
    plan = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)], stride=8)
    assert capsys.readouterr().out == plan.table("restart") + "\n"
    assert run("plan", story, "--cut-gap", 2) == 0
    assert capsys.readouterr().out == Storyboard.load(story).plan().table(cut_gap=2) + "\n"


def test_plan_refuses(story, capsys):
    refused(capsys, "stride must be at least 1, got 0", "plan", story, "--stride", 0)
    refused(capsys, "invalid choice 'x' for argument '--rope'", "plan", story, "--rope", "x")
    refused(capsys, "is a folder; give a file", "plan", story.parent)
    refused(capsys, "invalid literal for int", "plan", story, "--stride", "x")


def test_commands_that_are_not_there(capsys):
    refused(capsys, "unknown command 'generat'; did you mean generate?", "generat")
    every = "demo, generate, plan, upscale, curate, evaluate, study, judge, memory, train"
    refused(capsys, f"unknown command 'xyz'; give one of {every}", "xyz")
    refused(capsys, f"give a command: {every}")
    refused(capsys, "give a training stage: vae, bank, gen, sr, restorer", "train")
    refused(capsys, "unknown training stage 'dit'", "train", "dit")
    refused(capsys, "unknown command 'upscal'; did you mean upscale?", "upscal")
    refused(capsys, "unknown training stage 'refiner'; did you mean restorer?", "train", "refiner")
    refused(capsys, "unknown training stage 'restore'; did you mean restorer?", "train", "restore")


def test_training_options_are_checked(capsys, tmp_path):
    refused(capsys, "count = 0: give 1 or more", "train", "bank", "--count", 0)
    refused(capsys, "film_share = 2.0: give 0 to 1", "train", "bank", "--film-share", 2)
    refused(capsys, "sparse = -1.0: give 0 to 1", "train", "bank", "--sparse", -1)
    refused(capsys, "no VAE there", "train", "bank", "--vae", tmp_path / "nowhere")
    refused(capsys, "vae = nowhere: no VAE there", "train", "sr", "--vae", "nowhere")
    refused(capsys, "at_start = 2.0: give 0 to 1", "train", "sr", "--at-start", 2)
    similar = "Unrecognized options: --stepps, 3; did you mean --steps? (see smartdirector train vae --help)"
    refused(capsys, similar, "train", "vae", "--stepps", 3)
    refused(capsys, "nowhere", "train", "gen", "--base", tmp_path / "nowhere", "--data", tmp_path)
    missing = ("--film", tmp_path / "nowhere")
    refused(capsys, "nowhere: no curated dataset", "train", "vae", "--out", tmp_path / "run", *missing)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "bank", "--base", "x", "m.mp4"], "Unrecognized options: --base, x, m.mp4 (see "),
        (["train", "bank", "--nope"], "Unrecognized options: --nope (see "),
        (["plan", "--strid", "4", "x.json"], "Unrecognized options: --strid, 4, x.json; did you mean --stride? (see "),
        (["upscale", "--scale"], "Missing value for argument '--scale'"),
        (["train", "vae", "--lr", "-1"], "lr = -1.0: give more than 0, at most 1000 (see "),
        (["train", "vae", "--ema", "nan"], "ema = nan: give 0 to 1 (see "),
        (["train", "gen", "--patch", "0"], "patch = 0: give 1 or more (see "),
        (["train", "sr", "--base", "x", "--size", "0", "8"], "size = 0: give 1 or more (see "),
        (["train", "restorer", "--seed", "-1"], "seed = -1: give 0 to 9223372036854775807 (see "),
    ],
)
def test_what_is_wrong_with_options_is_said_in_their_own_names(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    refused(capsys, f"smartdirector: {message}", *arguments)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], ["generate", "plan", "demo", "upscale", "train"]),
        (["-h"], ["[-h] {demo,generate,plan,upscale,curate,evaluate,study,judge,memory,train}", "--version"]),
        (["--version"], [__version__]),
        (["generate", "--help"], ["--guidance-scale", "denoising steps"]),
        (["plan", "-h"], ["--stride"]),
        (["upscale", "--help"], ["--keyframe", "FRAME=IMAGE"]),
        (["demo", "--help"], ["--seed"]),
        (["train", "--help"], ["vae", "bank", "gen", "sr"]),
        (["train", "sr", "--help"], ["--at-start"]),
        (["train", "gen", "--help"], ["--minutes", "--sigma-data"]),
        (["train", "gen", "--base", "folder", "--help"], ["--base", "--lora-rank"]),
        (["train", "sr", "--base=folder", "--help"], ["--base", "--lora-rank"]),
    ],
)
def test_help_goes_to_the_output_and_is_no_error(capsys, arguments, expected):
    assert run(*arguments) == 0
    out, err = capsys.readouterr()
    assert all(text in out for text in expected) and err == ""


def test_an_interrupt_is_130_and_a_bug_keeps_its_traceback(capsys, monkeypatch, story):
    def raising(error):
        def stride_table(storyboard: Path) -> None:
            raise error

        return stride_table

    monkeypatch.setitem(app.COMMANDS, "plan", raising(KeyboardInterrupt()))
    assert run("plan", "--storyboard", story) == 130
    assert capsys.readouterr().err == "smartdirector: interrupted\n"
    for bug in (RuntimeError("a bug"), TypeError("a bug"), KeyError("a bug"), AssertionError("a bug")):
        monkeypatch.setitem(app.COMMANDS, "plan", raising(bug))
        with pytest.raises(type(bug), match="a bug"):
            run("plan", "--storyboard", story)
    monkeypatch.setitem(app.COMMANDS, "plan", raising(OSError(28, "No space left\non device", "a.mp4")))
    assert run("plan", "--storyboard", story) == 2
    assert capsys.readouterr().err == "smartdirector: a.mp4: No space left on device\n"


def test_exit_codes_reach_the_shell(story):
    done = command("plan", story.parent / "nowhere.json")
    assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("smartdirector: ")
    done = command("plan", story)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("chunk  frames")


def test_help_and_plan_do_not_load_torch(story):
    code = (
        "import sys\nfrom smartdirector_lite.cli import main\n"
        "calls = ['--help'], ['generate', '--help'], ['train', '--help'], ['plan', sys.argv[1]]\n"
        "codes = [main(call) for call in calls]\n"
        "print(codes, sorted({'torch', 'diffusers', 'transformers', 'matplotlib'} & set(sys.modules)))"
    )
    done = command(story, code=code)
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0] []", done.stderr
