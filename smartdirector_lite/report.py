"""What came of a storyboard: how exactly each keyframe was met, and how smoothly the video passes each chunk border.

Every figure is computed from the finished frames, so the same report serves the pipeline, the demo and the benches.
Differences are mean absolute ones, in levels of 255.
"""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from .timeline import ChunkPlan

BESIDE = 2  # frames on either side of a keyframe that should look like it
WINDOW = 4  # steps on either side of a border that count as the motion beside it
STILL = 0.4  # levels: less motion than this is none
FLASH_RATIO = 2.0  # a larger jump over a border, against the motion beside it, is seen as a flash
FREEZE_RATIO = 0.35  # a smaller one as a halt
CUT_RATIO = 1.5  # a cut that was asked for changes the picture by at least this much
COLOUR_SHIFT = 4.0  # levels: a change of the mean colour beyond those beside the border


@dataclass(frozen=True)
class KeyframeReport:
    """One frame of a condition, compared with the image that was asked for.

    l1: levels of 255. psnr: dB, infinite where the two are equal. The next two compare with that image passed through
    the VAE alone, which is the best that any latents can give; or with the image itself, where a restorer shows it. The
    last two tell whether its look carries over to the frames beside it, within the shot (None where there are none):
    their sharpness over the image's, 1 for as sharp, and the difference of the mean colours, in levels.
    """

    frame: int
    l1: float
    psnr: float
    l1_reconstruction: float
    psnr_reconstruction: float
    sharpness_beside: float | None = None
    colour_beside: float | None = None


@dataclass(frozen=True)
class BorderReport:
    """The step into frame `frame`, where a chunk begins.

    jump: difference to the frame before. beside: the median of the steps around it, within the shot. ratio: jump /
    beside. Both None where there is no step to compare with. verdict: flash, freeze, colour shift or fine; where a cut
    was asked for, cut or no cut.
    """

    frame: int
    jump: float
    beside: float | None
    ratio: float | None
    verdict: str


