"""What came of a storyboard: how exactly each keyframe was met, and how smoothly the video passes each chunk border.

Every figure is computed from the finished frames, so that pipelines, benches and evaluation measure the same thing.
Videos are uint8 (T, H, W, 3). Differences are mean absolute ones, in levels from 0 to 255.
"""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from .timeline import ChunkPlan

BESIDE = 2  # frames on either side of a keyframe that should look like it
WINDOW = 4  # steps on either side of a border that count as the motion beside it
STILL = 0.4  # levels; a smaller step counts as no motion
FLASH_RATIO = 2.0  # a jump this many times the motion beside it is seen as a flash
FREEZE_RATIO = 0.35  # a jump below this share of the motion beside it is seen as a halt
CUT_RATIO = 1.5  # a cut that was asked for changes the picture by at least this much
COLOUR_SHIFT = 4.0  # levels; how far the mean colour may change beyond the changes beside the border


@dataclass(frozen=True)
class KeyframeReport:
    """How one frame of a condition compares with the image that was asked for.

    `reconstruction` means that image passed through the VAE alone, which is the best that any latents can give; it is
    the image itself where the restorer shows keyframes as they were given. `beside` means the generated frames next to
    this one, in its shot; both figures are None where there are none.

    Attributes:
        frame: the frame's index.
        l1, psnr: difference to the image, in levels and in dB (infinite where both are equal).
        l1_reconstruction, psnr_reconstruction: the same to the reconstruction.
        sharpness_beside: sharpness of the frames beside over the image's; 1 is as sharp.
        colour_beside: difference of the mean colours, in levels.
    """

    frame: int
    l1: float
    psnr: float
    l1_reconstruction: float
    psnr_reconstruction: float
    sharpness_beside: float | None = None
    colour_beside: float | None = None


@dataclass(frozen=True)
class BorderJump:
    """How far the picture jumps in the step into `frame`, against the motion around that step.

    Attributes:
        frame: the frame's index.
        jump: the difference to the frame before, in levels.
        beside: the median of up to WINDOW steps on either side, within the shot; None where there is no step.
        ratio: jump over beside, where values below STILL count as STILL; None with `beside`.
    """

    frame: int
    jump: float
    beside: float | None
    ratio: float | None


@dataclass(frozen=True)
class BorderReport(BorderJump):
    """The border jump at a chunk's first frame, with a verdict on it.

    Attributes:
        verdict: "flash", "freeze", "colour shift" or "fine"; at a cut that was asked for, "cut" or "no cut".
    """

    verdict: str


