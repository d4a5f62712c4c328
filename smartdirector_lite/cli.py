"""The `smartdirector` command. Bad input is one line on the error stream and exit code 2, never a traceback.

Each command imports what it needs when it runs: `--help` and `plan` do not wait for torch.
"""

import contextlib
import difflib
import functools
import io
import itertools
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated

import tyro

from . import __version__
from .timeline import TAU_SCHEMES, check_int

Positional = tyro.conf.Positional
PROGRAM = "smartdirector"


def generate(
    storyboard: Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out.mp4"),
    model: str = "smartdirector-tiny",
    seed: int = 0,
    steps: int | None = None,
    guidance_scale: float | None = None,
    rope: str = "frame_time",
) -> None:
    """Generate the video of a storyboard, with a contact sheet (PNG) and a report (JSON) beside it.

    Args:
        storyboard: the storyboard's JSON file.
        out: the mp4 to write; out.sheet.png and out.report.json lie beside it.
        model: smartdirector-tiny, or a local folder in the diffusers layout.
        seed: the same seed gives the same video.
        steps: denoising steps; more is slower and finer. None: what the model was made for.
        guidance_scale: how strictly the text is followed; 1 is no stricter than learned, and twice as fast.
        rope: temporal positions: frame_time, continuous, restart or midpoint.
    """
    from .storyboard import Storyboard

    story = Storyboard.load(storyboard)
    _check_writable(out)
    _check_rope(rope)
    director = _load(model, seed)
    _render(director, story, out, seed=seed, steps=steps, guidance_scale=guidance_scale, rope=rope)


def demo(out: Path = Path("out/demo"), model: str = "smartdirector-tiny", seed: int = 0) -> None:
    """Generate the videos of the storyboards that ship with the package.

    Args:
        out: the folder to write to; it is made if it is not there.
        model: smartdirector-tiny, or a local folder in the diffusers layout.
        seed: the same seed gives the same videos.
    """
    from .storyboard import Storyboard

    found = sorted(bundled_storyboards().glob("*/story.json"))
    if not found:
        raise ValueError(f"no storyboards in {bundled_storyboards()}; install the package again")
    stories = {path.parent.name: Storyboard.load(path) for path in found}
    if out.exists() and not out.is_dir():
        raise ValueError(f"out = {out} is a file; give a folder")
    out.mkdir(parents=True, exist_ok=True)
    _check_writable(out / "demo.mp4")
    director = _load(model, seed)
    for name, story in stories.items():
        _render(director, story, out / f"{name}.mp4", seed=seed)


def bundled_storyboards() -> Path:
    """The folder of storyboards that ship with the package, each in a folder of its own."""
    return Path(str(resources.files(__package__))) / "storyboards"


def _load(model: str, seed: int):
    """The director, without the libraries' bars for every file; the seed is checked first."""
    import diffusers
    import transformers

    from .loaders import load_director
    from .pipelines.director import MAX_SEED

    check_int("seed", seed, 0, MAX_SEED)
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    return load_director(model)


def _render(director, story, out: Path, **options) -> None:
    started = time.perf_counter()
    result = director(story, **options)
    _, sheet, report = result.save(out)
    seconds = time.perf_counter() - started
    print(f"{out}: {len(result.frames)} frames at {result.fps:g} fps in {seconds:.1f} s; {sheet.name}, {report.name}")
    print(result.report.summary(), flush=True)


def _check_writable(out: Path) -> None:
    """ValueError if a video can't be written to `out`; found before the work, not after."""
    if out.suffix.lower() != ".mp4":
        raise ValueError(f"out = {out}: the video's name must end in .mp4")
    if out.is_dir():
        raise ValueError(f"out = {out} is a folder; give the name of a file")
    if not out.parent.is_dir():
        raise ValueError(f"out = {out}: the folder {out.parent} does not exist; make it first")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise ValueError(f"out = {out}: can't write to the folder {out.parent} ({error.strerror})") from error


def _check_rope(rope: str) -> None:
    if rope not in TAU_SCHEMES:
        raise ValueError(f"rope must be one of {', '.join(TAU_SCHEMES)}, got {rope!r}")


def plan(storyboard: Positional[Path], stride: int = 4, rope: str = "frame_time") -> None:
    """Print how a storyboard's video is cut into chunks and latents, without a model.

    Args:
        storyboard: the storyboard's JSON file.
        stride: frames a latent of the VAE (4 for Wan).
        rope: temporal positions: frame_time, continuous, restart or midpoint.
    """
    from .storyboard import Storyboard

    _check_rope(rope)
    print(Storyboard.load(storyboard).plan(stride).table(rope))


def train_film(movie: Positional[Path], cache: Path = Path("runs/film"), start: float = 0.0, stop: float = 1e9) -> None:
    """Decode a film once, cut it into shots, and keep it small on disk, for `train vae` and `train gen`.

    Args:
        movie: the film's file.
        cache: the folder to write to.
        start: seconds to leave out at the beginning (titles).
        stop: second to end at (credits).
    """
    from .training.film import FilmShots, prepare_film

    prepare_film(movie, cache, seconds=(start, stop))
    training, held_out = FilmShots.load(cache), FilmShots.load(cache, held_out=True)
    print(f"{cache}: {len(training.shots)} shots to train on, {len(held_out.shots)} held out")


