"""The `smartdirector` command. Bad input is one line on the error stream and exit code 2, never a traceback.

Each command imports what it needs when it runs: `--help` and `plan` do not wait for torch.
"""

import functools
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .. import __version__
from ..timeline import TAU_SCHEMES, check_int
from .memory import memory
from .parsing import choose, later, parse
from .several import generate_several, is_one_of_several
from .train import train

Positional = tyro.conf.Positional
PROGRAM = "smartdirector"


@dataclass(frozen=True)
class ModelOptions:
    """What is loaded, and where it is while it works.

    Args:
        model: smartdirector-tiny, a local folder in the diffusers layout, or a hub id that is in the hub's cache.
        memory: whole on the GPU (full), by model, by group of blocks, by layer; auto: the fastest that fits.
        revision: branch, tag or commit of a hub id.
        download: fetch what the hub's cache lacks.
        text_cache: a folder to keep text embeddings in, so that the text encoder is loaded for new texts alone.
        quantize: the transformer's weights in 8 or 4 bits; int8 needs torchao, nf4 bitsandbytes and a CUDA GPU.
    """

    model: str = "smartdirector-tiny"
    memory: Literal["auto", "full", "model", "group", "sequential"] = "auto"
    revision: str | None = None
    download: bool = False
    text_cache: Path | None = None
    quantize: Literal["int8", "nf4"] | None = None


Model = Annotated[ModelOptions, tyro.conf.OmitArgPrefixes]


def generate(
    storyboards: Positional[tuple[Path, ...]],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out.mp4"),
    model: Model = ModelOptions(),
    seed: int = 0,
    steps: int | None = None,
    guidance_scale: float | None = None,
    rope: str = "frame_time",
    stage: Literal["all", "gen"] = "all",
    context_parallel: Literal["ulysses", "ring"] | None = None,
) -> None:
    """Generate the video of a storyboard, with a contact sheet (PNG) and a report (JSON) beside it.

    Several storyboards are shared out among the processes of `torchrun` or `accelerate launch`, one GPU each.

    Args:
        storyboards: the storyboard's JSON file, or several.
        out: the mp4 to write; out.sheet.png and out.report.json lie beside it. For several storyboards, a folder.
        seed: the same seed gives the same video.
        steps: denoising steps; more is slower and finer. None: what the model was made for.
        guidance_scale: how strictly the text is followed; 1 is no stricter than learned, and twice as fast.
        rope: temporal positions: frame_time, continuous, restart or midpoint.
        stage: all, or gen for the draft alone, in the storyboard's own size; the second stage doubles it.
        context_parallel: all processes work on the same video, each on a share of its latent frames.
    """
    options = {"seed": seed, "steps": steps, "guidance_scale": guidance_scale, "rope": rope, "stage": stage}
    if len(storyboards) > 1 or is_one_of_several():
        prepare = functools.partial(_prepare, storyboards, out, rope)
        generate_several(prepare, functools.partial(_load, model, seed), context_parallel, options)
        return
    (job,) = _prepare(storyboards, out, rope)
    _render(_load(model, seed), job.storyboard, out, **options)


def _prepare(storyboards: Sequence[Path], out: Path, rope: str) -> list:
    """The jobs of these storyboards: one to the file `out`, several to the folder."""
    from ..loading.jobs import Job, prepare_jobs
    from ..storyboard.schema import Storyboard

    one = len(storyboards) == 1
    jobs = [Job(storyboards[0], Storyboard.load(storyboards[0]), out)] if one else prepare_jobs(storyboards, out)
    for job in jobs:
        _check_writable(job.video)
    _check_rope(rope)
    return jobs


def demo(out: Path = Path("out/demo"), model: Model = ModelOptions(), seed: int = 0) -> None:
    """Generate the videos of the storyboards that ship with the package.

    Args:
        out: the folder to write to; it is made if it is not there.
        seed: the same seed gives the same videos.
    """
    from ..storyboard.schema import Storyboard

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
    return Path(str(resources.files("smartdirector_lite"))) / "storyboards"


