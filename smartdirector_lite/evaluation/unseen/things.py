"""Things of drawings. They move with the time, in seconds; each stands at (0, 0), and most are about 1 high."""

from math import cos, pi, sin

from .sketch import Colour, Sketch


def sun(s: Sketch, t: float, rays: int = 9) -> None:
    """A sun whose rays turn."""
    for ray in range(rays):
        angle = 2 * pi * ray / rays + 0.25 * t
        longer = 1.75 + 0.15 * sin(3 * t + ray)
        s.line([(1.3 * cos(angle), 1.3 * sin(angle)), (longer * cos(angle), longer * sin(angle))], ink="orange")
    s.circle(0, 0, 1, "yellow", hatch=True)


def cloud(s: Sketch) -> None:
    bumps = [(-0.5, 0.2), (-0.62, 0), (-0.42, -0.14), (-0.26, -0.32), (0, -0.3), (0.2, -0.42), (0.42, -0.2)]
    s.shape([*bumps, (0.62, -0.02), (0.5, 0.2)], "white")


def ground(
    s: Sketch, level: float, colour: Colour, bumps: float = 0.03, along: float = 0.0, waves: float = 4.0
) -> None:
    """Hills or waves from edge to edge. along: how far they have gone to the right."""
    count = 25
    xs = [(-1.15 + 2.3 * k / (count - 1)) * max(1.0, s.half) for k in range(count)]
    top = [(x, level + bumps * (sin(waves * (x - along)) + 0.4 * sin(2.3 * waves * (x - along) + 1))) for x in xs]
    s.shape([*top, (xs[-1], 0.7), (xs[0], 0.7)], colour, hatch=True)


def tree(s: Sketch, t: float, crown: Colour = "green") -> None:
    """A tree that bends in the wind."""
    bend = 0.10 * sin(2.6 * t) + 0.06
    s.shape([(-0.07, 0), (-0.04, -0.4), (bend - 0.03, -0.6), (bend + 0.03, -0.6), (0.05, -0.4), (0.08, 0)], "brown")
    for x, y, radius, lag in ((-0.2, -0.6, 0.2, 0.2), (0.2, -0.62, 0.2, 0.5), (0, -0.82, 0.26, 0.9)):
        shift = 1.6 * bend + 0.05 * sin(2.6 * t - lag)
        s.circle(x + shift, y, radius, crown, hatch=True)


def house(s: Sketch, t: float, wall: Colour, roof: Colour) -> None:
    """A house whose chimney smokes."""
    for puff in range(4):
        age = (t * 0.55 + puff / 4) % 1
        s.circle(0.24 + 0.3 * age * age, -0.98 - 0.42 * age, 0.04 + 0.10 * age, "grey", width=0.8 * (age < 0.93))
    s.shape([(0.17, -0.7), (0.17, -0.98), (0.3, -0.98), (0.3, -0.6)], "brown", smooth=False)
    s.shape([(-0.4, 0), (-0.4, -0.52), (0.4, -0.52), (0.4, 0)], wall, smooth=False)
    s.shape([(-0.52, -0.5), (0, -0.95), (0.52, -0.5)], roof, smooth=False, hatch=True)
    s.shape([(-0.08, 0), (-0.08, -0.3), (0.08, -0.3), (0.08, 0)], "brown", smooth=False)
    for x in (-0.27, 0.25):
        s.shape([(x - 0.08, -0.2), (x - 0.08, -0.36), (x + 0.08, -0.36), (x + 0.08, -0.2)], "yellow", smooth=False)
        s.line([(x, -0.2), (x, -0.36)], 0.7)
        s.line([(x - 0.08, -0.28), (x + 0.08, -0.28)], 0.7)


def boat(s: Sketch, t: float, hull: Colour, sail: Colour) -> None:
    """A sailing boat; its sail fills and its flag waves."""
    belly = 0.12 + 0.06 * sin(1.7 * t)
    s.line([(0, 0), (0, -0.95)], 1.5)
    s.shape([(0.03, -0.9), (0.3 + belly, -0.5), (0.5, -0.12), (0.03, -0.12)], sail, hatch=True)
    s.shape([(-0.03, -0.8), (-0.2 + belly / 3, -0.42), (-0.36, -0.12), (-0.03, -0.12)], "white")
    tip = [(-0.11, -0.97 + 0.03 * sin(5 * t)), (-0.24, -0.93 + 0.04 * sin(5 * t - 1))]
    s.shape([(0, -0.95), *tip, (-0.11, -0.87 + 0.03 * sin(5 * t)), (0, -0.85)], "red")
    s.shape([(-0.55, -0.06), (0.6, -0.06), (0.4, 0.2), (-0.4, 0.2)], hull, smooth=False, hatch=True)


