"""How far does a film of a given clip drift: are its creatures themselves, its edges sharp, its colours the same?

Where a creature is far from the clip is often not determined, so it is looked for in the whole frame. Videos are
(T, 3, H, W) in [0, 1].
"""

import statistics

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


def drift_at(video: Tensor, item: Item, distance: int) -> dict[str, float]:
    """Measure a film at a distance from its given clip.

    Args:
        video: of the item's length.
        distance: in frames, from 1; between two clips it is counted from the left one.

    Returns:
        "identity": the share of the creatures that are there and themselves; left out where the true video shows none
        whole that a given clip shows. "sharpness": the energy of the brightness' slopes over that of the true frames.
        "colour shift": the difference of the mean colours from the true ones in levels, in the most changed channel.
        "PSNR": in dB.
    """
    frames = new_frames(item)[max(0, distance - NEAR) : distance]
    error, found = PooledError(), {}
    error.add(video[frames], item.frames[frames])
    checks = [same for frame in frames for same in creatures_are_same(video[frame], item, frame)]
    if checks:
        found["identity"] = statistics.mean(checks)
    energies = [sum(float(edges(x[frame]).square().sum()) for frame in frames) for x in (video, item.frames)]
    shifts = (video[frames].mean(dim=(2, 3)) - item.frames[frames].mean(dim=(2, 3))).abs().amax(dim=1)
    return found | {
        "sharpness": energies[0] / energies[1],
        "colour shift": 255 * float(shifts.mean()),
        "PSNR": min(error.psnr, MAX_PSNR),
    }


def creatures_are_same(frame: Tensor, item: Item, number: int) -> list[bool]:
    """Whether each creature that the true frame shows whole, and a given one, too, is anywhere in a frame as itself.

    The creature may have the pose and the size of any true frame, since the film need not show the same at a time.

    Args:
        frame: (3, H, W), frame `number` of a film of the item.
    """
    truths = item.truth()
    seen = [whole_characters(truth, item.size) for truth in truths]
    known = set().union(*(seen[given] for given in item.keyframes))
    checks = []
    for index in seen[number] & known:
        times = [at for at in (number, *range(0, item.num_frames, POSES)) if index in seen[at]]
        checks.append(any(is_shown(frame, item.frames[at], _character(truths[at], index)) for at in times))
    return checks


def is_shown(frame: Tensor, true: Tensor, character: CharacterTruth) -> bool:
    """Whether eyes, outline and colour of a creature are found together at some place of a frame.

    Args:
        frame, true: (3, H, W); the true frame shows the creature whole.
        character: where it is in the true frame.
    """
    box, eyes, body = character.box, eye_box(character), character.body
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
    colour = (at_home(means, inner) - wanted).norm(dim=0)
    return bool(((pair >= SAME) & (outline >= SAME_OUTLINE) & (colour <= SAME_COLOUR)).any())


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
