"""Is a character of the toy world still itself: its eyes, its outline and its colour? And where is it?

The figure's true picture is looked for around its true place, within REACH pixels. A good PSNR can go with eyes that
are gone, so this stands beside it. Frames in which a figure is cut by the border or touches another one are left out.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..toyworld import Box, CharacterTruth, FrameTruth

REACH = 10  # pixels at the draft's height of 64; more in larger frames
SAME = 0.8  # least correlation of eyes that count as drawn
SAME_OUTLINE = 0.6  # least correlation of edges, for a body of the same shape and size
SAME_COLOUR = 0.12  # largest distance of the bodies' mean colours, rgb in [0, 1]


@dataclass(frozen=True)
class Likeness:
    """A character in one frame of a video, as it was found.

    Attributes:
        frame, character: where and who.
        eyes, outline: correlations with the true picture.
        colour: distance of the mean colours.
        down, across: where the figure is, in pixels from its true place.
    """

    frame: int
    character: int
    eyes: float
    outline: float
    colour: float
    down: int
    across: int

    @property
    def same(self) -> bool:
        """Whether shape, size, colour and eyes are those of the true character."""
        return self.eyes >= SAME and self.outline >= SAME_OUTLINE and self.colour <= SAME_COLOUR


def correlate(frame: Tensor, patch: Tensor, box: Box, reach: int) -> Tensor:
    """Correlate a patch with a frame at all shifts up to `reach`, down and across.

    Args:
        frame: (C, H, W). Outside of it the nearest pixel counts.
        patch: (C, h, w), at home in `box` of the true frame.

    Returns:
        (2 reach + 1, 2 reach + 1) values in [-1, 1].
    """
    padded = F.pad(frame[None], [reach] * 4, mode="replicate")
    return correlate_inside(padded[0, :, box.top : box.bottom + 2 * reach, box.left : box.right + 2 * reach], patch)


def correlate_inside(area: Tensor, patch: Tensor) -> Tensor:
    """Correlate a patch with an area at all places at which the patch lies inside.

    Args:
        area: (C, H, W).
        patch: (C, h, w).

    Returns:
        (H - h + 1, W - w + 1) values in [-1, 1], by the patch's top row and left column.
    """
    around, wanted = area[None], patch - patch.mean()
    fit = F.conv2d(around, wanted[None])[0, 0]
    count, kernel = patch.numel(), torch.ones_like(patch)[None]
    total, squares = F.conv2d(around, kernel)[0, 0], F.conv2d(around.square(), kernel)[0, 0]
    power = (squares - total.square() / count).clamp(min=1e-4)
    return fit / (power.sqrt() * wanted.norm().clamp(min=1e-2))


def edges(frame: Tensor) -> Tensor:
    """The size of the brightness' slope at each pixel: (3, H, W) -> (1, H, W)."""
    grey = F.pad(frame.mean(dim=0)[None, None], [1] * 4, mode="replicate")[0]
    down, across = grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1], grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]
    return (down.square() + across.square() + 1e-8).sqrt()


def eye_box(character: CharacterTruth) -> Box:
    """The pixels of both eyes."""
    (left, row), (right, _), radius = *character.eyes, character.eye_radius
    spans = row - radius, left - radius, row + radius, right + radius
    return Box(math.floor(spans[0]), math.floor(spans[1]), math.ceil(spans[2]), math.ceil(spans[3]))


def is_whole(character: CharacterTruth, truth: FrameTruth, height: int, width: int) -> bool:
    """Whether the frame shows the whole figure, and nobody and nothing touches it."""
    box = character.box
    if box is None or box.top <= 0 or box.left <= 0 or box.bottom >= height or box.right >= width:
        return False
    others = [other.box for other in truth.characters if other.index != character.index] + [truth.prop]
    return not any(other and other.overlaps(box) for other in others)


def look_for_characters(video: Tensor, frames: Tensor, truths: Sequence[FrameTruth]) -> list[Likeness]:
    """Look for every character that the true video shows whole.

    Args:
        video, frames: the video and the true one, (T, 3, H, W) in [0, 1].
        truths: of each frame.
    """
    height, width = frames.shape[2:]
    reach, found = round(REACH * height / 64), []
    for frame, truth in enumerate(truths):
        for character in truth.characters:
            if is_whole(character, truth, height, width):
                found.append(_look_for(video[frame], frames[frame], frame, character, reach))
    return found


def _look_for(frame: Tensor, true: Tensor, number: int, character: CharacterTruth, reach: int) -> Likeness:
    eyes, body = eye_box(character), character.body
    pair = correlate(frame, true[(slice(None), *eyes.slices)], eyes, reach)
    outline = correlate(edges(frame), edges(true)[(slice(None), *character.box.slices)], character.box, reach)
    best = int((pair + outline).argmax())  # both at one place, since anything round is a little like an eye
    down, across = best // len(pair) - reach, best % len(pair) - reach
    rows, columns = (body.bottom - body.top) // 4, (body.right - body.left) // 4
    inner = Box(body.top + rows, body.left + columns, body.bottom - rows, body.right - columns)
    top, left = (min(max(at, 0), limit) for at, limit in _moved(inner, down, across, frame))
    size = inner.bottom - inner.top, inner.right - inner.left
    own = frame[:, top : top + size[0], left : left + size[1]].mean(dim=(1, 2))
    colour = float((own - true[(slice(None), *inner.slices)].mean(dim=(1, 2))).norm())
    fits = float(pair.flatten()[best]), float(outline.flatten()[best])
    return Likeness(number, character.index, *fits, colour, down, across)


def _moved(box: Box, down: int, across: int, frame: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
    """Top and left of a moved box, each with the largest value that keeps it in the frame."""
    height, width = frame.shape[1:]
    limits = height - (box.bottom - box.top), width - (box.right - box.left)
    return (box.top + down, limits[0]), (box.left + across, limits[1])


def identity(likenesses: Sequence[Likeness]) -> dict[str, float]:
    """The shares of the likenesses whose eyes, outline, colour, and all of these are right; {} without likenesses."""
    if not likenesses:
        return {}
    checks = {
        "eyes": [one.eyes >= SAME for one in likenesses],
        "outline": [one.outline >= SAME_OUTLINE for one in likenesses],
        "colour": [one.colour <= SAME_COLOUR for one in likenesses],
        "identity": [one.same for one in likenesses],
    }
    return {name: statistics.mean(passed) for name, passed in checks.items()}