def wheel(s: Sketch, x: float, y: float, radius: float, angle: float, spokes: int = 4, tyre: Colour = "grey") -> None:
    """A wheel that has turned by an angle."""
    s.circle(x, y, radius, tyre, width=1.3)
    for spoke in range(spokes):
        a = angle + 2 * pi * spoke / spokes
        s.line([(x, y), (x + 0.85 * radius * cos(a), y + 0.85 * radius * sin(a))], 0.8)
    s.circle(x, y, radius * 0.25, "yellow", width=0.8)


def car(s: Sketch, along: float, colour: Colour) -> None:
    """A car that drives to the right. along: how far it has gone, which turns its wheels."""
    hop = 0.012 * sin(14 * along)
    roof = [(-0.42, -0.36 + hop), (-0.26, -0.62 + hop), (0.16, -0.62 + hop), (0.36, -0.36 + hop)]
    s.shape(roof, "turquoise", smooth=False)
    s.line([(-0.03, -0.62 + hop), (-0.03, -0.36 + hop)])
    body = [(-0.7, -0.14), (-0.7, -0.36), (0.4, -0.38), (0.68, -0.3), (0.72, -0.14)]
    s.shape([(x, y + hop) for x, y in body], colour, smooth=False, hatch=True)
    s.circle(0.64, -0.24 + hop, 0.045, "yellow", width=0.8)
    for x in (-0.4, 0.4):
        wheel(s, x, -0.14, 0.15, along / 0.15)


def rocket(s: Sketch, t: float, colour: Colour, fin: Colour) -> None:
    """A rocket that points up, with a burning flame."""
    flame = 0.34 + 0.10 * sin(7 * t) + 0.05 * sin(11 * t)
    s.shape(
        [(-0.12, 0.02), (-0.08, flame * 0.6), (0.02 * sin(8 * t), flame), (0.08, flame * 0.6), (0.12, 0.02)], "orange"
    )
    s.shape([(-0.06, 0.02), (0, flame * 0.6), (0.06, 0.02)], "yellow", width=0.5)
    for side in (-1, 1):
        s.shape([(0.16 * side, -0.3), (0.36 * side, 0), (0.34 * side, 0.1), (0.13 * side, 0)], fin, smooth=False)
    s.shape(
        [(-0.15, 0), (-0.2, -0.4), (-0.13, -0.75), (0, -1), (0.13, -0.75), (0.2, -0.4), (0.15, 0)], colour, hatch=True
    )
    s.circle(0, -0.5, 0.09, "turquoise", width=1.2)


def flower(s: Sketch, opening: float, petals: Colour, sway: float = 0.0) -> None:
    """A flower on a stem. opening: 0 for a bud, 1 for an open flower."""
    top = (0.25 * sway, -0.75)
    s.line([(0, 0), (0.02 + 0.1 * sway, -0.4), top], 1.6, ink="green")
    s.shape([(0.02, -0.22), (0.16, -0.36 - 0.1 * sway), (0.3, -0.36), (0.18, -0.24)], "green")
    with s.placed(*top):
        for place in (-1.0, 1.0, -0.66, 0.66, -0.33, 0.33, 0.0):
            angle = place * (0.35 + 2.2 * opening)
            with s.placed(0, 0, turn=angle):
                wide = 0.05 + 0.05 * opening
                s.shape([(0, 0), (-wide, -0.16), (0, -0.3), (wide, -0.16)], petals)
        s.circle(0, 0, 0.05 + 0.05 * opening, "yellow", hatch=True)


def clock(s: Sketch, t: float, frame: Colour) -> None:
    """A clock with hands and a pendulum below."""
    swing = 0.45 * sin(2 * pi * t / 2.2)
    s.line([(0, 0.4), (0.6 * sin(swing), 0.4 + 0.55 * cos(swing))], 1.2)
    s.circle(0.6 * sin(swing), 0.4 + 0.55 * cos(swing), 0.09, "yellow")
    s.circle(0, 0, 0.5, frame, hatch=True)
    s.circle(0, 0, 0.4, "white")
    for hour in range(12):
        a = hour * pi / 6
        s.line([(0.33 * cos(a), 0.33 * sin(a)), (0.37 * cos(a), 0.37 * sin(a))], 0.8)
    for length, angle, width in ((0.3, 0.75 * t, 1.2), (0.2, 2 + 0.12 * t, 1.8)):
        s.line([(0, 0), (length * sin(angle), -length * cos(angle))], width)


