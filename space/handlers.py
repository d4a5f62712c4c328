"""The functions that the page's buttons and programs call. Every failure becomes one line, never a traceback."""

import functools
import html
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
from PIL import Image

import examples
import lessons
import stories
import studio
import visitors
from smartdirector_lite.media import MediaError, probe_video, read_video

FILMED = "an example, already filmed: press play"


def refuse(error: Exception, folder: str | None = None) -> gr.Error:
    return gr.Error(
        html.escape(studio.told(error, folder), quote=False), print_exception=not isinstance(error, ValueError)
    )


def guarded(function: Callable) -> Callable:
    """Return the function with its errors turned into lines for a visitor."""

    @functools.wraps(function)
    def call(*args):
        try:
            return function(*args)
        except Exception as error:
            raise refuse(error) from error

    return call


def bar(share: float | None, words: str) -> str:
    """Return a progress bar with words that a screen reader speaks; a share of None leaves out the bar."""
    value = f"{100 * (share or 0):.0f}"
    shown = "" if share is None else f'<progress max="100" value="{value}" aria-label="Progress">{value} %</progress>'
    return f'<div class="sd-progress">{shown}<span role="status" aria-live="polite">{html.escape(words)}</span></div>'


def direct(board, random_seed, seed, steps, guidance, folder) -> Iterator[tuple]:
    """Film the timeline. Yields film, sheet, verdict, progress, seed, the film's path and the visitor's folder."""
    folder = folder or visitors.new_folder()
    same = gr.skip()
    try:
        value = board.get("storyboard") if isinstance(board, dict) else None
        _, options = studio.request(value, folder, None if random_seed else seed, steps, guidance)
        yield same, same, same, bar(0, "waiting"), options["seed"], same, folder
        for news in studio.films(value, folder, options):
            film = news.get("video") or news.get("draft") or same
            made = news.get("video", same)
            progress = bar(news["share"], news["words"])
            yield film, news.get("sheet", same), news.get("verdict", same), progress, same, made, folder
    except Exception as error:
        line = studio.told(error, folder)
        yield same, same, same, bar(None, line), same, same, folder
        raise refuse(error, folder) from error


def film_schemes(folder) -> Iterator[tuple]:
    """Film the first example's draft with each temporal index. Yields one video a scheme, progress and the folder."""
    folder = folder or visitors.new_folder()
    made, story = [gr.skip()] * len(lessons.TAU_SCHEMES), examples.storyboards()["snow"]
    try:
        for i, scheme in enumerate(lessons.TAU_SCHEMES):
            _, options = studio.request(story, folder, 0, None, None)
            for news in studio.films(story, folder, {**options, "rope": scheme, "stage": "gen"}):
                made[i] = news.get("video", made[i])
                share = (i + news["share"]) / len(made)
                yield *made, bar(share, f"{scheme}: {news['words']}"), folder
    except Exception as error:
        yield *made, bar(None, studio.told(error, folder)), folder
        raise refuse(error, folder) from error


def fresh(storyboard: dict, media: dict | None = None) -> dict:
    """Return a value for the timeline to take over; `media` are placed on it."""
    media = media or {}
    return {"storyboard": storyboard, "media": media, "place": list(media), "fresh": secrets.token_hex(6)}


def cancelled(progress: str | None = None) -> str:
    """Return what the progress shows after Cancel.

    The page asks twice: at once, and again when the run has ended, then with what is shown by now. A step that was
    being made when Cancel was pressed may have written over the first answer. The line of an error stays.
    """
    return bar(None, "cancelled") if progress is None or "<progress" in progress else progress


def example(name: str) -> Callable:
    """Return the handler of an example's button."""

    def load() -> tuple:
        video, sheet, verdict = examples.finished(name)
        return (
            fresh(examples.storyboards()[name]),
            video,
            sheet,
            verdict,
            bar(None, FILMED),
            video,
        )

    return load


def add_files(files, board, folder) -> tuple:
    """Take pictures and clips in. Returns the timeline with them, the visitor's folder, and an empty upload field."""
    folder = folder or visitors.new_folder()
    story = board.get("storyboard") if isinstance(board, dict) else None
    fps = story.get("fps", 12) if isinstance(story, dict) else 12
    media = {}
    for number, path in enumerate(files or []):
        try:
            name, shown = visitors.add_upload(path, folder, fps)
            media[name] = shown
        except ValueError as error:
            gr.Warning(html.escape(f"File {number + 1}: {studio.told(error, folder)}", quote=False))
    if not media or not isinstance(story, dict):
        return gr.skip(), folder, None
    return fresh(story, media), folder, None


