"""The functions that the page's buttons and programs call. Every failure becomes one line, never a traceback."""

import functools
import html
import itertools
import json
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image, ImageColor

import examples
import lessons
import limits
import stories
import studio
import visitors
from smartdirector_lite.media import MediaError, probe_video, read_video, write_video
from smartdirector_lite.media.sheets import KEYFRAME_COLOUR
from smartdirector_lite.timeline import check_number

EXAMPLE = "An example, already filmed"
FILMED = "This film was made before you came. Generate makes a new one, from another seed."


def refuse(error: Exception, folder: str | None = None) -> gr.Error:
    return gr.Error(html.escape(studio.told(error, folder), quote=False), print_exception=not studio.is_told(error))


def guarded(function: Callable) -> Callable:
    """Return the function with its errors turned into lines for a visitor."""

    @functools.wraps(function)
    def call(*args):
        try:
            return function(*args)
        except Exception as error:
            raise refuse(error) from error

    return call


def bar(share: float | None, words: str, waiting: bool = False) -> str:
    """Return a progress bar with words that a screen reader speaks.

    Args:
        share: from 0 to 1; None leaves out the bar, or shows one without a value for somebody who is waiting.
    """
    value, running, shown = f"{100 * (share or 0):.0f}", waiting if share is None else share < 1, ""
    if share is not None:
        shown = f'<progress max="100" value="{value}" aria-label="Progress">{value} %</progress>'
    elif waiting:
        shown = '<progress aria-label="Waiting"></progress>'
    said = f'<span role="status" aria-live="polite">{html.escape(words)}</span>'
    return f'<div class="sd-progress{" sd-running" if running else ""}">{shown}{said}</div>'


OUTPUTS = ("film", "sheet", "words", "progress", "seed", "made", "takes", "strip")


def shown(**changes) -> tuple:
    """Return a value for each of OUTPUTS; what is not named stays as it is."""
    return tuple(changes.get(name, gr.skip()) for name in OUTPUTS)


def film(path: str, label: str) -> gr.Video:
    """Return the film with a label that says what it is: a draft, a take or an example."""
    return gr.Video(path, label=label)


def direct(board, random_seed, seed, steps, guidance, takes, folder) -> Iterator[tuple]:
    """Film the timeline. Yields a value for each of OUTPUTS, and the visitor's folder."""
    folder = folder or visitors.new_folder()
    number, began = len(takes) + 1, None
    try:
        value = board.get("storyboard") if isinstance(board, dict) else None
        _, options = studio.request(value, folder, None if random_seed else seed, steps, guidance)
        start = {"progress": bar(None, "The film is being prepared.", waiting=True), "seed": options["seed"]}
        yield *shown(**start, words=f"Take {number} is being filmed.", sheet=None), folder
        for news in studio.films(value, folder, options):
            if began is None and news["share"] is not None:
                began = time.monotonic()
            changes = {"progress": bar(news["share"], news["words"], waiting=True)}
            if "draft" in news:
                path = named(news["draft"], value, f"draft-{number}", options["seed"])
                changes |= {"film": film(path, "Draft: the final film follows"), "made": path}
            if "video" in news:
                take = {
                    "number": number,
                    "seed": options["seed"],
                    "took": round(time.monotonic() - (began or time.monotonic())),
                    "video": named(news["video"], value, f"take-{number}", options["seed"]),
                    "sheet": news["sheet"],
                    "words": news["verdict"],
                    "story": value,
                }
                takes = [*takes, take]
                changes |= {"film": film(take["video"], f"Final film: take {number}"), "made": take["video"]}
                changes |= {"sheet": take["sheet"], "words": take["words"]}
                changes |= {"takes": takes, "strip": strip(takes, number)}
            yield *shown(**changes), folder
    except Exception as error:
        line = studio.told(error, folder)
        yield *shown(progress=bar(None, line), words=""), folder
        raise refuse(error, folder) from error


def named(path: str, story: dict, part: str, seed: int) -> str:
    """Give a film a name that says what it is, such as snow-take-2-7.mp4, and return its new path."""
    title = str(story.get("title") or "film")
    title = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "film"
    for again in itertools.count(1):
        new = Path(path).with_name(f"{title}-{part}-{seed}{f'-{again}' if again > 1 else ''}{Path(path).suffix}")
        if not new.exists():
            return str(Path(path).rename(new))


