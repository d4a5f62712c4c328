"""Does a video show what its caption says? Judged by the toy world's truth: colours, directions and cameras.

Videos are (T, 3, H, W) in [0, 1]. A question counts only where its reader answers it rightly on the true video, since
the readers are simple: a white creature in the snow has no colour to be found.
"""

import statistics
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..toyworld import FrameTruth, Scene
from ..toyworld.scene import COLOURS, SceneShot
from .benchmark import Item

HUE = 0.12  # chroma that counts as grey
OWN = 0.5  # least share of a colour's pixels that lie on its creature, for a question about the colour
LEFT = 0.5  # least share of a colour's true amount that a video must show
APART = 4  # frames between those that the camera's move is read from
SHIFTS = (1, 2, 3, 4, 5, 6)  # pixels, at 64 rows, that the backdrop may slide in that time
GROWTHS = (1.02, 1.04, 1.06)
GROUND = 0.62  # where the ground is in the frame, -1 at the top and 1 at the bottom; zooms keep this row


def hue_amount(video: Tensor, colour: str) -> Tensor:
    """How much of a colour's hue each pixel of a video (T, 3, H, W) has: (T, H, W), 0 for grey."""
    target = torch.tensor(COLOURS[colour]) - torch.tensor(COLOURS[colour]).mean()
    chroma = video - video.mean(dim=1, keepdim=True)
    return (chroma * (target / target.norm()).view(1, 3, 1, 1)).sum(dim=1).clamp(min=HUE) - HUE


def seen_walk(video: Tensor, colour: str) -> str:
    """The direction in which the centre of a colour moves over a shot: "walks right" or "walks left"."""
    weight = hue_amount(video, colour).sum(dim=1) + 1e-6
    centre = (weight * torch.arange(video.shape[-1])).sum(dim=1) / weight.sum(dim=1)
    few = max(1, len(video) // 4)
    return "walks right" if float(centre[-few:].mean() - centre[:few].mean()) > 0 else "walks left"


def seen_move(video: Tensor) -> str:
    """The camera's move over a shot: "static", "pan right", "pan left", "zoom in" or "zoom out".

    The frames are slid and scaled onto those APART later, and the move that fits best is taken. The upper two thirds
    count, where the backdrop is.
    """
    before, after = video[:-APART], video[APART:]
    height, width = video.shape[2:]
    pixel = 2 / width * height / 64
    moves = {"static": [(1.0, 0.0)]}
    moves |= {"pan right": [(1.0, shift * pixel) for shift in SHIFTS]}
    moves |= {"pan left": [(1.0, -shift * pixel) for shift in SHIFTS]}
    moves |= {"zoom in": [(1 / growth, 0.0) for growth in GROWTHS], "zoom out": [(growth, 0.0) for growth in GROWTHS]}
    edge, rows = round(8 * height / 64), height * 2 // 3

    def cost(scale: float, shift: float) -> float:
        theta = torch.tensor([[scale, 0.0, shift], [0.0, scale, GROUND * (1 - scale)]]).expand(len(before), 2, 3)
        grid = F.affine_grid(theta, list(before.shape), align_corners=False)
        moved = F.grid_sample(before, grid, padding_mode="border", align_corners=False)
        return float((moved - after).abs()[..., edge:rows, edge:-edge].mean())

    return min(moves, key=lambda move: min(cost(*by) for by in moves[move]))


def caption_adherence(video: Tensor, item: Item) -> dict[str, float]:
    """The shares of the caption's "colours", "walks" and "cameras" that a video shows; what can't be asked is left out.

    Args:
        item: of the toy world; {} for another one.
    """
    asked: dict[str, list[bool]] = {}
    truths = item.truth()
    for shot, (start, stop) in zip(item.scene.shots if item.scene else (), item.shots):
        own, true = video[start:stop], item.frames[start:stop]
        told = _told_colours(item.scene, shot, true, truths[start:stop])
        for colour in told:
            amounts = [float(hue_amount(x, colour).mean()) for x in (own, true)]
            asked.setdefault("caption colours", []).append(amounts[0] >= LEFT * amounts[1])
        for role in shot.roles:
            colour = item.scene.characters[role.character].colour
            walks = role.action.startswith("walks") and shot.camera == "static"
            if walks and colour in told and seen_walk(true, colour) == role.action:
                asked.setdefault("caption walks", []).append(seen_walk(own, colour) == role.action)
        if len(true) > 2 * APART and seen_move(true) == shot.camera:
            asked.setdefault("caption cameras", []).append(seen_move(own) == shot.camera)
    return {name: statistics.mean(answers) for name, answers in asked.items()}


def _told_colours(scene: Scene, shot: SceneShot, true: Tensor, truths: Sequence[FrameTruth]) -> list[str]:
    """The colours of a shot's creatures that little else in the true shot has."""
    told = []
    for role in shot.roles:
        colour = scene.characters[role.character].colour
        amount, on_it = hue_amount(true, colour), 0.0
        for frame, truth in zip(amount, truths, strict=True):
            boxes = [one.box for one in truth.characters if one.index == role.character and one.box]
            on_it += sum(float(frame[box.slices].sum()) for box in boxes)
        if on_it > OWN * float(amount.sum()) and on_it > 1.0:
            told.append(colour)
    return told
