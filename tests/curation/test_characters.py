"""Who appears: known in drawn shots of one figure before a background, and in toy shots."""

import numpy as np
import pytest

from smartdirector_lite.curation.characters import colour_word, find_characters, name_characters, same_look
from smartdirector_lite.curation.records import Actor, ShotRecord
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import render, sample_scene

FPS, WIDTH, HEIGHT, COUNT = 12.0, 192, 108, 24
RED, BLUE, GRASS = (220, 50, 40), (40, 80, 220), (150, 200, 120)


def filmed(*figures: tuple[tuple, float, float], alive: bool = True) -> np.ndarray:
    """Frames of figures (colour, left, step): blocks 30 pixels wide that move by a step a frame and wave an arm."""
    frames = np.full((COUNT, HEIGHT, WIDTH, 3), GRASS, np.uint8)
    for colour, left, step in figures:
        for index, frame in enumerate(frames):
            x = round(left + index * step)
            frame[30:80, x : x + 30] = colour
            frame[40 + (3 * index % 30 if alive else 0) :, x + 5 : x + 15][:8] = (250, 250, 250)
    return frames


def found(frames: np.ndarray) -> tuple[Actor, ...]:
    return find_characters(ShotRecord(0, len(frames)), frames, FPS).characters


def test_a_figure_is_found_where_it_is_and_told_by_its_colour():
    (character,) = found(filmed((RED, 40, 1)))
    assert character.name == "A" and character.description == "a tall red figure"
    left, top, right, bottom = character.box
    assert (top, bottom) == pytest.approx((30 / HEIGHT, 80 / HEIGHT), abs=0.02)
    assert right - left == pytest.approx(30 / WIDTH, abs=0.02) and 40 / WIDTH <= left <= 64 / WIDTH
    assert sum(character.appearance) == pytest.approx(1, abs=0.01)


def test_two_figures_are_two_characters():
    characters = found(filmed((RED, 30, 0.5), (BLUE, 120, -0.5)))
    assert {one.description.split()[-2] for one in characters} == {"red", "blue"}
    assert [one.name for one in characters] == ["A", "B"]


def test_what_stays_as_it_is_is_no_character():
    assert found(filmed((RED, 60, 0), alive=False)) == ()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_shortest_shots_can_be_looked_at(count):
    assert isinstance(found(filmed((RED, 60, 1))[:count]), tuple)


def test_an_empty_picture_has_nobody():
    assert found(np.zeros((COUNT, HEIGHT, WIDTH, 3), np.uint8)) == ()


@pytest.mark.parametrize(
    ("lab", "word"),
    [
        ((51, 64, 43), "red"),
        ((69, 33, 67), "orange"),
        ((87, -4, 75), "yellow"),
        ((58, -48, 34), "green"),
        ((48, 23, -65), "blue"),
        ((45, 50, -54), "purple"),
        ((71, 46, -5), "pink"),
        ((96, 0, 4), "white"),
        ((50, 0, 0), "grey"),
        ((5, 0, 0), "black"),
        ((35, 15, 25), "brown"),
    ],
)
def test_colours_have_their_names(lab, word):
    assert colour_word(np.array(lab, float)) == word


def test_looks_are_compared_by_what_they_share():
    assert same_look((0.5, 0.5, 0), (0.5, 0, 0.5)) == 0.5


def test_toy_characters_are_found():
    """Of the vivid ones that stand before something else, most are."""
    hits = there = 0
    for seed in range(12):
        scene = sample_scene(seed, 25, 1)
        colours = {scene.characters[role.character].colour for role in scene.shots[0].roles}
        frames = (255 * render(scene, Size(WIDTH, HEIGHT))).permute(0, 2, 3, 1).byte().numpy()
        told = " ".join(one.description for one in found(frames))
        hits += sum(colour in told for colour in colours)
        there += len(colours)
    assert hits >= 0.6 * there


def shot(scene: int, *looks: tuple[float, float]) -> ShotRecord:
    characters = tuple(Actor("ABC"[index], "", appearance=look) for index, look in enumerate(looks))
    return ShotRecord(0, 1, scene=scene, characters=characters)


def test_a_character_keeps_its_name_within_a_scene():
    red, blue = (1.0, 0.0), (0.0, 1.0)
    named = name_characters([shot(0, red), shot(0, blue, red), shot(0, blue), shot(1, blue)])
    assert [[one.name for one in record.characters] for record in named] == [["A"], ["B", "A"], ["B"], ["A"]]


def test_two_in_one_shot_never_share_a_name():
    red = (1.0, 0.0)
    named = name_characters([shot(0, red), shot(0, red, red)])
    assert [one.name for one in named[1].characters] == ["A", "B"]


def test_names_do_not_end_at_z():
    looks = [tuple(float(i == k) for i in range(30)) for k in range(30)]
    named = name_characters([shot(0, look) for look in looks])
    names = [record.characters[0].name for record in named]
    assert len(set(names)) == 30 and names[:2] == ["A", "B"] and names[26] == "A2"
