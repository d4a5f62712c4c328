"""What the teaching tabs compute: a keyframe in a causal video VAE, temporal indices, anchors, and the upscaler."""

import time
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

import examples
import filming
import limits
import stories
import visitors
from smartdirector_lite.course.figures.base import figure_image
from smartdirector_lite.course.figures.rope import schemes_figure
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.media import MediaError, contact_sheet, probe_video, read_video
from smartdirector_lite.media.sheets import KEYFRAME_COLOUR
from smartdirector_lite.media.size import Size
from smartdirector_lite.report import psnr
from smartdirector_lite.sr.frames import to_bytes
from smartdirector_lite.sr.pipeline import SROptions
from smartdirector_lite.sr.upscale import TILE, upscale_video
from smartdirector_lite.timeline import TAU_SCHEMES, ChunkPlan, Condition, check_int
from smartdirector_lite.vae import decode, encode_clip, encode_video
from smartdirector_lite.vae.naive import decode_naive, replace_naive
from studio import DIRECTOR, HAS_SR, STRIDE

FPS = 12  # frame rate of the examples
NUM_FRAMES = 25  # frames of the films that the lessons look at
SHOWN = 12  # the frame that is shown first
MAX_SOURCE_PIXELS = limits.MAX_CLIP_PIXELS // 4  # pixels of a frame that may be enlarged
NO_SR = (
    "This model has no second stage (director-sr). With SMARTDIRECTOR_MODEL naming one that has, or without it for the "
    "bundled model, this page works."
)


@cache
def _film(name: str) -> np.ndarray:
    """Return the first frames of an example's draft, uint8 (T, H, W, 3)."""
    frames = read_video(examples.path(f"{name}.draft.mp4"), DIRECTOR.defaults.size, frames=(0, NUM_FRAMES))
    frames.setflags(write=False)
    return frames


def compare_naive(frame: int = 13) -> tuple[Image.Image, str]:
    """Put a picture into a film at a frame, the naive way and as a chunk of its own.

    frame: 1 to 23. Returns a sheet of the frames around it (film, naive, Multi-Chunk) and a sentence with their PSNR
    at the picture, in dB.
    """
    frame = check_int("frame", frame, 1, NUM_FRAMES - 2)
    film, vae = _film("butterfly"), DIRECTOR.gen.vae
    with filming.alone():
        video = VideoCondition(video=film).to_tensor(Size(film.shape[2], film.shape[1])).to(vae.device)
        place, picture = [Condition(frame)], video[:, :, frame : frame + 1]
        naive = decode_naive(vae, NUM_FRAMES, replace_naive(vae, encode_clip(vae, video), place, [picture]))
        plan = ChunkPlan.build(NUM_FRAMES, place, STRIDE)
        ours = decode(vae, plan, encode_video(vae, plan, video))
    rows = [film, to_bytes(naive), to_bytes(ours)]
    shown = range(max(0, frame - 3), min(NUM_FRAMES, frame + 4))
    names = ("film", "naive", "chunks")
    sheet = contact_sheet(
        [row[i] for row in rows for i in shown],
        len(shown),
        [f"{name} {i}" for name in names for i in shown],
        [KEYFRAME_COLOUR if i == frame else None for _ in names for i in shown],
    )
    naive_db, our_db = (psnr(row[frame], film[frame]) for row in rows[1:])
    return sheet, f"At frame {frame}: naive insertion {naive_db:.1f} dB, Multi-Chunk {our_db:.1f} dB (more is better)."


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


@cache
def _enlarged(anchored: bool) -> np.ndarray:
    """Return what the second stage makes of the draft, with its keyframes as anchors or without any, as uint8."""
    keyframes = [
        VideoCondition(image=Image.open(visitors.bundled()[entry["image"]]).convert("RGB"), frame_index=entry["frame"])
        for entry in examples.storyboards()["snow"]["keyframes"]
        if anchored and entry["frame"] < NUM_FRAMES
    ]
    options = {"num_inference_steps": DIRECTOR.defaults.sr_steps, "output_type": "pt"}
    frames = DIRECTOR.sr(_film("snow"), keyframes, **options).frames  # (1, T, 3, H, W) in [0, 1]
    return to_bytes(frames.transpose(1, 2) * 2 - 1)


def three_ways(frame: int) -> list[Image.Image]:
    """Return a frame of the draft enlarged by interpolation, by Director-SR without anchors, and with them.

    Raises:
        ValueError: for a frame out of range, and for a model without a second stage.
    """
    frame = check_int("frame", frame, 0, NUM_FRAMES - 1)
    if not HAS_SR:
        raise ValueError(NO_SR)
    with filming.alone():
        made = [Image.fromarray(_enlarged(anchored)[frame]) for anchored in (False, True)]
    return [Image.fromarray(_film("snow")[frame]).resize(made[0].size, Image.Resampling.BICUBIC), *made]


def compare_anchors(frame: int = SHOWN) -> tuple[tuple[Image.Image, Image.Image], tuple[Image.Image, Image.Image]]:
    """One frame of a bundled draft in pairs: (LR, SR with anchors) and (SR without, SR with). Needs a second stage.

    frame: 0 to 24; keyframes, the anchors, stand at 0, 12 and 21.
    """
    low, without, anchored = three_ways(frame)
    return (low, anchored), (without, anchored)


def upscale(video: str, folder: str) -> str:
    """Enlarge a short video twofold with Director-SR, and return the new one's path. ValueError, one line."""
    if not HAS_SR:
        raise ValueError(NO_SR)
    if not video:
        raise MediaError("no video is given; add one")
    info = probe_video(video)
    visitors.check_clip(info)
    if info.size.width * info.size.height > MAX_SOURCE_PIXELS:
        raise MediaError(
            f"{info.size}: at most {MAX_SOURCE_PIXELS} pixels a frame are enlarged; take a smaller video"
        )
    out = Path(folder) / f"large-{time.time_ns()}.mp4"
    with filming.alone():
        options = SROptions(DIRECTOR.defaults.sr_steps, tile=TILE)
        upscale_video(DIRECTOR.sr, video, out, options=options, progress=False)
    return str(out)


def plan(storyboard: str) -> str:
    """How a storyboard (JSON text) is cut into chunks, as a text table."""
    return stories.skeleton(stories.read_json(storyboard)).plan(STRIDE).table()