@dataclass(frozen=True)
class Report:
    """All measurements of a video.

    Attributes:
        keyframes: one entry for every given frame, sorted by frame.
        borders: one entry for every chunk border, sorted by frame.
        notes: plain sentences.
    """

    keyframes: tuple[KeyframeReport, ...]
    borders: tuple[BorderReport, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        """Return plain values for JSON, in which an infinite PSNR is None."""
        result = asdict(self)
        for keyframe in result["keyframes"]:
            for name in ("psnr", "psnr_reconstruction"):
                keyframe[name] = keyframe[name] if np.isfinite(keyframe[name]) else None
        return result

    def summary(self) -> str:
        """Return a few plain lines for the terminal."""
        lines = []
        if self.keyframes:
            worst = max(self.keyframes, key=lambda keyframe: keyframe.l1)
            mean = np.mean([keyframe.l1 for keyframe in self.keyframes])
            given = f"{len(self.keyframes)} frames given: mean difference {mean:.2f} levels of 255"
            lines.append(f"{given}, at most {worst.l1:.2f} (frame {worst.frame})")
            beside = [keyframe for keyframe in self.keyframes if keyframe.sharpness_beside is not None]
            if beside:
                sharp = np.mean([keyframe.sharpness_beside for keyframe in beside])
                colour = max(keyframe.colour_beside for keyframe in beside)
                seen = f"{100 * sharp:.0f} % as sharp, mean colour at most {colour:.1f} levels off"
                lines.append(f"the frames beside them: {seen}")
        for border in self.borders:
            ratio = "" if border.ratio is None else f" (jump / motion beside it = {border.ratio:.2f})"
            lines.append(f"border at frame {border.frame}: {border.verdict}{ratio}")
        return "\n".join([*lines, *self.notes])


def make_report(
    frames: NDArray,
    plan: ChunkPlan,
    asked: Sequence[NDArray],
    reconstructions: Sequence[NDArray],
    notes: tuple[str, ...] = (),
) -> Report:
    """Report on a finished video.

    Args:
        frames: the video, uint8 (T, H, W, 3).
        plan: the chunks that it was made in.
        asked: for each condition of the plan, in its order, the wanted frames, uint8 (L, H, W, 3).
        reconstructions: the same frames after the VAE alone.
        notes: sentences to pass on.
    """
    given, keyframes = plan.given_frames, []
    for condition, wanted, ideal in zip(plan.conditions, asked, reconstructions, strict=True):
        for k in range(condition.num_frames):
            frame = condition.frame_index + k
            beside = [frames[i] for i in _frames_beside(len(frames), frame, plan.cuts) if i not in given]
            keyframes.append(keyframe_report(frame, frames[frame], wanted[k], ideal[k], beside))
    borders = [border_report(frames, chunk.start, plan.cuts) for chunk in plan.chunks[1:]]
    return Report(tuple(sorted(keyframes, key=lambda keyframe: keyframe.frame)), tuple(borders), notes)


# ---------------------------------------------------------------- measures


def psnr(a: NDArray, b: NDArray) -> float:
    """Return the peak signal-to-noise ratio in dB of two uint8 arrays of one shape; infinite where they are equal."""
    error = float(np.mean(np.square(a.astype(np.float32) - b.astype(np.float32)), dtype=np.float64))
    return float("inf") if error == 0 else 10 * float(np.log10(255.0**2 / error))


def difference(a: NDArray, b: NDArray) -> float:
    """Return the mean absolute difference of two uint8 arrays of one shape, in levels."""
    return float(np.abs(a.astype(np.int16) - b).mean())


def sharpness(image: NDArray) -> float:
    """Return the mean absolute Laplacian of the brightness of a uint8 image (H, W, 3), in levels; 0 for a flat one."""
    y = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return float(np.abs(4 * y[1:-1, 1:-1] - y[:-2, 1:-1] - y[2:, 1:-1] - y[1:-1, :-2] - y[1:-1, 2:]).mean())


def keyframe_report(
    frame: int, shown: NDArray, asked: NDArray, reconstruction: NDArray, beside: Sequence[NDArray] = ()
) -> KeyframeReport:
    """Compare a frame as it is shown with the one that was asked for; all images are uint8 (H, W, 3)."""
    exact = difference(shown, asked), psnr(shown, asked)
    ideal = difference(shown, reconstruction), psnr(shown, reconstruction)
    if not beside:
        return KeyframeReport(frame, *exact, *ideal)
    sharp = float(np.mean([sharpness(image) for image in beside])) / max(sharpness(asked), STILL)
    colour = np.mean([image.mean(axis=(0, 1)) for image in beside], axis=0) - asked.mean(axis=(0, 1))
    return KeyframeReport(frame, *exact, *ideal, sharp, float(np.abs(colour).max()))


def border_jump(frames: NDArray, frame: int, cuts: Collection[int] = ()) -> BorderJump:
    """Measure the step into `frame` (from 1) of a uint8 video against the motion beside it.

    This is the one definition of a border jump. `cuts` are frames where a cut was asked for; steps beyond them, and
    the cuts themselves, are not motion.
    """
    near = _steps_beside(len(frames), frame, cuts)
    jump = difference(frames[frame], frames[frame - 1])
    if not near:
        return BorderJump(frame, jump, None, None)
    beside = float(np.median([difference(frames[i], frames[i - 1]) for i in near]))
    return BorderJump(frame, jump, beside, max(jump, STILL) / max(beside, STILL))


def border_report(frames: NDArray, frame: int, cuts: Collection[int] = ()) -> BorderReport:
    """Judge the step into `frame` (from 1) of a uint8 video; `cuts` are frames where a cut was asked for."""
    border = border_jump(frames, frame, cuts)
    if border.ratio is None:
        verdict = "cut" if frame in cuts else "fine"
    elif frame in cuts:
        verdict = "cut" if border.ratio >= CUT_RATIO else "no cut"
    elif _colour_shift(frames, frame, cuts, border.jump - border.beside):
        verdict = "colour shift"
    elif border.ratio > FLASH_RATIO:
        verdict = "flash"
    elif border.ratio < FREEZE_RATIO:
        verdict = "freeze"
    else:
        verdict = "fine"
    return BorderReport(**asdict(border), verdict=verdict)


def _steps_beside(num_frames: int, frame: int, cuts: Collection[int]) -> list[int]:
    """The frames whose step counts as motion beside the one into `frame`: up to WINDOW on each side, no cut."""
    before = range(frame - 1, max(0, frame - 1 - WINDOW), -1)
    after = range(frame + 1, min(num_frames, frame + 1 + WINDOW))
    return [i for run in (before, after) for i in itertools.takewhile(lambda i: i not in cuts, run)]


def _frames_beside(num_frames: int, frame: int, cuts: Collection[int]) -> list[int]:
    """The frames up to BESIDE before and after `frame` that belong to its shot."""
    start = max([cut for cut in cuts if cut <= frame], default=0)
    stop = min([cut for cut in cuts if cut > frame], default=num_frames)
    return [i for i in range(max(start, frame - BESIDE), min(stop, frame + BESIDE + 1)) if i != frame]


def _colour_shift(frames: NDArray, frame: int, cuts: Collection[int], excess: float) -> bool:
    """Whether the mean colour changes for good in this step.

    The change must be larger than any in the steps beside it, and must make up most of `excess`, which is the jump less
    the motion beside it. A flash changes the colour there and back, and another picture changes much besides the mean
    colour; the ratio of the jumps tells both.
    """

    def change(i: int) -> float:
        return float(np.abs(frames[i].mean(axis=(0, 1)) - frames[i - 1].mean(axis=(0, 1))).max())

    here, near = change(frame), _steps_beside(len(frames), frame, cuts)
    return here > excess / 2 and here - max(change(i) for i in near) > COLOUR_SHIFT
