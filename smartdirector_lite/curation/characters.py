"""Who appears in a shot, and who is who across the shots of a scene (paper, section 3: SAM2 and Qwen3-VL do it there).

Whoever acts is filmed in front of something, and what lies at the frame's edges is background. Colours that the edges
do not show stand out (the border prior of Wei et al., "Geodesic saliency using background priors", 2012). Where they
lie together, they are a figure. A figure that is found again in other frames of the shot is a character if it is alive:
if its look changes from frame to frame, as limbs and faces do; trees and signs stay as they are, whatever the camera
does. This is a simple way: who has the background's colours is not seen, and two who touch pass for one.
"""

import itertools
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .records import Actor, ShotRecord

SAMPLES = 7  # frames of a shot that are looked at
MAX_CHARACTERS = 4
EDGE = 0.06  # share of the frame's sides whose colours are background
BACKGROUND_COLOURS = 12
MIN_BACKGROUND = 0.03  # share of the edges; a colour that is rarer there belongs to somebody who leaves the frame
# Measured by bench/curation_truth.py on toy films:
STANDS_OUT = 22.0  # distance in CIE Lab from every colour of the background
MIN_AREA = 0.03  # of the frame
MIN_CHANGE = 2.0  # of the look from sample to sample, in CIE Lab; trees and signs stay as they are
SAME_LOOK = 0.55  # common share of two colour histograms
MIN_SEEN = 0.5  # of the samples

CROP = (24, 24)  # to which a figure is scaled, whose look is compared over time
HUES = {"red": 50, "orange": 78, "yellow": 115, "green": 210, "blue": 303, "purple": 335, "pink": 360}  # ends, degrees
HUE_BINS, GREY_BINS = 18, 4
GREY = 15.0  # chroma in CIE Lab below which there is no hue


@dataclass(frozen=True)
class Sighting:
    """A figure in one frame.

    Attributes:
        frame: the frame's number in the shot.
        box: (left, top, right, bottom) in shares of the frame.
        area: share of the frame.
        look: a histogram of hues and greys that adds up to 1.
        colour: the mean of its most common hue or grey, in CIE Lab.
        crop: the box's pixels in CIE Lab, scaled to CROP.
    """

    frame: int
    box: tuple[float, float, float, float]
    area: float
    look: NDArray
    colour: NDArray
    crop: NDArray


def find_characters(shot: ShotRecord, frames: NDArray, fps: float) -> ShotRecord:
    """Return the record with the characters of the shot, the largest first, named A, B, ... A `ShotStep`."""
    return replace(shot, characters=cast_of(acting_tracks(frames), fps))