def strip(takes: list[dict], number: int) -> list[dict]:
    """Return what the page shows of the takes: number, seed, seconds, a picture, and which of them is seen now."""
    for take in takes:
        if "picture" not in take:
            middle = probe_video(take["video"]).num_frames // 2
            frame = read_video(take["video"], frames=(middle, middle + 1))[0]
            take["picture"] = visitors.thumbnail(Image.fromarray(frame))
    keys = ("number", "seed", "took", "picture")
    return [{**{key: take[key] for key in keys}, "now": take["number"] == number} for take in takes]


def _pressed(takes: list[dict], event: gr.EventData) -> dict:
    """Return the take that was pressed in the strip."""
    for take in takes:
        if take["number"] == getattr(event, "number", None):
            return take
    raise gr.Error("This take is no longer here. Press another one.", print_exception=False)


def back_to(takes, event: gr.EventData) -> tuple:
    """Show an earlier take again. Returns a value for each of OUTPUTS."""
    take = _pressed(takes, event)
    number = take["number"]
    return shown(
        film=film(take["video"], f"Final film: take {number}"),
        sheet=take["sheet"],
        words=take["words"],
        progress=bar(None, f"Take {number}, with seed {take['seed']}."),
        made=take["video"],
        strip=strip(takes, number),
    )


def story_of(takes, event: gr.EventData) -> dict:
    """Put the story of a take on the timeline. The timeline's Undo brings the other one back."""
    take = _pressed(takes, event)
    return fresh(storyboard=take["story"], says=f"This is the story of take {take['number']}.")


def film_schemes(folder) -> Iterator[tuple]:
    """Film the first example's draft with each temporal index. Yields one video a scheme, progress and the folder."""
    folder = folder or visitors.new_folder()
    made, story = [gr.skip()] * len(lessons.TAU_SCHEMES), examples.storyboards()["snow"]
    try:
        for i, scheme in enumerate(lessons.TAU_SCHEMES):
            _, options = studio.request(story, folder, 0, None, None)
            for news in studio.films(story, folder, {**options, "rope": scheme, "stage": "gen"}):
                made[i] = news.get("video", made[i])
                share = None if news["share"] is None else (i + news["share"]) / len(made)
                yield *made, bar(share, f"{scheme}: {news['words']}", waiting=True), folder
    except Exception as error:
        yield *made, bar(None, studio.told(error, folder)), folder
        raise refuse(error, folder) from error


def fresh(**news) -> dict:
    """Return news for the timeline; the page tells by `fresh` whether it has seen them."""
    return {**news, "fresh": secrets.token_hex(6)}


def cancelled(progress: str | None = None) -> str:
    """Return what the progress shows after Cancel.

    The page asks twice: at once, and again when the run has ended, then with what is shown by now. A step that was
    being made when Cancel was pressed may have written over the first answer. What ended by itself stays, such as the
    line of an error; where nothing is running, Cancel says nothing.
    """
    return bar(None, "cancelled") if progress is None or "sd-running" in progress else progress


def take_cancelled(progress, made) -> tuple:
    """Return progress, words and the film's label after Cancel; `made` is the film that is shown."""
    if "sd-running" not in progress:
        return gr.skip(), gr.skip(), gr.skip()
    draft = made and re.search(r"-draft-\d+-\d+(-\d+)?$", Path(made).stem)
    label = gr.Video(label="Draft of a take that was cancelled") if draft else gr.skip()
    return cancelled(progress), "The take was cancelled.", label


def example(name: str) -> Callable:
    """Return the handler of an example's button. It returns the timeline's news and a value for each of OUTPUTS."""

    def load(takes) -> tuple:
        path, sheet, verdict = examples.finished(name)
        changes = {"film": film(path, EXAMPLE), "sheet": sheet, "words": verdict, "progress": bar(None, FILMED)}
        return fresh(storyboard=examples.storyboards()[name], example=True), *shown(
            **changes, made=path, strip=strip(takes, 0)
        )

    return load


