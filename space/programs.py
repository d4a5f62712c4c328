"""The calls for programs, through gradio_client and MCP. All of them are here; what the page itself calls is private.

MCP takes no list of files, so that pictures are parameters of their own. A call that needs the model is a generator:
it tells its place in the line and how much is done, and ends when whoever called goes away.
"""

import html
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path

import gradio as gr

import lessons
import limits
import stories
import studio
import visitors
from smartdirector_lite.media import MediaError

WAITS = {"concurrency_limit": limits.MAX_QUEUE, "concurrency_id": "model"}  # the line lets one through at a time
STEPS, GUIDANCE = studio.DIRECTOR.defaults.steps, studio.DIRECTOR.defaults.guidance_scale
SENT = 8  # pictures and clips that a program may send with a storyboard


def refused(function: Callable) -> Callable:
    """Return the function with its errors turned into one line, in which fields have the names of the storyboard."""

    def error(caught: Exception) -> gr.Error:
        words = visitors.plain(caught) if isinstance(caught, ValueError) else studio.told(caught)
        return gr.Error(html.escape(words, quote=False), print_exception=not studio.is_told(caught))

    @wraps(function)
    def call(*arguments):
        try:
            return function(*arguments)
        except Exception as caught:
            raise error(caught) from caught

    @wraps(function)
    def calls(*arguments):
        try:
            yield from function(*arguments)
        except Exception as caught:
            raise error(caught) from caught

    return calls if function.__name__ in GENERATORS else call


GENERATORS = ("generate", "compare_naive", "compare_anchors", "upscale")


def _last(news: Iterator[dict], progress: gr.Progress, outputs: int) -> Iterator[object]:
    """Yield nothing new for each of the outputs while the work goes on. Returns the last news."""
    told = {}
    for told in news:
        progress((round(100 * (told["share"] or 0)), 100), desc=told["words"])
        yield (gr.skip(),) * outputs if outputs > 1 else gr.skip()
    return told


