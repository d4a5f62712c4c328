"""How far does a film of a given clip drift: are its creatures themselves, its edges sharp, its colours the same?

Where a creature is far from the clip is often not determined, so it is looked for in the whole frame. Videos are
(T, 3, H, W) in [0, 1].
"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from ..toyworld import Box, CharacterTruth, FrameTruth
from .benchmark import Item
from .borders import MAX_PSNR, as_levels, border_excess
from .extension import joins_of, new_frames, whole_characters
from .identity import SAME, SAME_COLOUR, SAME_OUTLINE, correlate_inside, edges, eye_box
from .metrics import PooledError

NEAR = 3  # frames up to a distance that are read together
POSES = 6  # every so many true frames, for the poses and sizes that a creature may be found in


class Find(NamedTuple):
    """A creature in a frame, as it was found anywhere.

    Attributes:
        same: whether eyes, outline and colour are right at some place.
        likeness: the best sum of the correlations of eyes and outline.
        sharpness: the energy of the slopes where the likeness is best, over that of the true creature.
        colour: how far the body's mean colour is from the true one there, in levels, in the most changed channel.
    """

    same: bool
    likeness: float
    sharpness: float
    colour: float


def drift(video: Tensor, item: Item, distances: Sequence[int]) -> dict[int, dict[str, float]]:
    """Measure a film at distances from its given clip.

    Args:
        video: of the item's length.
        distances: in frames, from 1; between two clips they are counted from the left one.

    Returns:
        The figures at each distance. "identity": the share of the creatures that are there and themselves. "creature
        sharpness": the energy of the brightness' slopes where a creature is, over that of the true one. "colour
        shift": how far the mean colour of its body is from the true one, in levels. All three are left out where the
        true video shows no creature whole that a given clip shows. "sharpness": that of whole frames, over the true
        frames. "PSNR": in dB.
    """
    new, truths = new_frames(item), item.truth()
    return {at: _drift_of(video, item, new[max(0, at - NEAR) : at], truths) for at in distances}


def _drift_of(video: Tensor, item: Item, frames: Sequence[int], truths: Sequence[FrameTruth]) -> dict[str, float]:
    """The figures of some frames together."""
    error, found = PooledError(), {}
    error.add(video[frames], item.frames[frames])
    finds = [find for frame in frames for find in find_creatures(video[frame], item, frame, truths)]
    if finds:
        found["identity"] = statistics.mean(find.same for find in finds)
        found["creature sharpness"] = statistics.mean(find.sharpness for find in finds)
        found["colour shift"] = statistics.mean(find.colour for find in finds)
    energies = [sum(slope_energy(x[frame]) for frame in frames) for x in (video, item.frames)]
    return found | {"sharpness": energies[0] / energies[1], "PSNR": min(error.psnr, MAX_PSNR)}


def slope_energy(frame: Tensor) -> float:
    """The mean squared slope of the brightness of a frame (3, H, W)."""
    return float(edges(frame).square().mean())


def find_creatures(frame: Tensor, item: Item, number: int, truths: Sequence[FrameTruth]) -> list[Find]:
    """Look in the whole frame for each creature that the true frame shows whole, and a given one, too.

    The creature may have the pose and the size of any true frame, since the film need not show the same at a time.

    Args:
        frame: (3, H, W), frame `number` of a film of the item.
        truths: of all frames of the item.
    """
    seen = [whole_characters(truth, item.size) for truth in truths]
    known = set().union(*(seen[given] for given in item.keyframes))
    found = []
    for index in seen[number] & known:
        times = [at for at in (number, *range(0, item.num_frames, POSES)) if index in seen[at]]
        finds = [find_anywhere(frame, item.frames[at], _character(truths[at], index)) for at in times]
        best = max(finds, key=lambda find: find.likeness)
        found.append(best._replace(same=any(find.same for find in finds)))
    return found


def find_anywhere(frame: Tensor, true: Tensor, character: CharacterTruth) -> Find:
    """Look for a creature in a whole frame.

    Args:
        frame, true: (3, H, W); the true frame shows the creature whole.
        character: where it is in the true frame.
    """
    box, eyes, body = character.box, eye_box(character), character.body
    # The eyes of a figure seen from the side may stick out of it by a pixel, which is left out.
    eyes = Box(*(max(a, b) for a, b in zip(eyes[:2], box[:2])), *(min(a, b) for a, b in zip(eyes[2:], box[2:])))
    rows, columns = (body.bottom - body.top) // 4, (body.right - body.left) // 4
    inner = Box(body.top + rows, body.left + columns, body.bottom - rows, body.right - columns)
    outline = correlate_inside(edges(frame), edges(true)[(slice(None), *box.slices)])

    def at_home(found: Tensor, part: Box) -> Tensor:
        """A map by the top left corner of a part, (..., H, W), by the top left corner of the whole figure instead."""
        down, across = part.top - box.top, part.left - box.left
        return found[..., down : down + outline.shape[0], across : across + outline.shape[1]]

    pair = at_home(correlate_inside(frame, true[(slice(None), *eyes.slices)]), eyes)
    wanted = true[(slice(None), *inner.slices)].mean(dim=(1, 2))[:, None, None]
    means = F.avg_pool2d(frame, (inner.bottom - inner.top, inner.right - inner.left), stride=1)
    colours = at_home(means, inner) - wanted
    same = ((pair >= SAME) & (outline >= SAME_OUTLINE) & (colours.norm(dim=0) <= SAME_COLOUR)).any()
    top, left = divmod(int((pair + outline).argmax()), outline.shape[1])
    there = Box(top, left, top + box.bottom - box.top, left + box.right - box.left)
    energies = [slope_energy(x[(slice(None), *part.slices)]) for x, part in ((frame, there), (true, box))]
    shift = 255 * float(colours[:, top, left].abs().max())
    return Find(bool(same), float((pair + outline).max()), energies[0] / energies[1], shift)


def join_excess(video: Tensor, item: Item) -> dict[str, float]:
    """How hard the film jumps where its parts meet, over the true jump: 1 is as smooth as the true video.

    Returns:
        "clip": the step between the given clip and the first new frame. "rounds": the median of the steps at which
        filming in rounds starts anew. "right clip": the step into it. What the item has not, and joins beside which
        the true video stands still, are left out.
    """
    own, true = as_levels(video), as_levels(item.frames)
    found = {name: border_excess(own, true, frames, ()) for name, frames in joins_of(item).items()}
    return {name: value for name, value in found.items() if value is not None}


def _character(truth: FrameTruth, index: int) -> CharacterTruth:
    return next(one for one in truth.characters if one.index == index)