def train_bank(
    bank: Path = Path("runs/bank"),
    vae: Path = Path("runs/vae/export"),
    film: str = "",
    film_share: float = 0.2,
    first: int = 0,
    count: int = 8,
    seed: int = 0,
) -> None:
    """Render and encode shards of clips, for `train gen` to read; may run beside it.

    Args:
        bank: the folder of shards.
        vae: the trained VAE's folder.
        film: a folder made by `train film`, or nothing.
        film_share: the share of the clips that come from the film.
        first: number of the first shard.
        count: how many shards to make.
        seed: the clips' seed.
    """
    check_int("first", first, 0)
    check_int("count", count, 1)
    check_int("seed", seed, 0)
    if not 0 <= film_share <= 1:
        raise ValueError(f"film_share must be from 0 to 1, got {film_share}")
    import torch

    from .training.bank import build_shard
    from .training.film import FilmShots
    from .training.vae import load_vae

    coder = load_vae(vae, "vae").eval().to("cuda" if torch.cuda.is_available() else "cpu")
    footage = FilmShots.load(film) if film else None
    for index in range(first, first + count):
        print(build_shard(coder, bank, index, film=footage, film_share=film_share, seed=seed), flush=True)


TRAIN_USAGE = f"""usage: {PROGRAM} train STAGE [--help] ...

  film      decode a film and cut it into shots
  vae       train the VAE
  bank      render and encode clips, ahead of the next stage
  gen       train the text encoder and the transformer
"""


def train(arguments: Sequence[str]) -> None:
    """`train film | vae | bank | gen`: everything from a film and the toy world to the weights that ship."""
    stage, rest = _choose("training stage", arguments, ("film", "vae", "bank", "gen"), TRAIN_USAGE)
    name = f"{PROGRAM} train {stage}"
    if stage in ("film", "bank"):
        _parse(_later(train_film if stage == "film" else train_bank), name, rest)()
    elif stage == "vae":
        from .training.vae import VAEConfig, train_vae

        train_vae(_parse(VAEConfig, name, rest))
    else:
        from .training.gen import GenConfig, train_gen

        train_gen(_parse(GenConfig, name, rest))


def _choose(what: str, arguments: Sequence[str], known: Sequence[str], usage: str) -> tuple[str, Sequence[str]]:
    """The command that the arguments begin with, and the rest. ValueError for an unknown one; exits after `--help`."""
    if not arguments:
        raise ValueError(f"give a {what}: {', '.join(known)}")
    if arguments[0] in ("-h", "--help"):
        print(usage, end="")
        raise SystemExit(0)
    if arguments[0] not in known:
        near = difflib.get_close_matches(arguments[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(known)}"
        raise ValueError(f"unknown {what} {arguments[0]!r}; {hint}")
    return arguments[0], arguments[1:]


def _later(function: Callable) -> Callable:
    """A function of the same signature that returns the call, for tyro to make without running it."""

    @functools.wraps(function)
    def bind(*args: object, **kwargs: object) -> Callable:
        return functools.partial(function, *args, **kwargs)

    return bind


def _parse(target: Callable, name: str, arguments: Sequence[str]) -> object:
    """What tyro makes of the arguments; its box of several lines about a wrong one becomes a ValueError of one line."""
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(target, prog=name, args=arguments)
    except SystemExit as stop:
        if not stop.code:
            raise
    lines = [line.strip(" │╭╮╰╯") for line in box.getvalue().splitlines()[1:]]  # without the title
    body = itertools.dropwhile(_is_rule, lines)
    message = " ".join(" ".join(itertools.takewhile(lambda line: not _is_rule(line), body)).split())
    raise ValueError(f"{message or 'wrong options'} (see {name} --help)")


def _is_rule(line: str) -> bool:
    return re.fullmatch("[─-]+", line) is not None


COMMANDS = {"demo": demo, "generate": generate, "plan": plan, "train": train}
USAGE = f"""usage: {PROGRAM} COMMAND [--help] ...

  demo      generate the videos of the storyboards that ship with the package
  generate  generate the video of a storyboard
  plan      print how a storyboard is cut into chunks and latents
  train     train the tiny model: film, vae, bank, gen

  --version
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for bad input, 130 when interrupted. Other errors are raised."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["--version"]:
        print(f"smartdirector-lite {__version__}")
        return 0
    try:
        name, rest = _choose("command", arguments, tuple(COMMANDS), USAGE)
        if name == "train":
            train(rest)
        else:
            _parse(_later(COMMANDS[name]), f"{PROGRAM} {name}", rest)()
    except SystemExit as stop:  # after --help
        return int(stop.code or 0)
    except (ValueError, OSError) as error:
        print(f"{PROGRAM}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
