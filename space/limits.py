"""What one request may ask for, and how long it is expected to take. Every refusal tells the limit that it is about."""

from dataclasses import dataclass

from smartdirector_lite.storyboard import Storyboard, StoryboardError

MAX_UPLOAD_BYTES = 100_000_000  # one file
MAX_CLIP_SECONDS = 20.0
MAX_CLIP_FRAMES = 600  # frames of the file, whatever the storyboard's frame rate
MAX_CLIP_PIXELS = 9_000_000  # pixels of one frame: 4K and a little more
KEPT_PIXELS = 1_000_000  # pixels of one frame of a clip that is kept; larger ones are made smaller
KEPT_SIDE = 1_536  # pixels of the longer side of a picture that is kept; larger ones are made smaller
MAX_FILES = 24  # a visitor's pictures and clips
MAX_KEYFRAMES, MAX_SHOTS, MAX_TEXT = 24, 12, 2_000
MAX_QUEUE = 40  # requests in the line before the model
KEEP_SECONDS = 3_600  # a visitor's files after their last use


@dataclass(frozen=True)
class Limits:
    """What one request may need, and how fast the machine is.

    Attributes:
        frames: frames of a film.
        pixels: pixels of one frame of its draft.
        steps: denoising steps.
        work: frames x pixels x steps.
        enlarged: frames x pixels of a video that is given to be enlarged.
        seconds: the time after which a request is stopped.
        start: seconds that every request takes besides.
        rate: frames x pixels x steps that a film's draft makes in a second.
        second_stage: how many times as long as the draft the second stage takes.
        enlarging: frames x pixels of a given video that are enlarged in a second.
    """

    frames: int
    pixels: int
    steps: int
    work: int
    enlarged: int
    seconds: float
    start: float
    rate: float
    second_stage: float
    enlarging: float


# The bundled model on one core made the draft of 49 frames in 12 steps in 10 s, the whole film in 29 s, and enlarged
# 10,000 pixels a second. `line.Line` measures how a machine differs from that. The GPU's values are guesses on the safe
# side; space/README.md says how they were reached.
CPU = Limits(
    frames=121,
    pixels=32_000,
    steps=50,
    work=30_000_000,
    enlarged=600_000,
    seconds=300,
    start=2,
    rate=400_000,
    second_stage=1.8,
    enlarging=10_000,
)
GPU = Limits(
    frames=121,
    pixels=1_000_000,
    steps=50,
    work=5_500_000_000,
    enlarged=60_000_000,
    seconds=600,
    start=20,
    rate=30_000_000,
    second_stage=1.0,
    enlarging=2_000_000,
)


def readable(count: float) -> str:
    """A number as people read it: 121, 1,441, 8.3 million, 20.5."""
    if count >= 1_000_000:
        return f"{count / 1e6:.1f}".removesuffix(".0") + " million"
    return f"{count:,.1f}".removesuffix(".0")


def check_request(storyboard: Storyboard, size: tuple[int, int], steps: int, limits: Limits) -> int:
    """Return frames x pixels x steps of a request. StoryboardError, which tells the limit, for one that is too large.

    Args:
        size: the size of the draft.
    """
    for name, count, most in (
        ("keyframes and clips", len(storyboard.conditions), MAX_KEYFRAMES),
        ("shots", len(storyboard.shots), MAX_SHOTS),
        ("frames", storyboard.num_frames, limits.frames),
        ("pixels a frame", size[0] * size[1], limits.pixels),
    ):
        if count > most:
            raise StoryboardError(
                f"{readable(count)} {name}: this Space takes at most {readable(most)}; use fewer"
                + (f" ({most / storyboard.fps:.1f} s at {storyboard.fps:g} fps)" if name == "frames" else "")
            )
    texts = [storyboard.title, storyboard.description, storyboard.negative]
    texts += [text for shot in storyboard.shots for text in (shot.description, shot.camera, *shot.characters)]
    if max(map(len, texts)) > MAX_TEXT:
        raise StoryboardError(
            f"a text of {readable(max(map(len, texts)))} characters: this Space takes {readable(MAX_TEXT)}; shorten it"
        )
    work = storyboard.num_frames * size[0] * size[1] * steps
    if work > limits.work:
        most = max(1, limits.work // (storyboard.num_frames * size[0] * size[1]))
        raise StoryboardError(
            f"{storyboard.num_frames} frames of {size[0]}x{size[1]} in {steps} steps are too much for one request; "
            f"take at most {most} steps, or a shorter video"
        )
    return work


def seconds_of_film(work: int, limits: Limits, both_stages: bool) -> float:
    """How long a film of so many frames x pixels x steps is expected to take."""
    return limits.start + work / limits.rate * (1 + limits.second_stage * both_stages)


def seconds_of_enlarging(pixels: int, limits: Limits) -> float:
    """How long it is expected to take to enlarge a video of so many frames x pixels."""
    return limits.start + pixels / limits.enlarging
