"""What one request may ask for, and how long it is expected to take. Named numbers, told in every refusal."""

from dataclasses import dataclass

from smartdirector_lite.storyboard import Storyboard, StoryboardError
from smartdirector_lite.timeline import check_int

MAX_UPLOAD_BYTES = 40_000_000  # one file
MAX_PICTURE_PIXELS = 40_000_000  # looked at before the picture is decoded
MAX_CLIP_SECONDS, MAX_CLIP_FRAMES, MAX_CLIP_PIXELS = 20.0, 600, 2_100_000  # frames of the file; pixels a frame
MAX_FILES = 24  # a visitor's pictures and clips
MAX_KEYFRAMES, MAX_SHOTS, MAX_TEXT = 24, 12, 2_000
MAX_QUEUE = 40  # waiting requests
KEEP_SECONDS = 3_600  # a visitor's files after their last use


@dataclass(frozen=True)
class Limits:
    """frames, steps: of one video; pixels: of one frame; work: frames x pixels x steps; seconds: until it is stopped.

    rate: work done in a second, start: seconds besides, both for the time that a GPU is asked for.
    """

    frames: int
    pixels: int
    steps: int
    work: int
    seconds: float
    rate: float
    start: float


# A CPU's rate is rough, from the bundled model on two busy cores. The GPU's is a guess on the safe side: no GPU was
# at hand. Measure it there (the report line says frames, size, steps and seconds) and put it here.
CPU = Limits(frames=121, pixels=32_000, steps=50, work=30_000_000, seconds=300, rate=150_000, start=5)
GPU = Limits(frames=121, pixels=1_000_000, steps=50, work=5_500_000_000, seconds=600, rate=30_000_000, start=20)


def check_request(storyboard: Storyboard, size: tuple[int, int], steps: int, limits: Limits) -> int:
    """frames x pixels x steps of a request. StoryboardError, which says the limit, for one that is too large.

    size: (width, height) of the draft.
    """
    for name, count, most in (
        ("keyframes and clips", len(storyboard.conditions), MAX_KEYFRAMES),
        ("shots", len(storyboard.shots), MAX_SHOTS),
        ("frames", storyboard.num_frames, limits.frames),
        ("pixels a frame", size[0] * size[1], limits.pixels),
    ):
        if count > most:
            raise StoryboardError(f"{count} {name}: this Space takes at most {most}; use fewer")
    texts = [storyboard.title, storyboard.description, storyboard.negative]
    texts += [text for shot in storyboard.shots for text in (shot.description, shot.camera, *shot.characters)]
    if max(map(len, texts)) > MAX_TEXT:
        raise StoryboardError(f"a text of {max(map(len, texts))} characters: this Space takes {MAX_TEXT}; shorten it")
    try:
        check_int("steps", steps, 1, limits.steps)
    except ValueError as error:
        raise StoryboardError(str(error)) from error
    work = storyboard.num_frames * size[0] * size[1] * steps
    if work > limits.work:
        most = max(1, limits.work // (storyboard.num_frames * size[0] * size[1]))
        raise StoryboardError(
            f"{storyboard.num_frames} frames of {size[0]}x{size[1]} in {steps} steps are too much for one request; "
            f"take at most {most} steps, or a shorter video"
        )
    return work


def expected_seconds(work: int, limits: Limits, both_stages: bool) -> int:
    """Whole seconds to ask a GPU for; the second stage is counted as much as the first."""
    return int(min(limits.seconds, limits.start + work / limits.rate * (2 if both_stages else 1))) + 1
