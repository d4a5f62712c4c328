"""Drawings in motion, as a child or an illustrator makes them: flat colours, dark outlines, hatching, on paper.

Drawing k shows scene k of SCENES, in colours, with a pen and on a paper that k decides. From the 25th one on the scenes
return in other colours.
"""

from collections.abc import Sequence
from math import cos, pi, sin

import torch

from ...media.size import Size
from .clips import ALL_FRAMES, FPS, UnseenClip
from .creatures import bird, butterfly, cat, caterpillar, duck, face, fish, octopus, person, robot, snail, snake
from .sketch import Sketch
from .things import (
    balloon,
    bicycle,
    boat,
    car,
    clock,
    cloud,
    flower,
    ground,
    house,
    rocket,
    snowman,
    steam_train,
    sun,
    tree,
    umbrella,
    wheel,
    windmill,
)


def draw_sea(s: Sketch, t: float) -> None:
    with s.placed(-0.6, -0.3, 0.085):
        sun(s, t)
    with s.placed(0.35 + 0.03 * t, -0.33, 0.3):
        cloud(s)
    ground(s, 0.2, "turquoise", 0.025, 0.10 * t, 5)
    with s.placed(-0.25 + 0.12 * t, 0.22 + 0.02 * sin(2 * t), 0.52, turn=0.09 * sin(2 * t + 1)):
        boat(s, t, s.colours[0], s.colours[1])
    ground(s, 0.3, "blue", 0.035, 0.22 * t, 6)
    with s.placed(0.3 - 0.05 * t, -0.12, 0.2, mirror=True):
        bird(s, t, "white")


def draw_fishes(s: Sketch, t: float) -> None:
    s.fill((190, 224, 236))
    ground(s, 0.36, (232, 210, 150), 0.02)
    for k, x in enumerate((-0.72, -0.55, 0.6, 0.72)):
        blade = [(x + 0.09 * j / 5 * sin(2 * t + k - 0.6 * j), 0.42 - 0.09 * j) for j in range(6)]
        s.line(blade, 3.4)
        s.line(blade, 1.9, ink="green")
    with s.placed(0.4 - 0.22 * t, -0.2 + 0.03 * sin(2 * t), 0.38):
        fish(s, t, s.colours[0], s.colours[1])
    with s.placed(-0.5 + 0.2 * t, 0.12, 0.28, mirror=True):
        fish(s, 1.2 * t + 1, s.colours[2], s.colours[0])
    for k in range(6):
        rise = (0.18 * t + k / 6) % 1
        s.circle(-0.1 + 0.05 * k + 0.02 * sin(3 * t + k), 0.4 - rise, 0.018 + 0.004 * (k % 3), width=0.7)


def draw_home(s: Sketch, t: float) -> None:
    with s.placed(0.62, -0.3, 0.08):
        sun(s, t)
    ground(s, 0.27, "green", 0.02)
    with s.placed(-0.3, 0.32, 0.62):
        house(s, t, s.colours[0], s.colours[1])
    with s.placed(0.42, 0.34, 0.6):
        tree(s, t)
    with s.placed(-0.1 + 0.16 * t, 0.42, 0.36):
        person(s, t, s.colours[2])


def draw_street(s: Sketch, t: float) -> None:
    ground(s, 0.1, "green", 0.05, -0.1 * t, 3)
    for k in range(4):
        with s.placed((0.55 * k + 0.3 - 0.35 * t + 1.1) % 2.2 - 1.1, 0.2, 0.42 + 0.1 * (k % 2)):
            tree(s, t + k, "green" if k % 2 else "yellow")
    ground(s, 0.24, "grey", 0.0)
    for k in range(6):
        x = (0.4 * k - 0.7 * t + 1.2) % 2.4 - 1.2
        s.line([(x, 0.42), (x + 0.16, 0.42)], 1.5, ink="white")
    with s.placed(-0.1 + 0.08 * t, 0.36, 0.46):
        car(s, 1.3 * t, s.colours[0])