VISIT = re.compile(r"[A-Za-z0-9_-]{6,60}")


def arrive(visit) -> tuple:
    """Give a visitor who comes back their folder again. Returns the folder, and news of which uploads are still here.

    Args:
        visit: the name of the folder, which the browser has kept. Nobody else knows it.
    """
    folder = visitors.ROOT / visit if isinstance(visit, str) and VISIT.fullmatch(visit) else None
    if folder is None or not folder.is_dir():
        return None, fresh(here=[])
    folder.touch()  # in use
    return str(folder), fresh(here=[path.name for path in folder.glob("upload-*")])


def leave(folder: str | None) -> None:
    """Delete the folder of a page that was closed, an hour after its last use: the visitor may come back till then."""
    if not folder or not Path(folder).is_dir():
        return
    if time.time() - Path(folder).stat().st_mtime >= limits.KEEP_SECONDS:
        return visitors.remove(folder)
    again = threading.Timer(limits.KEEP_SECONDS, leave, [folder])
    again.daemon = True
    again.start()


def add_files(board, files, folder) -> tuple:
    """Take pictures and clips in. Returns news for the timeline, the visitor's folder, and an empty upload field."""
    folder = folder or visitors.new_folder()
    story = board.get("storyboard") if isinstance(board, dict) else None
    fps = story.get("fps", 12) if isinstance(story, dict) else 12
    media = {}
    for path in files or []:
        try:
            name, shown = visitors.add_upload(path, folder, fps)
            media[name] = shown
        except ValueError as error:
            gr.Warning(html.escape(studio.told(error, folder), quote=False))
    news = fresh(media=media, place=list(media), visit=Path(folder).name) if media else gr.skip()
    return news, folder, None


def _frame(made, folder: str, seconds: float | None) -> tuple[int, str, dict]:
    """Keep a frame of a film: the one shown at a time, or the last one. Returns its number, name and what is shown.

    Args:
        seconds: the time of the frame itself, as the browser tells it for the frame that is seen.
    """
    if not made or Path(made).parent not in (Path(folder), examples.FOLDER):
        raise MediaError("There is no film to take a frame from. Generate one.")
    info = probe_video(made)
    index = info.num_frames - 1
    if seconds is not None:
        index = min(round(check_number("seconds", seconds, 0, 1e4) * info.fps), index)
    picture = Image.fromarray(read_video(made, frames=(index, index + 1))[0])
    return index, *visitors.add_picture(picture, folder, f"frame {index} of {Path(made).stem}")


def grab(board, seconds, made, folder) -> tuple:
    """Put the frame that the film shows now on the timeline, as a keyframe at its own time."""
    folder = folder or visitors.new_folder()
    try:
        index, name, shown = _frame(made, folder, seconds)
        inside = index < int(board["storyboard"]["num_frames"])
        return fresh(media={name: shown}, place=[name], at=index if inside else None, visit=Path(folder).name), folder
    except Exception as error:
        raise refuse(error, folder) from error


def onward(made, folder) -> tuple:
    """Begin a film that goes on where the one that is shown ends: its last frame is the first keyframe."""
    folder = folder or visitors.new_folder()
    try:
        _, name, shown = _frame(made, folder, None)
        says = "The next film begins with the last frame of this one. Say what happens, or add pictures."
        news = fresh(media={name: shown}, place=[name], at=0, continues=True, visit=Path(folder).name, says=says)
        return news, folder
    except Exception as error:
        raise refuse(error, folder) from error


AROUND = 6  # frames before and after the picture that a lesson's films show
SLOW = 6  # frames a second that they are played with
WAYS = {"film": "As it should be", "replaced": "Replaced latent", "blanks": "Blanks around", "chunks": "Multi-Chunk"}


def labels_of(result: dict) -> list[str]:
    """Return the label of each film of `lessons.inserted`: the way, and how well the picture comes back."""
    psnr = result["psnr"]
    return [f"{words}: {psnr[way]:.1f} dB" if way in psnr else words for way, words in WAYS.items()]


