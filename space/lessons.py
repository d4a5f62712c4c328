"""What the teaching tabs compute: a keyframe in a causal video VAE, temporal indices, anchors.

What needs the model takes `tell`, which hears how much is done; the page reaches it through `studio`, whose line lets
one visitor at a time use the model.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

import examples
import stories
import visitors
from model import DIRECTOR, HAS_SR, STRIDE
from smartdirector_lite.course.figures.base import figure_image
from smartdirector_lite.course.figures.rope import schemes_figure
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.media import contact_sheet, cover_crop, read_image, read_video, to_image
from smartdirector_lite.media.sheets import KEYFRAME_COLOUR
from smartdirector_lite.media.size import Size
from smartdirector_lite.report import psnr
from smartdirector_lite.sr.frames import to_bytes
from smartdirector_lite.timeline import TAU_SCHEMES, ChunkPlan, Condition, check_int
from smartdirector_lite.vae import decode, encode_clip, encode_video
from smartdirector_lite.vae.naive import decode_naive, encode_naive_blank, replace_naive

FPS = 12  # frame rate of the examples
NUM_FRAMES = 25  # frames of the films that the lessons look at
SHOWN = 12  # the frame that is shown first
OTHER = "snow-00.jpg"  # the bundled frame that is put into the film where no other picture is given
NO_SR = (
    "This model has no second stage (director-sr). With SMARTDIRECTOR_MODEL naming one that has, or without it for the "
    "bundled model, this page works."
)


def silent(share: float, words: str, until: float | None = None) -> None:
    """Hear how much is done, and do nothing."""


@cache
def _film(name: str) -> np.ndarray:
    """Return the first frames of an example's draft, uint8 (T, H, W, 3)."""
    frames = read_video(examples.path(f"{name}.draft.mp4"), DIRECTOR.defaults.size, frames=(0, NUM_FRAMES))
    frames.setflags(write=False)
    return frames


def check_inserted(frame: object, picture: Image.Image | str | None) -> tuple[int, Image.Image]:
    """Return the frame's number and the picture that is put there. ValueError for a wrong one.

    Args:
        picture: a picture, the name of a bundled frame, or None for OTHER.
    """
    frame = check_int("frame", frame, 1, NUM_FRAMES - 2)
    if not isinstance(picture, Image.Image):
        name = OTHER if picture is None else picture
        if name not in visitors.bundled():
            raise ValueError(f"{str(name)[:80]!r} is not the name of a bundled frame; give one of them, or a picture")
        picture = read_image(visitors.bundled()[name])
    size = Size(*reversed(_film("butterfly").shape[1:3]))
    return frame, cover_crop(to_image(picture), size)


def inserted(frame: int, picture: Image.Image, tell: Callable = silent) -> dict:
    """Put a picture into a film at a frame, in three ways. Its arguments come from `check_inserted`.

    Returns:
        "frame": its number; "picture": what was put there, uint8 (H, W, 3); "videos": for each way the frames, uint8
        (T, H, W, 3), namely "film" (the film with the picture in it, as it should be), "replaced" (the picture's latent
        in the place of another), "blanks" (the picture among blank frames) and "chunks" (Multi-Chunk); "psnr": for each
        way but "film" how well the picture comes back, in dB.
    """
    vae, picture = DIRECTOR.gen.vae, np.asarray(picture)
    film = _film("butterfly").copy()
    film[frame] = picture
    before = VideoCondition(video=_film("butterfly")).to_tensor(Size(film.shape[2], film.shape[1])).to(vae.device)
    wanted = VideoCondition(video=film).to_tensor(Size(film.shape[2], film.shape[1])).to(vae.device)
    place, alone = [Condition(frame)], [wanted[:, :, frame : frame + 1]]
    plan = ChunkPlan.build(NUM_FRAMES, place, STRIDE)
    tell(0.0, "replacing a latent", until=0.4)
    replaced = decode_naive(vae, NUM_FRAMES, replace_naive(vae, encode_clip(vae, before), place, alone))
    tell(0.4, "blank frames around it", until=0.7)
    blanks = decode_naive(vae, NUM_FRAMES, encode_naive_blank(vae, NUM_FRAMES, place, alone))
    tell(0.7, "a chunk of its own", until=0.99)
    chunks = decode(vae, plan, encode_video(vae, plan, wanted))
    made = {"replaced": to_bytes(replaced), "blanks": to_bytes(blanks), "chunks": to_bytes(chunks)}
    return {
        "frame": frame,
        "picture": picture,
        "videos": {"film": film, **made},
        "psnr": {name: psnr(frames[frame], picture) for name, frames in made.items()},
    }