def draw_space(s: Sketch, t: float) -> None:
    s.fill((66, 66, 108))
    for k in range(14):
        size = 0.012 + 0.008 * sin(2 * t + k)
        x, y = 1.7 * s.luck[k] - 0.85, 0.9 * s.luck[k + 14] - 0.45
        s.line([(x - size, y), (x + size, y)], 0.8, ink="yellow")
        s.line([(x, y - size), (x, y + size)], 0.8, ink="yellow")
    with s.placed(0.5, -0.12, turn=0.05 * t):
        s.circle(0, 0, 0.17, s.colours[2], hatch=True)
        s.shape([(-0.3, 0.1), (0, 0.1), (0.3, -0.08), (0.02, 0.04)], "yellow")
    with s.placed(-0.55 + 0.16 * t, 0.42 - 0.13 * t, 0.5, turn=0.7):
        rocket(s, t, s.colours[0], s.colours[1])


def draw_kite(s: Sketch, t: float) -> None:
    for k, x in enumerate((-0.5, 0.15)):
        with s.placed(x + 0.05 * t, -0.33 + 0.08 * k, 0.28):
            cloud(s)
    ground(s, 0.3, "green", 0.04)
    kite_x, kite_y = 0.45 + 0.1 * sin(1.5 * t), -0.2 + 0.06 * cos(2.1 * t)
    with s.placed(-0.5 + 0.05 * t, 0.38, 0.45):
        hand = person(s, 0.6 * t, s.colours[1], reach=(1.9 + 0.15 * sin(2 * t), 2.2 + 0.2 * sin(2 * t)))
    start = (-0.5 + 0.05 * t + 0.45 * hand[0], 0.38 + 0.45 * hand[1])
    s.line([start, ((start[0] + kite_x) / 2 + 0.04, (start[1] + kite_y) / 2 + 0.09), (kite_x, kite_y)], 0.6)
    tail = [(kite_x - 0.04 * k, kite_y + 0.12 + 0.06 * k + 0.025 * sin(4 * t - k)) for k in range(6)]
    s.line(tail, 0.9)
    for x, y in tail[2:]:
        s.shape([(x - 0.03, y - 0.02), (x + 0.03, y + 0.02), (x + 0.03, y - 0.02), (x - 0.03, y + 0.02)], "yellow")
    with s.placed(kite_x, kite_y, turn=0.2 + 0.2 * sin(1.5 * t + 1)):
        s.shape([(0, -0.16), (0.12, -0.02), (0, 0.16), (-0.12, -0.02)], s.colours[0], smooth=False, hatch=True)
        s.line([(0, -0.16), (0, 0.16)], 0.8)
        s.line([(-0.12, -0.02), (0.12, -0.02)], 0.8)


def draw_garden(s: Sketch, t: float) -> None:
    ground(s, 0.33, "brown", 0.02)
    for k, x in enumerate((-0.5, 0.0, 0.5)):
        opening = 0.5 - 0.5 * cos(pi * min(1.0, max(0.0, (t - 0.25 * k) / 2.4)))
        with s.placed(x, 0.4, 0.72 - 0.1 * (k % 2)):
            flower(s, opening, s.colours[k], 0.3 * sin(1.5 * t + k))
    with s.placed(0.3 - 0.2 * t, -0.3 + 0.07 * sin(3 * t), 0.26, turn=-0.5):
        butterfly(s, t, s.colours[3])


def draw_snail(s: Sketch, t: float) -> None:
    with s.placed(0.58, 0.3, 0.42):
        s.shape([(-0.14, 0.05), (-0.1, -0.5), (0.1, -0.5), (0.14, 0.05)], "white")
        s.shape([(-0.5, -0.45), (-0.36, -0.85), (0.36, -0.85), (0.5, -0.45)], "red", hatch=True)
        for x, y in ((-0.2, -0.65), (0.1, -0.78), (0.24, -0.58)):
            s.circle(x, y, 0.06, "white", width=0.7)
    ground(s, 0.3, "green", 0.015)
    with s.placed(-0.35 + 0.1 * t, 0.36, 0.62):
        snail(s, t, s.colours[0])
    for k in range(9):
        x = 0.2 * k - 0.8
        s.line([(x, 0.48), (x + 0.03 * sin(2 * t + k), 0.38)], 1, ink="green")