@dataclass(frozen=True)
class Report:
    """keyframes: by frame, every frame of a clip too. borders: by frame. notes: plain sentences."""

    keyframes: tuple[KeyframeReport, ...]
    borders: tuple[BorderReport, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        """Plain values for JSON; an infinite PSNR becomes None."""
        result = asdict(self)
        for keyframe in result["keyframes"]:
            for name in ("psnr", "psnr_reconstruction"):
                keyframe[name] = keyframe[name] if np.isfinite(keyframe[name]) else None
        return result

    def summary(self) -> str:
        """A few plain lines for the terminal."""
        lines = []
        if self.keyframes:
            worst = max(self.keyframes, key=lambda keyframe: keyframe.l1)
            mean = np.mean([keyframe.l1 for keyframe in self.keyframes])
            lines.append(
                f"{len(self.keyframes)} frames given: mean difference {mean:.2f} levels of 255, "
                f"at most {worst.l1:.2f} (frame {worst.frame})"
            )
            beside = [keyframe for keyframe in self.keyframes if keyframe.sharpness_beside is not None]
            if beside:
                sharp = np.mean([keyframe.sharpness_beside for keyframe in beside])
                colour = max(keyframe.colour_beside for keyframe in beside)
                lines.append(
                    f"the frames beside them: {100 * sharp:.0f} % as sharp, mean colour at most {colour:.1f} levels off"
                )
        for border in self.borders:
            ratio = "" if border.ratio is None else f" (jump / motion beside it = {border.ratio:.2f})"
            lines.append(f"border at frame {border.frame}: {border.verdict}{ratio}")
        return "\n".join([*lines, *self.notes])


def psnr(a: NDArray, b: NDArray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 arrays of one shape; infinite where they are equal."""
    error = float(np.mean(np.square(a.astype(np.float32) - b.astype(np.float32)), dtype=np.float64))
    return float("inf") if error == 0 else 10 * float(np.log10(255.0**2 / error))


def difference(a: NDArray, b: NDArray) -> float:
    """Mean absolute difference of two uint8 arrays of one shape, in levels of 255."""
    return float(np.abs(a.astype(np.int16) - b).mean())


def sharpness(image: NDArray) -> float:
    """Mean absolute Laplacian of the brightness of a uint8 image (H, W, 3), in levels; 0 for a flat one."""
    y = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return float(np.abs(4 * y[1:-1, 1:-1] - y[:-2, 1:-1] - y[2:, 1:-1] - y[1:-1, :-2] - y[1:-1, 2:]).mean())


def keyframe_report(
    frame: int, shown: NDArray, asked: NDArray, reconstruction: NDArray, beside: Sequence[NDArray] = ()
) -> KeyframeReport:
    """Compare the frame that is shown; all images are uint8 (H, W, 3). beside: the generated frames next to it."""
    exact = difference(shown, asked), psnr(shown, asked)
    ideal = difference(shown, reconstruction), psnr(shown, reconstruction)
    if not beside:
        return KeyframeReport(frame, *exact, *ideal)
    sharp = float(np.mean([sharpness(image) for image in beside])) / max(sharpness(asked), STILL)
    colour = np.mean([image.mean(axis=(0, 1)) for image in beside], axis=0) - asked.mean(axis=(0, 1))
    return KeyframeReport(frame, *exact, *ideal, sharp, float(np.abs(colour).max()))


def border_report(frames: NDArray, frame: int, cuts: Collection[int] = ()) -> BorderReport:
    """Judge the step into `frame` (from 1) of a uint8 video (T, H, W, 3). cuts: frames where a cut was asked for."""
    near = _steps_beside(len(frames), frame, cuts)
    jumps = {i: difference(frames[i], frames[i - 1]) for i in (*near, frame)}
    if not near:
        return BorderReport(frame, jumps[frame], None, None, "cut" if frame in cuts else "fine")
    jump, beside = jumps[frame], float(np.median([jumps[i] for i in near]))
    ratio = max(jump, STILL) / max(beside, STILL)
    if frame in cuts:
        verdict = "cut" if ratio >= CUT_RATIO else "no cut"
    elif _colour_shift(frames, frame, near, jump - beside):
        verdict = "colour shift"
    elif ratio > FLASH_RATIO:
        verdict = "flash"
    elif ratio < FREEZE_RATIO:
        verdict = "freeze"
    else:
        verdict = "fine"
    return BorderReport(frame, jump, beside, ratio, verdict)


def _steps_beside(num_frames: int, frame: int, cuts: Collection[int]) -> list[int]:
    """The frames whose step belongs to the motion beside the one into `frame`: up to WINDOW on each side, no cut."""
    result = []
    before = range(frame - 1, max(0, frame - 1 - WINDOW), -1)
    after = range(frame + 1, min(num_frames, frame + 1 + WINDOW))
    for run in (before, after):
        result += itertools.takewhile(lambda i: i not in cuts, run)
    return result


def _frames_beside(num_frames: int, frame: int, cuts: Collection[int]) -> list[int]:
    """The frames up to BESIDE before and after `frame` that belong to its shot."""
    start = max([cut for cut in cuts if cut <= frame], default=0)
    stop = min([cut for cut in cuts if cut > frame], default=num_frames)
    return [i for i in range(max(start, frame - BESIDE), min(stop, frame + BESIDE + 1)) if i != frame]


def _colour_shift(frames: NDArray, frame: int, near: list[int], excess: float) -> bool:
    """Does the mean colour change for good in this step, more than in any beside it, and make up most of the jump?

    excess: the jump less the motion beside it. A flash changes the colour twice, there and back, and another picture
    changes much besides the mean colour: both are left to the ratio of the jumps.
    """

    def change(i: int) -> float:
        return float(np.abs(frames[i].mean(axis=(0, 1)) - frames[i - 1].mean(axis=(0, 1))).max())

    here = change(frame)
    return here > excess / 2 and here - max(change(i) for i in near) > COLOUR_SHIFT


def make_report(
    frames: NDArray,
    plan: ChunkPlan,
    asked: list[NDArray],
    reconstructions: list[NDArray],
    notes: tuple[str, ...] = (),
) -> Report:
    """Report on a uint8 video (T, H, W, 3).

    asked, reconstructions: for each condition of the plan, in its order, uint8 frames (L, H, W, 3): the wanted ones,
    and those after the VAE alone.
    """
    given = {condition.frame_index + k for condition in plan.conditions for k in range(condition.num_frames)}
    keyframes = []
    for condition, wanted, ideal in zip(plan.conditions, asked, reconstructions, strict=True):
        for k in range(condition.num_frames):
            frame = condition.frame_index + k
            beside = [frames[i] for i in _frames_beside(len(frames), frame, plan.cuts) if i not in given]
            keyframes.append(keyframe_report(frame, frames[frame], wanted[k], ideal[k], beside))
    borders = [border_report(frames, chunk.start, plan.cuts) for chunk in plan.chunks[1:]]
    return Report(tuple(sorted(keyframes, key=lambda keyframe: keyframe.frame)), tuple(borders), notes)