def naive_sheet(result: dict) -> tuple[Image.Image, str]:
    """Draw what `inserted` returned: a sheet of the frames around the picture, and a sentence with their PSNR."""
    frame = result["frame"]
    shown = range(max(0, frame - 3), min(NUM_FRAMES, frame + 4))
    sheet = contact_sheet(
        [frames[i] for frames in result["videos"].values() for i in shown],
        len(shown),
        [f"{name} {i}" for name in result["videos"] for i in shown],
        [KEYFRAME_COLOUR if i == frame else None for _ in result["videos"] for i in shown],
    )
    replaced, blanks, chunks = (f"{result['psnr'][name]:.1f} dB" for name in ("replaced", "blanks", "chunks"))
    words = f"replaced latent {replaced}, blanks {blanks}, Multi-Chunk {chunks} (more is better)."
    return sheet, f"At frame {frame}: {words}"


def compare_naive(frame: int = 13, picture: Image.Image | str | None = None) -> tuple[Image.Image, str]:
    """Do what `naive_sheet` draws of `inserted`, at once and with no line before the model."""
    return naive_sheet(inserted(*check_inserted(frame, picture)))


def compare_schemes(frames: str = "0, 13, 23", num_frames: int = 30) -> tuple[Image.Image, list[list[str]]]:
    """The temporal index of every latent in each scheme: a figure, and rows.

    A row: latent, last frame, kind, then one column a scheme.

    frames: where keyframes stand, as numbers with commas. num_frames: 1 to 181.
    """
    num_frames = check_int("num_frames", num_frames, 1, 181)
    if not isinstance(frames, str) or len(frames) > 200:
        raise ValueError("frames must be numbers with commas between them, such as 0, 13, 23")
    try:
        places = [int(part) for part in frames.split(",") if part.strip()]
    except ValueError as error:
        raise ValueError(
            f"frames {frames[:40]!r}: write numbers with commas between them, such as 0, 13, 23"
        ) from error
    plan = ChunkPlan.build(num_frames, [Condition(place) for place in places], STRIDE)
    columns = [plan.tau(scheme) for scheme in TAU_SCHEMES]
    rows = [
        [str(i), str(frame), "anchor" if anchor else "", *(f"{column[i]:g}" for column in columns)]
        for i, (frame, anchor) in enumerate(zip(plan.last_frames, plan.anchors, strict=True))
    ]
    return figure_image(schemes_figure(plan, FPS)), rows


ENLARGED: dict[str, np.ndarray] = {}  # what `enlarged` returned, once it was made


def enlarged(tell: Callable = silent) -> dict[str, np.ndarray]:
    """Enlarge a draft by Director-SR "without" anchors and "with" its keyframes as anchors; uint8 (T, H, W, 3) each."""
    keyframes = [
        VideoCondition(image=Image.open(visitors.bundled()[entry["image"]]).convert("RGB"), frame_index=entry["frame"])
        for entry in examples.storyboards()["snow"]["keyframes"]
        if entry["frame"] < NUM_FRAMES
    ]
    made = {}
    for share, name, conditions in ((0.0, "without", []), (0.5, "with", keyframes)):
        tell(share, f"enlarging {name} anchors", until=share + 0.49)
        options = {"num_inference_steps": DIRECTOR.defaults.sr_steps, "output_type": "pt"}
        frames = DIRECTOR.sr(_film("snow"), conditions, **options).frames  # (1, T, 3, H, W) in [0, 1]
        made[name] = to_bytes(frames.transpose(1, 2) * 2 - 1)
    return made


def check_shown(frame: object) -> int:
    """Return the number of a frame of the enlarged draft. ValueError for another one, and without a second stage."""
    frame = check_int("frame", frame, 0, NUM_FRAMES - 1)
    if not HAS_SR:
        raise ValueError(NO_SR)
    return frame


def three_ways(frame: int) -> list[Image.Image]:
    """Return a frame of the draft enlarged by interpolation, by Director-SR without anchors, and with them.

    Raises:
        ValueError: for a frame out of range, and for a model without a second stage.
    """
    frame = check_shown(frame)
    if not ENLARGED:
        ENLARGED.update(enlarged())
    made = [Image.fromarray(ENLARGED[name][frame]) for name in ("without", "with")]
    return [Image.fromarray(_film("snow")[frame]).resize(made[0].size, Image.Resampling.BICUBIC), *made]


def plan(storyboard: str) -> str:
    """How a storyboard (JSON text) is cut into chunks, as a text table."""
    return stories.skeleton(stories.read_json(storyboard)).plan(STRIDE).table()