def write_inserted(result: dict, folder: str | Path, name: str) -> list[str]:
    """Write the films of `lessons.inserted`, the few frames around the picture, and return their paths.

    The frame that should be the picture has a frame around it, in all of them.
    """
    frame, paths = result["frame"], []
    part = slice(max(0, frame - AROUND), frame + AROUND + 1)
    for way in WAYS:
        frames = result["videos"][way].repeat(2, axis=1).repeat(2, axis=2)
        edge = np.ones(frames.shape[1:3], bool)
        edge[4:-4, 4:-4] = False
        frames[frame][edge] = ImageColor.getrgb(KEYFRAME_COLOUR)
        paths.append(str(Path(folder) / f"{name}-{way}.mp4"))
        write_video(paths[-1], frames[part], SLOW)
    return paths


ANSWERS = tempfile.TemporaryDirectory(prefix="smartdirector-lesson-")  # of the page's own picture, for all visitors
answered: dict[int, tuple[list[str], list[str], str]] = {}  # for each frame: films, their labels, and a sentence


def insert(frame, picture, folder) -> Iterator[tuple]:
    """Put a picture into a film in each of WAYS. Yields a video a way, a sentence, progress and the folder.

    Args:
        picture: the path of a visitor's picture, or None for the one of the page, of which each answer is made once.
    """
    folder = folder or visitors.new_folder()
    same = [gr.skip()] * len(WAYS)
    try:
        answer = answered.get(frame) if picture is None else None
        news = () if answer else studio.compared(frame, None if picture is None else visitors.read_upload(picture))
        for told in news:
            if "result" not in told:
                yield *same, gr.skip(), bar(told["share"], told["words"], waiting=True), folder
                continue
            result, here = told["result"], folder if picture else ANSWERS.name
            films = write_inserted(result, here, f"lesson-{secrets.token_hex(4)}")
            answer = films, labels_of(result), meaning(result)
            if picture is None:
                answered[result["frame"]] = answer
        films, labels, words = answer
        yield *map(film, films, labels), words, bar(None, ""), folder
    except Exception as error:
        yield *same, gr.skip(), bar(None, studio.told(error, folder)), folder


def meaning(result: dict) -> str:
    """Say in a sentence what `lessons.inserted` measured."""
    replaced, blanks, chunks = (result["psnr"][way] for way in ("replaced", "blanks", "chunks"))
    return (
        f"At frame {result['frame']} the picture comes back with {replaced:.1f} dB as a replaced latent, with "
        f"{blanks:.1f} dB among blanks, and with {chunks:.1f} dB as a chunk of its own. More is better."
    )


def schemes(frames, number) -> tuple:
    """Draw the temporal indices. Returns figure, rows and a line; what can't be drawn leaves figure and rows."""
    try:
        return *lessons.compare_schemes(frames, number), ""
    except ValueError as error:
        return gr.skip(), gr.skip(), f"**{html.escape(studio.told(error), quote=False)}**"


def anchors(frame) -> Iterator[tuple]:
    """Compare a frame of a draft with what stage two makes of it. Yields both pairs and progress."""
    try:
        for news in studio.three_ways(frame):
            if "result" not in news:
                yield gr.skip(), gr.skip(), bar(news["share"], news["words"], waiting=True)
                continue
            low, without, anchored = news["result"]
            yield (low, anchored), (without, anchored), bar(None, "")
    except Exception as error:
        yield gr.skip(), gr.skip(), bar(None, studio.told(error))


def upscale(video, folder) -> Iterator[tuple]:
    """Enlarge a short video twofold, with its sound. Yields the video, progress and the folder."""
    folder = folder or visitors.new_folder()
    try:
        yield gr.skip(), bar(None, "The video is being looked at.", waiting=True), folder
        for news in studio.upscales(video, folder):
            yield news.get("video", gr.skip()), bar(news["share"], news["words"], waiting=True), folder
    except Exception as error:
        yield gr.skip(), bar(None, studio.told(error, folder)), folder
        raise refuse(error, folder) from error


@guarded
def to_json(board) -> str:
    return json.dumps(board["storyboard"], indent=1, ensure_ascii=False)


@guarded
def from_json(text) -> dict:
    return fresh(storyboard=stories.with_frames(stories.read_json(text)))