def generate(
    storyboard: str,
    picture_0: str | None = None,
    picture_1: str | None = None,
    picture_2: str | None = None,
    picture_3: str | None = None,
    picture_4: str | None = None,
    picture_5: str | None = None,
    picture_6: str | None = None,
    picture_7: str | None = None,
    seed: float = 0,
    steps: float = STEPS,
    guidance: float = GUIDANCE,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> Iterator[tuple]:
    """Film a storyboard: pictures at the moments you choose, and text for the rest.

    The storyboard is JSON text. It needs "num_frames" or "duration" (seconds), and takes "description", "fps",
    "keyframes" [{"frame": 12, "image": NAME}], "clips" [{"frame": 0, "video": NAME}] and "shots" [{"start_frame": 0,
    "description": "...", "camera": "..."}]. In place of a frame there may be seconds: "time", "start". NAME is "0" for
    picture_0, "1" for picture_1 and so on, or the name of a bundled frame (see bundled_frames). No picture is needed.

    Args:
        storyboard: the storyboard as JSON text.
        picture_0: a picture or a short clip, which the storyboard names "0".
        picture_1: another one, "1".
        picture_2: another one, "2".
        picture_3: another one, "3".
        picture_4: another one, "4".
        picture_5: another one, "5".
        picture_6: another one, "6".
        picture_7: another one, "7".
        seed: a whole number from 0; the same seed gives the same film.
        steps: a whole number of denoising steps.
        guidance: how strictly the film follows the text; 1 is not at all.

    Returns:
        film: the film, mp4.
        sheet: a contact sheet of it, in which given frames are outlined.
        verdict: how it went, in words.
        seed: the seed.
    """
    folder = visitors.new_folder()
    sent = (picture_0, picture_1, picture_2, picture_3, picture_4, picture_5, picture_6, picture_7)
    try:
        value = stories.read_json(storyboard)
        fps = value.get("fps", 12)
        names = [None if path is None else visitors.add_upload(path, folder, fps)[0] for path in sent]
        _number_to_name(value, names)
        _, options = studio.request(value, folder, seed, steps, guidance)
        made = yield from _last(studio.films(value, folder, options), progress, 4)
        yield *_kept(made["video"], made["sheet"]), made["verdict"], made["seed"]
    finally:
        visitors.remove(folder)


def _number_to_name(value: dict, names: list[str | None]) -> None:
    """Put the names that the files have here in the place of their numbers."""
    for part, key in (("keyframes", "image"), ("clips", "video")):
        for index, entry in enumerate(value.get(part) or [] if isinstance(value.get(part), list) else []):
            number = entry.get(key) if isinstance(entry, dict) else None
            if isinstance(number, float) and number.is_integer():
                number = int(number)
            if str(number).isascii() and str(number).isdigit():
                if int(number) >= len(names) or names[int(number)] is None:
                    raise MediaError(f"{part}[{index}] names picture_{str(number)[:20]}, which is not given")
                entry[key] = names[int(number)]


def _kept(*paths: str) -> list[str]:
    """Move what was made to a folder of its own, which is deleted an hour later, and return where it is."""
    kept = Path(tempfile.mkdtemp(dir=visitors.ROOT))
    return [str(shutil.move(path, kept)) for path in paths]


def plan(storyboard: str) -> str:
    """How a storyboard is cut into chunks, as a text table.

    Args:
        storyboard: the storyboard as JSON text; see generate.

    Returns:
        table: the chunks.
    """
    return lessons.plan(storyboard)


def retime(storyboard: str, pacing: str) -> str:
    """The same keyframes at other times.

    Args:
        storyboard: the storyboard as JSON text; see generate.
        pacing: documentary, suspense or action.

    Returns:
        storyboard: the new storyboard as JSON text.
    """
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
    """The names of the bundled frames, which a storyboard may use as pictures.

    Returns:
        names: the names.
    """
    return list(visitors.bundled())


def compare_naive(
    frame: float = 13,
    picture: str | None = None,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> Iterator[tuple]:
    """Put a picture into a film at a frame: two naive ways of a causal video VAE, and Multi-Chunk.

    Args:
        frame: a whole number from 1 to 23.
        picture: the picture; without one a bundled frame is put in.

    Returns:
        sheet: the frames around it; rows: the film, a replaced latent, blanks, chunks.
        words: how well the picture comes back in each way, in dB of PSNR.
    """
    image = None if picture is None else visitors.read_upload(picture)
    made = yield from _last(studio.compared(frame, image), progress, 2)
    yield lessons.naive_sheet(made["result"])


def compare_schemes(frames: str = "0, 13, 23", num_frames: float = 30) -> tuple:
    """The temporal index of every latent in each scheme.

    Args:
        frames: where keyframes stand, as numbers with commas.
        num_frames: a whole number of frames from 1 to 181.

    Returns:
        figure: the index against time.
        rows: for each latent its number, the last frame it shows, its kind, and its index in each scheme.
    """
    return lessons.compare_schemes(frames, num_frames)


def compare_anchors(frame: float = lessons.SHOWN, progress: gr.Progress = gr.Progress()) -> Iterator[tuple]:  # noqa: B008
    """One frame of a bundled draft: enlarged by interpolation, by Director-SR, and by Director-SR with anchors.

    Args:
        frame: a whole number from 0 to 24; keyframes, the anchors, stand at 0, 12 and 21.

    Returns:
        interpolated: the frame as interpolation enlarges it.
        without: as Director-SR enlarges it without anchors.
        anchored: as Director-SR enlarges it with the keyframes as anchors.
    """
    made = yield from _last(studio.three_ways(frame), progress, 3)
    yield tuple(made["result"])


def upscale(video: str, progress: gr.Progress = gr.Progress()) -> Iterator[object]:  # noqa: B008
    """Enlarge a short video twofold, with its sound.

    Args:
        video: the video.

    Returns:
        film: the large video, mp4.
    """
    folder = visitors.new_folder()
    try:
        made = yield from _last(studio.upscales(video, folder), progress, 1)
        yield _kept(made["video"])[0]
    finally:
        visitors.remove(folder)


def build() -> None:
    """Build the calls, which the page does not show."""
    with gr.Column(visible=False):
        story, pacing = gr.Textbox(label="storyboard"), gr.Textbox(label="pacing")
        frames = gr.Textbox("0, 13, 23", label="frames")
        sent = [gr.File(label=f"picture_{number}") for number in range(SENT)]
        seed, steps, guidance = gr.Number(0, label="seed"), gr.Number(STEPS, label="steps"), gr.Number(GUIDANCE)
        frame, shown, length = gr.Number(13), gr.Number(lessons.SHOWN), gr.Number(30, label="num_frames")
        picture, video = gr.File(label="picture"), gr.File(label="video")
        film, sheet, figure = gr.Video(label="film"), gr.Image(label="sheet", type="filepath"), gr.Image(label="figure")
        verdict, used, words = gr.Textbox(label="verdict"), gr.Number(label="seed"), gr.Textbox(label="words")
        table, moved, names = gr.Textbox(label="table"), gr.Textbox(label="storyboard"), gr.JSON(label="names")
        rows = gr.Dataframe(headers=["latent", "last frame", "kind", *lessons.TAU_SCHEMES], label="rows")
        pairs = [gr.Image(label=name) for name in ("interpolated", "without", "anchored")]
        go = gr.Button()
        for function, inputs, outputs in (
            (generate, [story, *sent, seed, steps, guidance], [film, sheet, verdict, used]),
            (plan, story, table),
            (retime, [story, pacing], moved),
            (bundled_frames, None, names),
            (compare_naive, [frame, picture], [sheet, words]),
            (compare_schemes, [frames, length], [figure, rows]),
            (compare_anchors, shown, pairs),
            (upscale, video, film),
        ):
            waits = WAITS if function.__name__ in GENERATORS else {}
            go.click(refused(function), inputs, outputs, api_name=function.__name__, **waits)