def draw_clock(s: Sketch, t: float) -> None:
    s.shape([(-1.3, -0.6), (1.3, -0.6), (1.3, 0.34), (-1.3, 0.34)], (240, 222, 196), smooth=False)
    s.shape([(-1.3, 0.34), (1.3, 0.34), (1.3, 0.6), (-1.3, 0.6)], "brown", smooth=False, hatch=True)
    with s.placed(-0.35, -0.14, 0.48):
        clock(s, t, s.colours[0])
    with s.placed(0.42, 0.42, 0.72):
        cat(s, t, s.colours[1])


def draw_birds(s: Sketch, t: float) -> None:
    with s.placed(-0.55, -0.25, 0.09):
        sun(s, t, 11)
    for x, high, tone in ((-0.5, 0.5, "purple"), (0.45, 0.62, "grey"), (0.0, 0.4, "blue")):
        s.shape([(x - 0.55, 0.55), (x, 0.5 - high), (x + 0.55, 0.55)], tone, smooth=False, hatch=True)
        snow = [(x - 0.13, 0.5 - 0.76 * high), (x, 0.5 - high), (x + 0.13, 0.5 - 0.76 * high), (x, 0.5 - 0.66 * high)]
        s.shape(snow, "white", smooth=False)
    for k, (x, y, size) in enumerate(((-0.4, 0.1, 0.42), (0.0, -0.28, 0.3), (-0.75, -0.1, 0.26))):
        with s.placed(x + (0.22 + 0.03 * k) * t, y - 0.03 * t, size):
            bird(s, t + 0.5 * k, s.colours[k])


def draw_mill(s: Sketch, t: float) -> None:
    with s.placed(-0.45 + 0.07 * t, -0.32, 0.34):
        cloud(s)
    ground(s, 0.22, "yellow", 0.04, waves=3)
    with s.placed(0.3, 0.27, 0.66):
        windmill(s, t, s.colours[0], s.colours[1])
    ground(s, 0.34, "green", 0.02)
    for k in range(5):
        with s.placed(-0.75 + 0.17 * k, 0.46, 0.3):
            flower(s, 0.9, s.colours[2 + k % 2], 0.5 * sin(2.2 * t + 0.6 * k))


def draw_rain(s: Sketch, t: float) -> None:
    for k, x in enumerate((-0.45, 0.1, 0.6)):
        with s.placed(x - 0.04 * t, -0.36 + 0.04 * (k % 2), 0.4):
            cloud(s)
    for k in range(16):
        x, y = 1.8 * s.luck[k] - 0.85, (0.45 * t + s.luck[k + 20]) % 1 * 0.75 - 0.28
        s.line([(x, y), (x - 0.02, y + 0.08)], 0.8, ink="blue")
    ground(s, 0.38, "grey", 0.0)
    with s.placed(-0.35 + 0.15 * t, 0.44, 0.6):
        hand = person(s, t, s.colours[0], reach=(1.1, 2.5))
        umbrella(s, *hand, s.colours[1], 0.08 * sin(3 * t))


def draw_balloons(s: Sketch, t: float) -> None:
    ground(s, 0.3, "green", 0.05, waves=3)
    for k, (x, y, size) in enumerate(((-0.45, 0.2, 0.55), (0.35, -0.02, 0.4), (0.0, 0.1, 0.24))):
        with s.placed(x + 0.05 * t, y - (0.06 + 0.03 * k) * t, size, turn=0.06 * sin(1.4 * t + k)):
            balloon(s, t + k, s.colours[k], s.colours[k + 1])


