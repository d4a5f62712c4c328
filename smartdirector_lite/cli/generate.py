"""`smartdirector generate`: the videos of storyboards, alone or spread over the processes of a launcher."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..timeline import check_int
from .options import TINY, Model, Out, Positional, Rope
from .shell import ERRORS, complain

if TYPE_CHECKING:
    import torch

    from ..director import Director
    from ..storyboard import Storyboard


def generate(
    storyboards: Positional[tuple[Path, ...]],
    out: Out = Path("out.mp4"),
    model: Model = TINY,
    seed: int = 0,
    steps: int | None = None,
    guidance_scale: float | None = None,
    rope: Rope | None = None,
    stage: Literal["all", "gen"] = "all",
) -> None:
    """Generate the video of a storyboard, with a contact sheet (PNG) and a report (JSON) beside it.

    Several storyboards are made one after the other, or spread over the processes of `accelerate launch`.

    Args:
        storyboards: the JSON file of a storyboard, or of several
        out: the mp4 to write, with out.sheet.png and out.report.json beside it; for several storyboards, a folder
        seed: the same seed gives the same video
        steps: denoising steps; more are slower and finer (None: the model's own number)
        guidance_scale: how strictly the text is followed; at 1 a step takes half the time (None: the model's own)
        rope: the scheme of temporal positions (None: that of each stage's weights)
        stage: gen makes the draft alone, in the storyboard's own size; all makes the second stage too, twice as large
    """
    from ..media.files import check_outputs, check_writable, make_folder
    from ..media.result import result_paths
    from ..storyboard import Storyboard

    videos = video_paths(storyboards, out)
    jobs = [(source, Storyboard.load(source), video) for source, video in zip(storyboards, videos, strict=True)]
    outputs = [path for video in videos for path in result_paths(video)]
    check_outputs(outputs, [path for _, storyboard, _ in jobs for path in storyboard.files])
    from ..director import MAX_SEED  # after the storyboards, since it loads torch

    check_int("seed", seed, 0, MAX_SEED)
    if len(jobs) > 1:
        make_folder(out)
    for path in outputs:
        check_writable(path)

    options = {"seed": seed, "steps": steps, "guidance_scale": guidance_scale, "rope": rope, "stage": stage}
    failed = False
    with _share(jobs) as (share, device):
        director = model.load(device)
        for source, storyboard, video in share:
            try:
                make_video(director, storyboard, video, progress=device is None, **options)
            except ERRORS as error:
                if len(jobs) == 1 or isinstance(error, BrokenPipeError):
                    raise
                failed = True
                complain(error, f"{source}: ")
    if failed:
        raise SystemExit(2)


@contextmanager
def _share(jobs: list) -> "Iterator[tuple[list, torch.device | None]]":
    """This process's share of the jobs, and its device. A process that is alone has all jobs, and None."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield jobs, None
        return
    from ..training.processes import join_processes

    state = join_processes()
    with state.split_between_processes(jobs) as share:
        yield share, state.device
    state.wait_for_everyone()  # a launcher ends all processes when one of them ends with an error
    state.destroy_process_group()


def video_paths(storyboards: Sequence[Path], out: Path) -> list[Path]:
    """Return where the video of each storyboard goes: one to `out`, several into the folder `out`.

    In a folder the video of `beach.json` is `beach.mp4`, and that of a `story.json` takes the name of its folder.

    Raises:
        ValueError: without a storyboard, for several without a folder, and for two that have the same name.
    """
    if not storyboards:
        raise ValueError("no storyboards; give one JSON file or more")
    if len(storyboards) == 1:
        return [out]
    if out.suffix.lower() == ".mp4" or (out.exists() and not out.is_dir()):
        raise ValueError(f"out = {out}: the videos of {len(storyboards)} storyboards need a folder; name one")
    names = [path.resolve().parent.name if path.name == "story.json" else path.stem for path in storyboards]
    seen: dict[str, Path] = {}
    for name, path in zip(names, storyboards, strict=True):
        if other := seen.get(name.casefold()):  # some file systems don't tell A from a
            raise ValueError(f"{other} and {path} would both be written to {out / name}.mp4; rename one of them")
        seen[name.casefold()] = path
    return [out / f"{name}.mp4" for name in names]


def make_video(director: "Director", storyboard: "Storyboard", out: Path, **options: object) -> None:
    """Generate one video, write it, and print what came of it."""
    started = time.perf_counter()
    result = director(storyboard, **options)
    _, sheet, report = result.save(out)
    seconds = time.perf_counter() - started
    made = f"{out}: {len(result.frames)} frames at {result.fps:g} fps in {seconds:.1f} s; {sheet.name}, {report.name}"
    print(f"{made}\n{result.report.summary()}", flush=True)  # at once, so that those of several processes don't mix