def _load(model: Model, seed: int, device=None):
    """The director, without the libraries' bars for every file; the seed is checked first."""
    import diffusers
    import transformers

    from ..director import MAX_SEED
    from ..loading.loader import load_director

    check_int("seed", seed, 0, MAX_SEED)
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    return load_director(
        model.model,
        device,
        memory=model.memory,
        revision=model.revision,
        download=model.download,
        text_cache=model.text_cache,
        quantize=model.quantize,
    )


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


def upscale(
    video: Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("upscaled.mp4"),
    keyframe: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    scale: float = 2.0,
    steps: int | None = None,
    restore: bool = True,
    tile: int = 256,
    model: Model = ModelOptions(),
) -> None:
    """Enlarge a video with Director-SR; its sound and its timing are kept. Any length: memory does not grow with it.

    Args:
        video: the video to enlarge.
        out: the mp4 to write.
        keyframe: FRAME=IMAGE, a large picture of what that frame shows; once for each. Its detail is carried on.
        scale: of width and height; 2 is what the model was trained for.
        steps: of the flow; None: what the model was made for.
        restore: whether each frame is then put right by what the small one and the one before show.
        tile: side of the parts that a large frame is restored in, in pixels; 0 for whole frames.
    """
    from ..sr.upscale import parse_keyframes, upscale_video

    keyframes = parse_keyframes(keyframe)
    _check_writable(out)
    director = _load(model, 0)
    if director.sr is None:
        raise ValueError(f"model {model.model} has no second stage (director-sr); train one (`train sr`) or name one")
    started = time.perf_counter()
    steps = director.sr_steps if steps is None else steps
    options = {"scale": scale, "steps": steps, "restore": restore, "tile": tile or None}
    count, notes = upscale_video(director.sr, video, out, keyframes, **options)
    seconds = time.perf_counter() - started
    print("\n".join([f"{out}: {count} frames in {seconds:.1f} s, {seconds / count:.2f} s each", *notes]), flush=True)


def plan(storyboard: Positional[Path], stride: int = 4, rope: str = "frame_time", cut_gap: float = 0.0) -> None:
    """Print how a storyboard's video is cut into chunks and latents, without a model.

    Args:
        storyboard: the storyboard's JSON file.
        stride: frames a latent of the VAE (4 for Wan).
        rope: temporal positions: frame_time, continuous, restart or midpoint.
        cut_gap: added to them from each cut on; smartdirector-tiny works with 2, Wan's weights with 0.
    """
    from ..storyboard.schema import Storyboard

    _check_rope(rope)
    print(Storyboard.load(storyboard).plan(stride).table(rope, cut_gap))


COMMANDS = {"demo": demo, "generate": generate, "plan": plan, "upscale": upscale, "memory": memory, "train": train}
USAGE = f"""usage: {PROGRAM} COMMAND [--help] ...

  demo      generate the videos of the storyboards that ship with the package
  generate  generate the video of a storyboard
  plan      print how a storyboard is cut into chunks and latents
  upscale   enlarge a video, with the detail of keyframes
  memory    estimate the memory that a call needs, before anything is loaded
  train     train the tiny model: film, vae, bank, gen, sr, restorer

  --version
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for bad input, 130 when interrupted. Other errors are raised."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["--version"]:
        print(f"smartdirector-lite {__version__}")
        return 0
    try:
        name, rest = choose("command", arguments, tuple(COMMANDS), USAGE)
        if name == "train":
            train(rest)
        else:
            parse(later(COMMANDS[name]), f"{PROGRAM} {name}", rest)()
    except SystemExit as stop:  # after --help
        return int(stop.code or 0)
    except (ValueError, OSError, MemoryError) as error:
        print(f"{PROGRAM}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