def draw_caterpillar(s: Sketch, t: float) -> None:
    branch = [(-1, 0.2), (-0.4, 0.24), (0.3, 0.22), (1, 0.28)]
    s.line(branch, 7)
    s.line(branch, 5, ink="brown")
    for k, x in enumerate((-0.6, 0.1, 0.62)):
        with s.placed(x, 0.26, 0.5, turn=0.25 * sin(1.6 * t + k)):
            s.shape([(0, 0), (0.16, 0.18), (0.08, 0.42), (-0.1, 0.2)], "green", hatch=True)
            s.line([(0, 0), (0.07, 0.36)], 0.7)
    with s.placed(-0.25 + 0.1 * t, 0.22, 0.7):
        caterpillar(s, t, s.colours[0], s.colours[1])
    with s.placed(0.6 - 0.16 * t, -0.3 + 0.05 * sin(4 * t), 0.22, turn=0.4):
        butterfly(s, t + 1, s.colours[2])


def draw_juggler(s: Sketch, t: float) -> None:
    s.shape([(-1.2, 0.4), (1.2, 0.4), (1.2, 0.6), (-1.2, 0.6)], s.colours[0], smooth=False, hatch=True)
    with s.placed(0.03 * sin(2 * t), 0.44, 0.85):
        person(s, 0, s.colours[1], walks=False, reach=(0.9 + 0.3 * sin(3.4 * t), 2.0 + 0.4 * sin(3.4 * t)))
    for k in range(4):
        a = 2 * pi * (t / 2.6 + k / 4)
        s.circle(0.17 + 0.2 * cos(a), -0.18 + 0.22 * sin(a), 0.045, s.colours[2 + k], hatch=True)
    for x, lag in ((-0.6, 0), (0.62, 2)):
        with s.placed(x, 0.42, 0.5):
            cat(s, t + lag, s.colours[5])


def draw_train(s: Sketch, t: float) -> None:
    ground(s, 0.08, "green", 0.06, waves=3)
    with s.placed(0.55, 0.2, 0.45):
        tree(s, t)
    s.line([(-1, 0.37), (1, 0.37)], 1.6)
    for k in range(14):
        s.line([(0.15 * k - 1, 0.375), (0.15 * k - 1.03, 0.44)], 1.2)
    with s.placed(-0.1 + 0.2 * t, 0.365, 0.56):
        steam_train(s, 0.36 * t, s.colours[0], s.colours[1])


def draw_robot(s: Sketch, t: float) -> None:
    s.shape([(-1.2, 0.36), (1.2, 0.36), (1.2, 0.6), (-1.2, 0.6)], "purple", smooth=False, hatch=True)
    with s.placed(0.05 * sin(pi * t), 0.42, 0.7):
        robot(s, t, s.colours[0], s.colours[1])
    for k, x in enumerate((-0.6, 0.62, -0.45, 0.45)):
        with s.placed(x, -0.15 + 0.05 * sin(3 * t + k) - 0.2 * (k > 1), 0.5):
            s.circle(0, 0, 0.06, "black", squeeze=0.8)
            s.line([(0.055, 0), (0.055, -0.26), (0.15, -0.2)], 1.2)