def balloon(s: Sketch, t: float, colour: Colour, stripe: Colour) -> None:
    """A hot-air balloon whose basket swings."""
    swing = 0.1 * sin(1.8 * t)
    for x in (-0.12, 0.12):
        s.line([(x * 2, -0.12), (x + 2 * swing, 0.3)], 0.7)
    basket = [(x + 2 * swing, y) for x, y in ((-0.13, 0.3), (0.13, 0.3), (0.1, 0.46), (-0.1, 0.46))]
    s.shape(basket, "brown", smooth=False, hatch=True)
    s.shape([(-0.24, -0.1), (-0.46, -0.5), (-0.3, -0.88), (0.3, -0.88), (0.46, -0.5), (0.24, -0.1)], colour, hatch=True)
    s.shape([(-0.09, -0.1), (-0.17, -0.5), (-0.1, -0.92), (0.1, -0.92), (0.17, -0.5), (0.09, -0.1)], stripe)


def windmill(s: Sketch, t: float, wall: Colour, cap: Colour) -> None:
    """A windmill whose four sails turn."""
    s.shape([(-0.2, 0), (-0.13, -0.6), (0.13, -0.6), (0.2, 0)], wall, smooth=False, hatch=True)
    s.shape([(-0.16, -0.6), (0, -0.78), (0.16, -0.6)], cap, smooth=False)
    s.shape([(-0.05, 0), (-0.05, -0.17), (0.05, -0.17), (0.05, 0)], "brown", smooth=False)
    with s.placed(0, -0.64, turn=0.55 * t + 0.3):
        for quarter in range(4):
            with s.placed(0, 0, turn=quarter * pi / 2):
                s.line([(0, 0), (0.5, 0)], 1.3)
                s.shape([(0.12, 0), (0.5, 0), (0.5, 0.13), (0.12, 0.13)], "white", smooth=False)
        s.circle(0, 0, 0.04, "red", width=0.8)


def bicycle(s: Sketch, along: float, colour: Colour, shirt: Colour) -> None:
    """A rider on a bicycle to the right. along: how far it has gone, which turns wheels and pedals."""
    angle = along / 0.27
    for x in (-0.36, 0.36):
        wheel(s, x, -0.27, 0.25, angle, 6, "white")
    crank, hip, hand = (-0.02, -0.27), (-0.16, -0.68), (0.26, -0.66)
    s.line([(-0.36, -0.27), (-0.14, -0.58), (0.24, -0.56), crank, (-0.36, -0.27)], 1.6, ink=colour, smooth=False)
    s.line([crank, (-0.14, -0.62)], 1.6, ink=colour)
    s.line([(0.36, -0.27), (0.24, -0.6), (0.3, -0.66)], 1.6, ink=colour)
    for side in (0, pi):
        foot = (crank[0] + 0.1 * cos(angle / 2 + side), crank[1] + 0.1 * sin(angle / 2 + side))
        away = ((hip[0] - foot[0]) ** 2 + (hip[1] - foot[1]) ** 2) ** 0.5
        bow = max(0.0, 0.29**2 - away**2 / 4) ** 0.5
        across, down = (foot[0] - hip[0]) / away, (foot[1] - hip[1]) / away
        knee = ((hip[0] + foot[0]) / 2 + bow * down, (hip[1] + foot[1]) / 2 - bow * across)
        s.line([hip, knee, foot, (foot[0] + 0.07, foot[1])], 1.6, smooth=False)
    s.shape([(-0.24, -0.68), (-0.08, -0.66), (0.12, -0.98), (0.0, -1.02)], shirt, smooth=False, hatch=True)
    s.line([(0.05, -0.95), (0.13, -0.76), hand], 1.6, smooth=False)
    s.circle(0.14, -1.12, 0.11, (248, 214, 184))
    s.shape([(0.02, -1.14), (0.06, -1.25), (0.2, -1.26), (0.27, -1.14)], colour)
    s.circle(0.19, -1.11, 0.012, "black", width=0.3)