def acting_tracks(frames: NDArray) -> list[list[Sighting]]:
    """Find where characters are in a few frames of a shot, uint8 (T, H, W, 3); the largest character comes first."""
    step = max(1, len(frames) // SAMPLES)
    chosen = range(step // 2, len(frames), step)
    colours = np.stack([to_lab(frames[index]) for index in chosen])
    background = _background(colours)
    seen = [_figures(index, lab, background) for index, lab in zip(chosen, colours, strict=True)]
    tracks = [track for track in _link(seen) if len(track) >= MIN_SEEN * len(chosen)]
    acting = [track for track in tracks if _changes(track)]
    acting.sort(key=lambda track: -max(figure.area for figure in track))
    return acting[:MAX_CHARACTERS]


def cast_of(tracks: Sequence[list[Sighting]], fps: float) -> tuple[Actor, ...]:
    """What the record of a shot says of the characters that the tracks are of, named A, B, ..."""
    cast = []
    for name, track in zip(string.ascii_uppercase, tracks, strict=False):
        middle = track[len(track) // 2]
        look = tuple(np.mean([figure.look for figure in track], axis=0).round(4).tolist())
        speed = round(_speed(track) * fps, 4)
        cast.append(Actor(name, describe_figure(middle), middle.box, look, speed))
    return tuple(cast)


def to_lab(frame: NDArray) -> NDArray:
    """A frame, uint8 (H, W, 3), in CIE Lab."""
    return cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


def _background(colours: NDArray) -> NDArray:
    """The colours at the frame's edges, (K, 3). colours: CIE Lab, (T, H, W, 3)."""
    height, width = colours.shape[1:3]
    edge = max(1, round(EDGE * width))
    inside = np.zeros((height, width), bool)
    inside[edge : height - edge, edge : width - edge] = True
    pixels = np.ascontiguousarray(colours[:, ~inside].reshape(-1, 3))
    count = min(BACKGROUND_COLOURS, len(pixels))
    cv2.setRNGSeed(0)  # the centres begin at random, and the same film is to give the same records
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    _, labels, centres = cv2.kmeans(pixels, count, None, stop, 1, cv2.KMEANS_PP_CENTERS)
    return centres[np.bincount(labels[:, 0], minlength=count) >= MIN_BACKGROUND * len(pixels)]


def _figures(frame: int, lab: NDArray, background: NDArray) -> list[Sighting]:
    """The figures of one frame of a shot, (H, W, 3) in CIE Lab."""
    height, width = lab.shape[:2]
    distance = np.min([np.linalg.norm(lab - colour, axis=2) for colour in background], axis=0)
    mask = cv2.morphologyEx((distance > STANDS_OUT).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    large = [index for index in range(1, count) if boxes[index][cv2.CC_STAT_AREA] >= MIN_AREA * height * width]
    return [sighting_of(frame, lab, labels == index) for index in large]


def sighting_of(frame: int, lab: NDArray, mask: NDArray) -> Sighting:
    """What is seen where a mask, (H, W), is true in a frame, (H, W, 3) in CIE Lab. The mask is true somewhere."""
    height, width = mask.shape
    x, y, across, down = cv2.boundingRect(mask.astype(np.uint8))
    box = (x / width, y / height, (x + across) / width, (y + down) / height)
    look, colour = _look(lab[mask])
    crop = cv2.resize(lab[y : y + down, x : x + across], CROP, interpolation=cv2.INTER_AREA)
    return Sighting(frame, box, float(mask.mean()), look, colour, crop)


def _look(pixels: NDArray) -> tuple[NDArray, NDArray]:
    """The histogram of hues and greys of pixels (N, 3) in CIE Lab, and the mean of its fullest bin."""
    hue = np.degrees(np.arctan2(pixels[:, 2], pixels[:, 1])) % 360
    bins = (hue * HUE_BINS / 360).astype(int) % HUE_BINS
    grey = np.hypot(pixels[:, 1], pixels[:, 2]) < GREY
    lightness = np.clip(pixels[:, 0] * GREY_BINS / 100, 0, GREY_BINS - 1).astype(int)
    bins[grey] = HUE_BINS + lightness[grey]
    counts = np.bincount(bins, minlength=HUE_BINS + GREY_BINS) / len(pixels)
    colour = pixels[bins == counts.argmax()].mean(axis=0)
    hues = counts[:HUE_BINS]
    counts[:HUE_BINS] = (np.roll(hues, 1) + 2 * hues + np.roll(hues, -1)) / 4  # a hue beside a bin's end is in both
    return counts, colour


def same_look(one: Sequence[float], other: Sequence[float]) -> float:
    """How much two histograms share, from 0 to 1."""
    return float(np.minimum(one, other).sum())


def _link(seen: list[list[Sighting]]) -> list[list[Sighting]]:
    """Join the figures of a shot's frames to tracks: the nearest of those that look alike is the same one."""
    tracks: list[list[Sighting]] = []
    for figures in seen:
        free = list(tracks)
        for figure in sorted(figures, key=lambda figure: -figure.area):
            alike = [track for track in free if same_look(track[-1].look, figure.look) >= SAME_LOOK]
            if alike:
                nearest = min(alike, key=lambda track: np.hypot(*(_middle(track[-1]) - _middle(figure))))
                nearest.append(figure)
                free = [track for track in free if track is not nearest]
            else:
                tracks.append([figure])
    return tracks


def _middle(figure: Sighting) -> NDArray:
    """x and y in shares of the frame."""
    left, top, right, bottom = figure.box
    return np.array([(left + right) / 2, (top + bottom) / 2])


def _speed(track: list[Sighting]) -> float:
    """How far a track's middle moves to the right from frame to frame, in frame widths: the slope of a fitted line."""
    times = np.array([figure.frame for figure in track], float)
    places = np.array([_middle(figure)[0] for figure in track])
    times -= times.mean()
    return float((times @ places) / max(times @ times, 1.0))


def _changes(track: list[Sighting]) -> bool:
    """Whether a track's look changes, wherever it goes."""
    steps = [np.linalg.norm(b.crop - a.crop, axis=2).mean() for a, b in itertools.pairwise(track)]
    return len(steps) > 0 and float(np.median(steps)) >= MIN_CHANGE


def describe_figure(figure: Sighting) -> str:
    """Say what a figure looks like: its size in the frame, its shape and its colour."""
    left, top, right, bottom = figure.box
    size = "large " if figure.area > 0.12 else "small " if figure.area < 0.03 else ""
    across, down = (right - left) * 16, (bottom - top) * 9
    shape = "tall " if down > 1.4 * across else "wide " if across > 1.4 * down else ""
    return f"a {size}{shape}{colour_word(figure.colour)} figure"


def colour_word(colour: NDArray) -> str:
    """Name a colour in CIE Lab."""
    light, a, b = (float(value) for value in colour)
    hue, chroma = float(np.degrees(np.arctan2(b, a))) % 360, float(np.hypot(a, b))
    if chroma < GREY:
        return "white" if light > 80 else "grey" if light > 25 else "black"
    if HUES["yellow"] > hue > 25 and light < 60 and chroma < 50:
        return "brown"
    return next(word for word, end in HUES.items() if hue < end)


def name_characters(shots: Sequence[ShotRecord]) -> list[ShotRecord]:
    """Return the records with one name for whoever looks alike in several shots of a scene. A `FilmStep`.

    Scenes must be known. In each scene names begin at A again, in the order in which characters appear.
    """
    named, casts = [], {}
    for shot in shots:
        cast = casts.setdefault(shot.scene, {})  # name -> appearance
        free, characters = dict(cast), []
        for character in shot.characters:
            likeness = {name: same_look(look, character.appearance) for name, look in free.items()}
            name = max(likeness, key=likeness.__getitem__, default="")
            if likeness.get(name, 0.0) < SAME_LOOK:
                name = _letters(len(cast))
                cast[name] = character.appearance
            free.pop(name, None)
            characters.append(replace(character, name=name))
        named.append(replace(shot, characters=tuple(characters)))
    return named


def _letters(index: int) -> str:
    """A, B, ..., Z, A2, B2, ..."""
    again, letter = divmod(index, len(string.ascii_uppercase))
    return string.ascii_uppercase[letter] + (str(again + 1) if again else "")