def grab(seconds, made, board, folder) -> tuple:
    """Put the frame that the film shows now on the timeline, as a new keyframe."""
    folder = folder or visitors.new_folder()
    try:
        own = Path(made).parent in (Path(folder), examples.FOLDER)
        if not own or not isinstance(seconds, int | float) or not 0 <= seconds < 1e4:
            raise MediaError("there is no film to take a frame from; generate one")
        info = probe_video(made)
        index = min(int(seconds * info.fps), info.num_frames - 1)
        picture = Image.fromarray(read_video(made, frames=(index, index + 1))[0])
        name, shown = visitors.add_picture(picture, folder, f"frame {index}")
        return fresh(board["storyboard"], {name: shown}), folder
    except Exception as error:
        raise refuse(error, folder) from error


@guarded
def to_json(board) -> str:
    return json.dumps(board["storyboard"], indent=1, ensure_ascii=False)


@guarded
def from_json(text) -> dict:
    return fresh(stories.with_frames(stories.read_json(text)))


def upscale(video, folder) -> tuple:
    """Enlarge a short video twofold, with its sound. Needs a model with a second stage."""
    folder = folder or visitors.new_folder()
    try:
        return lessons.upscale(video, folder), folder
    except Exception as error:
        raise refuse(error, folder) from error


def generate(
    storyboard: str,
    pictures: list[str] | None,
    seed: int = 0,
    steps: int = studio.DIRECTOR.defaults.steps,
    guidance: float = 1,
):
    """Film a storyboard: pictures at the moments you choose, and text for the rest.

    The storyboard is JSON: description, fps, num_frames or duration, keyframes [{"frame": 12, "image": NAME}], shots
    [{"start_frame": 0, "description": ..., "camera": ...}], clips [{"frame": 0, "video": NAME}]. In place of a frame
    there may be seconds: time, start. NAME is a bundled frame (see bundled_frames) or a number: 0 for the first of
    `pictures`, 1 for the second.

    Args:
        storyboard: the JSON text.
        pictures: pictures and short clips that the storyboard names by number.
        seed: 0 or more; the same seed gives the same film.
        steps: denoising steps.
        guidance: strength of the text; 1 is none.

    Returns:
        The film (mp4), its contact sheet, the report's verdict in words, and the seed.
    """
    folder = visitors.new_folder()
    try:
        value = stories.read_json(storyboard)
        names = [visitors.add_upload(path, folder, value.get("fps", 12))[0] for path in pictures or []]
        _number_to_name(value, names)
        _, options = studio.request(value, folder, seed, steps, guidance)
        *_, news = studio.films(value, folder, options)
        kept = Path(tempfile.mkdtemp(dir=visitors.ROOT))
        made = [shutil.move(news[key], kept) for key in ("video", "sheet")]
        return *map(str, made), news["verdict"], options["seed"]
    except Exception as error:
        raise refuse(error, folder) from error
    finally:
        visitors.remove(folder)


def _number_to_name(value: dict, names: list[str]) -> None:
    for part, key in (("keyframes", "image"), ("clips", "video")):
        for entry in value.get(part) or [] if isinstance(value.get(part), list) else []:
            number = entry.get(key) if isinstance(entry, dict) else None
            if str(number).isascii() and str(number).isdigit():
                if int(number) >= len(names):
                    raise MediaError(f"{part} name picture {str(number)[:20]}, and {len(names)} are given")
                entry[key] = names[int(number)]


def retime(storyboard: str, pacing: str) -> str:
    """The same keyframes at other times. pacing: documentary, suspense or action. JSON text in and out."""
    value = stories.with_frames(stories.read_json(storyboard))
    moved = stories.retimed({"storyboard": value, "pacing": pacing})
    if "error" in moved:
        raise ValueError(moved["error"])
    for part in ("keyframes", "clips"):
        for entry, frame in zip(value[part], moved[part], strict=True):
            entry["frame"] = frame
    for shot, frame in zip(value["shots"][1:], moved["cuts"], strict=True):
        shot["start_frame"] = frame
    return json.dumps(value, ensure_ascii=False)


def bundled_frames() -> list[str]:
    """The names of the bundled frames, which a storyboard may use as keyframes."""
    return list(visitors.bundled())