def steam_train(s: Sketch, along: float, colour: Colour, wagon: Colour) -> None:
    """A steam engine with a wagon, to the right. along: how far it has gone, which turns wheels and moves the rod."""
    for puff in range(4):
        age = (0.9 * along + puff / 4) % 1
        s.circle(0.42 - 0.7 * age, -0.72 - 0.3 * age, 0.05 + 0.09 * age, "grey", width=0.8 * (age < 0.93))
    s.shape([(-1.3, -0.14), (-1.3, -0.5), (-0.56, -0.5), (-0.56, -0.14)], wagon, smooth=False, hatch=True)
    for x in (-1.18, -0.93, -0.68):
        s.shape([(x - 0.07, -0.28), (x - 0.07, -0.42), (x + 0.07, -0.42), (x + 0.07, -0.28)], "yellow", smooth=False)
    s.line([(-0.56, -0.18), (-0.42, -0.18)], 1.5)
    s.shape([(-0.42, -0.14), (-0.42, -0.64), (-0.06, -0.64), (-0.06, -0.14)], colour, smooth=False, hatch=True)
    s.shape([(-0.34, -0.4), (-0.34, -0.56), (-0.14, -0.56), (-0.14, -0.4)], "white", smooth=False)
    s.shape([(-0.06, -0.14), (-0.06, -0.42), (0.5, -0.42), (0.5, -0.14)], colour, smooth=False)
    s.shape([(0.36, -0.42), (0.32, -0.66), (0.5, -0.66), (0.46, -0.42)], "black", smooth=False)
    s.shape([(0.5, -0.14), (0.68, 0), (0.5, 0)], "red", smooth=False)
    angle = along / 0.13
    for x in (-1.12, -0.74):
        wheel(s, x, -0.1, 0.1, angle)
    for x in (-0.26, 0.06, 0.36):
        wheel(s, x, -0.12, 0.13, angle)
    rod = (0.08 * cos(angle), 0.08 * sin(angle) - 0.12)
    s.line([(rod[0] - 0.26, rod[1]), (rod[0] + 0.36, rod[1])], 1.8)


def umbrella(s: Sketch, x: float, y: float, colour: Colour, turn: float) -> None:
    """An open umbrella that is held at (x, y)."""
    with s.placed(x, y, turn=turn):
        s.line([(0, 0.03), (0, -0.5)], 1.2)
        rim = [(0.36, -0.36), (0.18, -0.41), (0, -0.37), (-0.18, -0.41), (-0.36, -0.36)]
        s.shape([(-0.36, -0.36), (-0.22, -0.56), (0, -0.63), (0.22, -0.56), *rim], colour, hatch=True)


def snowman(s: Sketch, t: float, hat: Colour, scarf: Colour) -> None:
    """A snowman that waves and lifts its hat."""
    s.line([(0.2, -0.52), (0.36, -0.62), (0.42 + 0.1 * sin(4 * t), -0.86)], 1.4, smooth=False)
    s.line([(-0.2, -0.5), (-0.46, -0.42 - 0.05 * sin(2 * t))], 1.4)
    for y, radius in ((-0.24, 0.28), (-0.58, 0.2)):
        s.circle(0, y, radius, "white", hatch=True)
    s.circle(0, -0.86, 0.15, "white")
    for y in (-0.62, -0.5):
        s.circle(0, y, 0.02, "black", width=0.3)
    s.shape([(-0.14, -0.76), (0.14, -0.74), (0.12, -0.67), (-0.14, -0.69)], scarf)
    s.shape(
        [(0.08, -0.72), (0.2 + 0.05 * sin(3 * t), -0.6), (0.24 + 0.08 * sin(3 * t - 1), -0.46), (0.12, -0.58)], scarf
    )
    for x in (-0.05, 0.05):
        s.circle(x, -0.9, 0.018, "black", width=0.3)
    s.shape([(0, -0.86), (0.2, -0.82), (0, -0.82)], "orange", smooth=False)
    with s.placed(-0.02, -0.98 - 0.06 * max(0.0, sin(2.4 * t)), turn=0.2 * sin(2.4 * t)):
        s.shape([(-0.11, 0), (-0.11, -0.2), (0.11, -0.2), (0.11, 0)], hat, smooth=False)
        s.line([(-0.19, 0), (0.19, 0)], 1.6)