def draw_wheels(s: Sketch, t: float) -> None:
    """Doodles: a spiral that turns, meshing wheels, a star that breathes and a winding line."""
    with s.placed(-0.5, -0.08, turn=0.7 * t):
        spiral = [(0.026 * k**0.9 * cos(0.7 * k), 0.026 * k**0.9 * sin(0.7 * k)) for k in range(22)]
        s.line(spiral, 1.6, ink=s.colours[0])
    for x, y, radius, turn in ((0.05, -0.1, 0.2, 0.6 * t), (0.42, 0.05, 0.16, 0.4 - 0.75 * t)):
        with s.placed(x, y, turn=turn):
            rim = [(radius * (1 + 0.18 * (k % 2)), 2 * pi * k / 20) for k in range(20)]
            teeth = [(r * cos(a), r * sin(a)) for r, a in rim]
            s.shape(teeth, s.colours[1 + (x > 0.2)], smooth=False, hatch=True)
        wheel(s, x, y, radius * 0.4, turn, 3, "white")
    with s.placed(0.66, -0.3, turn=-0.5 * t, scale=0.9 + 0.15 * sin(2 * t)):
        tips = [(0.13 if k % 2 else 0.06, pi * k / 5) for k in range(10)]
        star = [(r * cos(a), r * sin(a)) for r, a in tips]
        s.shape(star, "yellow", smooth=False)
    s.line([(-0.8 + 0.1 * k, 0.38 + 0.06 * sin(1.1 * k - 2.4 * t)) for k in range(17)], 1.6, ink=s.colours[3])


def draw_octopus(s: Sketch, t: float) -> None:
    s.fill((176, 214, 232))
    ground(s, 0.4, (232, 210, 150), 0.02)
    with s.placed(-0.12 + 0.06 * sin(1.2 * t), -0.02 - 0.06 * sin(1.8 * t), 0.62):
        octopus(s, t, s.colours[0])
    with s.placed(0.75 - 0.14 * t, -0.25, 0.24):
        fish(s, t, s.colours[1], s.colours[2])


def draw_face(s: Sketch, t: float) -> None:
    s.fill((206, 226, 206))
    with s.placed(0, 0.06, 0.86):
        face(s, t, s.colours[0], s.colours[1])


def draw_bicycle(s: Sketch, t: float) -> None:
    with s.placed(-0.6, -0.3, 0.075):
        sun(s, t)
    for k in range(3):
        with s.placed((0.7 * k + 0.2 - 0.18 * t + 1.05) % 2.1 - 1.05, 0.26, 0.36):
            house(s, t + k, s.colours[2 + k], s.colours[k + 1])
    ground(s, 0.27, "green", 0.01)
    with s.placed(-0.1 + 0.06 * t, 0.43, 0.6):
        bicycle(s, 0.6 * t, s.colours[0], s.colours[1])


def draw_pond(s: Sketch, t: float) -> None:
    s.fill((200, 226, 196))
    s.shape([(-0.9, 0.1), (-0.5, -0.16), (0.3, -0.2), (0.9, 0.0), (0.8, 0.4), (0, 0.5), (-0.7, 0.42)], "blue")
    for k in range(5):
        x, y = (-0.55, 0.3, 0.0, 0.5, -0.2)[k], (0.15, 0.3, 0.42, 0.05, -0.06)[k]
        s.line([(x + 0.05 * j, y + 0.012 * sin(1.6 * j + 3 * t)) for j in range(5)], 0.7, ink="white")
    with s.placed(-0.3 + 0.14 * t, 0.12, 0.46):
        duck(s, t, s.colours[0])
    for k in range(2):
        with s.placed(-0.62 - 0.2 * k + 0.14 * t, 0.22 + 0.02 * sin(3 * t + k), 0.24):
            duck(s, t + k + 0.7, "yellow")
    for k, x in enumerate((0.6, 0.68, 0.77)):
        top = x + 0.07 * sin(1.8 * t + k)
        s.line([(x, 0.4), (x, 0.1), (top, -0.18)], 1.2, ink="green")
        s.circle(top, -0.18, 0.03, "brown", squeeze=2.2)


def draw_snow(s: Sketch, t: float) -> None:
    s.fill((178, 196, 220))
    ground(s, 0.2, "white", 0.05, waves=2.5)
    with s.placed(0.6, 0.28, 0.6):
        for k in range(3):
            sway = 0.03 * sin(2 * t - k) * (k + 1)
            y = -0.1 - 0.24 * k
            s.shape([(sway, y - 0.4), (0.34 - 0.07 * k, y), (-0.34 + 0.07 * k, y)], "green", smooth=False, hatch=True)
    with s.placed(-0.2, 0.42, 0.66):
        snowman(s, t, s.colours[0], s.colours[1])
    for k in range(18):
        y = (0.13 * t + s.luck[k]) % 1 - 0.5
        s.circle(1.7 * s.luck[k + 20] - 0.85 + 0.03 * sin(2 * t + k), y, 0.014, "white", width=0.5)


