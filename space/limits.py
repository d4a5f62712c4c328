"""What one request may ask for, and how long it is expected to take. Every refusal tells the limit that it is about."""

from dataclasses import dataclass

from smartdirector_lite.storyboard import Storyboard, StoryboardError

MAX_UPLOAD_BYTES = 40_000_000  # one file
MAX_PICTURE_PIXELS = 40_000_000  # looked at before the picture is decoded
MAX_CLIP_SECONDS = 20.0
MAX_CLIP_FRAMES = 600  # frames of the file, whatever the storyboard's frame rate
MAX_CLIP_PIXELS = 2_100_000  # pixels of one frame
MAX_FILES = 24  # a visitor's pictures and clips
MAX_KEYFRAMES, MAX_SHOTS, MAX_TEXT = 24, 12, 2_000
MAX_QUEUE = 40  # waiting requests
KEEP_SECONDS = 3_600  # a visitor's files after their last use


@dataclass(frozen=True)
class Limits:
    """What one film may need.

    Attributes:
        frames: frames of the video.
        pixels: pixels of one frame.
        steps: denoising steps.
        work: frames x pixels x steps.
        seconds: the time after which a film is stopped.
        rate, start: work done in a second, and seconds besides; they give the time that a GPU is asked for.
    """

    frames: int
    pixels: int
    steps: int
    work: int
    seconds: float
    rate: float
    start: float


# The CPU's rate was measured with the bundled model on two busy cores. The GPU's rate is a guess on the safe side;
# space/README.md says how it was reached.
CPU = Limits(frames=121, pixels=32_000, steps=50, work=30_000_000, seconds=300, rate=150_000, start=5)
GPU = Limits(frames=121, pixels=1_000_000, steps=50, work=5_500_000_000, seconds=600, rate=30_000_000, start=20)


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
            raise StoryboardError(f"{count} {name}: this Space takes at most {most}; use fewer")
    texts = [storyboard.title, storyboard.description, storyboard.negative]
    texts += [text for shot in storyboard.shots for text in (shot.description, shot.camera, *shot.characters)]
    if max(map(len, texts)) > MAX_TEXT:
        raise StoryboardError(f"a text of {max(map(len, texts))} characters: this Space takes {MAX_TEXT}; shorten it")
    work = storyboard.num_frames * size[0] * size[1] * steps
    if work > limits.work:
        most = max(1, limits.work // (storyboard.num_frames * size[0] * size[1]))
        raise StoryboardError(
            f"{storyboard.num_frames} frames of {size[0]}x{size[1]} in {steps} steps are too much for one request; "
            f"take at most {most} steps, or a shorter video"
        )
    return work


def expected_seconds(work: int, limits: Limits, both_stages: bool) -> int:
    """Return for how many whole seconds to ask for a GPU; the second stage counts as much as the first."""
    return int(min(limits.seconds, limits.start + work / limits.rate * (2 if both_stages else 1))) + 1
