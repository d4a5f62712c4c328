"""The teaching tabs: what a keyframe does to a causal video VAE, temporal indices, anchors, and the upscaler."""

import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

import filming
import stories
import visitors
from smartdirector_lite.media import MediaError, contact_sheet, probe_video, read_video, write_video
from smartdirector_lite.multichunk import decode, encode_clip, encode_video
from smartdirector_lite.naive import decode_naive, replace_naive
from smartdirector_lite.pipelines import VideoCondition
from smartdirector_lite.pipelines.sizes import to_bytes
from smartdirector_lite.report import psnr
from smartdirector_lite.timeline import TAU_SCHEMES, ChunkPlan, Condition, check_int
from smartdirector_lite.upscale import upscale_video
from studio import DIRECTOR, HAS_SR, STRIDE

EXAMPLES = Path(__file__).parent / "examples"
NUM_FRAMES = 25  # of the film that keyframes are put into
NO_SR = (
    "The bundled model has no second stage yet: its code is there and tested, its training is not done. "
    "With SMARTDIRECTOR_MODEL naming a model that has one, this page works."
)


@cache
def _film() -> np.ndarray:
    width, height = DIRECTOR.size
    frames = read_video(EXAMPLES / "butterfly.mp4", stop=NUM_FRAMES, size=(width, height))
    frames.setflags(write=False)
    return frames


def compare_naive(frame: int = 13) -> tuple[Image.Image, str]:
    """Put a picture into a film at a frame, the naive way and as a chunk of its own.

    frame: 1 to 23. Returns a sheet of the frames around it (film, naive, Multi-Chunk) and a sentence with their PSNR
    at the picture, in dB.
    """
    check_int("frame", frame, 1, NUM_FRAMES - 2)
    film, vae = _film(), DIRECTOR.gen.vae
    with filming.alone():
        video = VideoCondition(video=film, frame_index=0).to_tensor(*film.shape[1:3]).to(vae.device)
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
        ["#e8a33d" if i == frame else None for _ in names for i in shown],
    )
    naive_db, our_db = (psnr(row[frame], film[frame]) for row in rows[1:])
    return sheet, f"At frame {frame}: naive insertion {naive_db:.1f} dB, Multi-Chunk {our_db:.1f} dB (more is better)."


def compare_schemes(frames: str = "0, 13, 23", num_frames: int = 30) -> list[list[str]]:
    """The temporal index of every latent in each scheme: rows (latent, last frame, anchor, one column a scheme).

    frames: where keyframes stand, as numbers with commas. num_frames: 1 to 181.
    """
    check_int("num_frames", num_frames, 1, 181)
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
    return [
        [str(i), str(frame), "anchor" if anchor else "", *(f"{column[i]:g}" for column in columns)]
        for i, (frame, anchor) in enumerate(zip(plan.last_frames, plan.anchors, strict=True))
    ]


def compare_anchors(frame: int = 12) -> tuple[tuple[Image.Image, Image.Image], Image.Image]:
    """One frame of a bundled film: enlarged and with Director-SR without anchors, then with. ValueError without SR."""
    check_int("frame", frame, 0, NUM_FRAMES - 1)
    if not HAS_SR:
        raise ValueError(NO_SR)
    small = _film()
    with filming.alone(), tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "small.mp4"
        write_video(source, small, 12)
        picture = visitors.bundled()["butterfly-00.jpg"]
        made = []
        for name, keyframes in (("without", {}), ("with", {0: picture})):
            out = Path(folder) / f"{name}.mp4"
            upscale_video(DIRECTOR.sr, source, out, keyframes, steps=DIRECTOR.sr_steps, progress=False)
            made.append(Image.fromarray(read_video(out)[frame]))
    large = Image.fromarray(small[frame]).resize(made[0].size, Image.Resampling.BICUBIC)
    return (large, made[1]), made[0]


def upscale(video: str, folder: str) -> str:
    """Enlarge a short video twofold with Director-SR: the path of the new one. ValueError, one line."""
    if not HAS_SR:
        raise ValueError(NO_SR)
    if not video:
        raise MediaError("no video is given; add one")
    info = probe_video(video)
    visitors.check_clip(info)
    if info.width * info.height * 4 > visitors.limits.MAX_CLIP_PIXELS:
        raise MediaError(f"{info.width}x{info.height} enlarged is over the limit; take a smaller video")
    out = Path(folder) / f"large-{time.time_ns()}.mp4"
    with filming.alone():
        upscale_video(DIRECTOR.sr, video, out, steps=DIRECTOR.sr_steps, progress=False)
    return str(out)


def plan_table(storyboard: str) -> str:
    """How a storyboard (JSON text) is cut into chunks, as a text table."""
    return stories.skeleton(stories.read_json(storyboard)).plan(STRIDE).table()