def draw_snake(s: Sketch, t: float) -> None:
    ground(s, 0.16, (240, 214, 140), 0.03, waves=3)
    with s.placed(0.6, -0.28, 0.09):
        sun(s, t, 8)
    with s.placed(-0.55, 0.26, 0.6):
        s.shape([(-0.09, 0), (-0.09, -0.7), (0, -0.8), (0.09, -0.7), (0.09, 0)], "green", hatch=True)
        for side, high in ((-1, -0.3), (1, -0.4)):
            lift = 0.06 * sin(2.2 * t + side)
            arm = [(0.06 * side, high), (0.24 * side, high), (0.27 * side, high - 0.2 - lift)]
            s.line(arm, 4.6)
            s.line(arm, 3, ink="green")
    with s.placed(-0.1 + 0.13 * t, 0.34, 0.8):
        snake(s, t, s.colours[0])


SCENES = (
    (draw_sea, "A {0} boat with a {1} sail on the waves of the sea, with a white bird"),
    (draw_fishes, "A {0} fish and a {2} fish swim past each other among weeds and bubbles"),
    (draw_home, "A person in a {2} shirt walks past a {0} house with a {1} roof; the chimney smokes"),
    (draw_street, "A {0} car drives along a road with trees"),
    (draw_space, "A {0} rocket with {1} fins flies between stars past a {2} planet"),
    (draw_kite, "A child in a {1} shirt flies a {0} kite on a green hill"),
    (draw_garden, "A {0}, a {1} and a {2} flower open, and a {3} butterfly comes by"),
    (draw_snail, "A snail with a {0} shell crawls towards a red mushroom"),
    (draw_clock, "A {0} clock with a swinging pendulum, and a {1} cat that wags its tail"),
    (draw_birds, "A {0}, a {1} and a {2} bird fly over mountains"),
    (draw_mill, "A {0} windmill turns behind a row of flowers"),
    (draw_rain, "A person in a {0} shirt walks in the rain with a {1} umbrella"),
    (draw_balloons, "A {0}, a {1} and a {2} hot-air balloon rise over green hills"),
    (draw_caterpillar, "A {0} and {1} caterpillar crawls along a branch, with a {2} butterfly"),
    (draw_juggler, "A person in a {1} shirt juggles four balls between two {5} cats"),
    (draw_train, "A {0} steam engine pulls a {1} wagon through green hills"),
    (draw_robot, "A {0} robot with a {1} head dances to music"),
    (draw_wheels, "Doodles in a school book: a {0} spiral, two turning wheels, a star and a winding line"),
    (draw_octopus, "A {0} octopus waves its arms, and a {1} fish swims by"),
    (draw_face, "A face with {0} hair and a {1} shirt talks, nods and blinks"),
    (draw_bicycle, "A rider with a {1} shirt on a {0} bicycle passes houses"),
    (draw_pond, "A {0} duck and two yellow ducklings swim on a pond"),
    (draw_snow, "A snowman with a {0} hat and a {1} scarf waves in falling snow"),
    (draw_snake, "A {0} snake winds through the desert past a cactus"),
)


def film_drawing(index: int, size: Size, frames: Sequence[int] = ALL_FRAMES) -> UnseenClip:
    """Draw frames of drawing number `index` in a size, FPS frames a second."""
    draw, caption = SCENES[index % len(SCENES)]
    sketch = Sketch(size, index)
    told = caption.format(*sketch.colours).replace(" a orange", " an orange").replace("A orange", "An orange")
    return UnseenClip(f"A drawing. {told}.", torch.stack([sketch.frame(draw, frame / FPS) for frame in frames]))
