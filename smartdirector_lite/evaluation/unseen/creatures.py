"""People and animals of drawings. They move with the time, in seconds; each stands at (0, 0), about 1 high or wide."""

from math import cos, pi, sin

from .sketch import Colour, Place, Sketch

SKIN = (248, 214, 184)


def limb(s: Sketch, start: Place, parts: list[tuple[float, float]], width: float = 1.4) -> Place:
    """Draw a limb and return its end.

    Args:
        parts: the length and the angle of each part; 0 hangs down, and a quarter turn points to the right.
    """
    points = [start]
    for length, angle in parts:
        x, y = points[-1]
        points.append((x + length * sin(angle), y + length * cos(angle)))
    s.line(points, width, smooth=False)
    return points[-1]


def person(s: Sketch, t: float, shirt: Colour, walks: bool = True, reach: tuple[float, float] | None = None) -> Place:
    """A figure of lines that walks to the right, with its feet at 0. Returns its hand in front.

    Args:
        walks: else it stands.
        reach: angles of the two parts of the arm in front; None swings it.
    """
    phase = t * 2 * pi / 1.9 if walks else 0.0
    swing = 0.55 * walks
    hip = (0.0, -0.47 - 0.02 * cos(2 * phase) * walks)
    neck = (0.04, hip[1] - 0.28)
    for side in (0, pi):
        thigh = swing * sin(phase + side) + 0.06 * (1 if side else -1)
        knee = 0.5 * max(0.0, sin(phase + side - 1.9)) * (2 * walks)
        foot = limb(s, hip, [(0.24, thigh), (0.24, thigh - knee)])
        s.line([foot, (foot[0] + 0.08, foot[1] - 0.01)], 1.4)
    back = -0.6 * swing * sin(phase) - 0.1
    limb(s, (neck[0], neck[1] + 0.05), [(0.17, back), (0.15, back + 0.4)])
    body = [(neck[0] - 0.05, neck[1]), (neck[0] + 0.05, neck[1]), (hip[0] + 0.09, hip[1]), (hip[0] - 0.09, hip[1])]
    s.shape(body, shirt, smooth=False, hatch=True)
    front = (0.6 * swing * sin(phase) + 0.1, 0.6 * swing * sin(phase) + 0.5) if reach is None else reach
    hand = limb(s, (neck[0], neck[1] + 0.05), [(0.17, front[0]), (0.15, front[1])])
    s.circle(neck[0] + 0.01, neck[1] - 0.12, 0.11, SKIN)
    s.circle(neck[0] + 0.06, neck[1] - 0.14, 0.012, "black", width=0.3)
    s.line([(neck[0] + 0.03, neck[1] - 0.07), (neck[0] + 0.07, neck[1] - 0.065), (neck[0] + 0.1, neck[1] - 0.08)], 0.7)
    return hand


def fish(s: Sketch, t: float, colour: Colour, fin: Colour) -> None:
    """A fish that swims to the left; a wave runs along its body to the tail."""

    def sway(x: float) -> float:
        return 0.11 * max(0.0, x + 0.4) * sin(4.2 * t - 4 * x)

    tail = sway(0.75)
    s.shape([(0.4, sway(0.4)), (0.7, -0.24 + 2 * tail), (0.62, 2 * tail), (0.72, 0.24 + 2 * tail)], fin)
    s.shape([(-0.1, -0.24), (0.1, -0.42 + 0.04 * sin(4 * t)), (0.25, -0.18 + sway(0.25))], fin)
    upper = [(x, y + sway(x)) for x, y in ((-0.5, 0), (-0.3, -0.2), (0, -0.27), (0.25, -0.16), (0.48, -0.04))]
    lower = [(x, y + sway(x)) for x, y in ((0.48, 0.04), (0.25, 0.16), (0, 0.26), (-0.3, 0.18))]
    s.shape(upper + lower, colour, hatch=True)
    s.shape([(-0.08, 0.04), (0.12, 0.16 + 0.05 * sin(4.2 * t)), (0.12, 0.0)], fin)
    s.circle(-0.32, -0.05, 0.06, "white", width=0.7)
    s.circle(-0.33, -0.05, 0.022, "black", width=0.3)
    s.line([(-0.48, 0.05), (-0.4, 0.08)], 0.7)


def bird(s: Sketch, t: float, colour: Colour) -> None:
    """A bird that flies to the right; its wings beat with a joint."""
    beat = sin(2 * pi * t / 1.6)
    inner, outer = 0.5 * beat + 0.25, 0.5 * sin(2 * pi * t / 1.6 - 0.9)

    def wing(far: float) -> list[Place]:
        joint = (-0.06 + far, -0.42 * sin(inner))
        tip = (joint[0] - 0.2, joint[1] - 0.5 * sin(inner * 0.6 + outer) - 0.04)
        return [(0.16 + far, -0.04), joint, tip, (joint[0] - 0.22, joint[1] + 0.14), (-0.16 + far, 0.02)]

    s.shape(wing(0.1), "grey")
    s.shape([(-0.34, 0), (-0.6, -0.08), (-0.62, 0.08)], colour, smooth=False)
    s.shape([(-0.4, 0.02), (-0.1, -0.13), (0.25, -0.1), (0.42, -0.08), (0.3, 0.08), (0, 0.13)], colour)
    s.shape([(0.4, -0.12), (0.55, -0.06), (0.4, -0.03)], "orange", smooth=False)
    s.circle(0.33, -0.08, 0.018, "black", width=0.3)
    s.shape(wing(0.0), colour, hatch=True)


def snail(s: Sketch, t: float, shell: Colour) -> None:
    """A snail that crawls to the right: its foot stretches and shrinks."""
    long = 0.09 * sin(2.4 * t)
    horns = 0.06 * sin(2 * t)
    for x in (0.5, 0.6):
        s.line([(x - 0.06 + long, -0.25), (x + long + horns, -0.5)], 0.9)
        s.circle(x + long + horns, -0.5, 0.03, "black", width=0.3)
    head = [(0.46 + long, -0.1), (0.44 + long, -0.26), (0.54 + long, -0.32), (0.64 + long, -0.2), (0.6 + long, 0)]
    s.shape([(-0.62 - long, 0), (-0.3, -0.14), (0.2, -0.12), *head], (226, 200, 150))
    s.circle(-0.04, -0.32, 0.3, shell, hatch=True)
    turns = [(0.04 + 0.23 * k / 18, 0.75 * k) for k in range(18)]
    s.line([(-0.04 + r * cos(a), -0.32 + r * sin(a)) for r, a in turns], 1)


def butterfly(s: Sketch, t: float, colour: Colour) -> None:
    """A butterfly from above, whose wings open and close."""
    spread = 0.35 + 0.65 * abs(cos(2 * pi * t / 2.6))
    for side in (-spread, spread):
        s.shape([(0, 0), (0.1 * side, -0.3), (0.42 * side, -0.4), (0.45 * side, -0.12)], colour, hatch=True)
        s.shape([(0, 0), (0.35 * side, 0.02), (0.34 * side, 0.3), (0.1 * side, 0.24)], "yellow")
        s.line([(0, -0.18), (0.1 * side, -0.34)], 0.7)
    s.circle(0, 0, 0.04, "black", squeeze=5, width=0.5)


def octopus(s: Sketch, t: float, colour: Colour) -> None:
    """An octopus that waves its arms."""
    for arm in range(6):
        lean = (arm - 2.5) / 2.5
        points = []
        for k in range(6):
            sway = 0.10 * k / 5 * sin(2.6 * t - 0.7 * k + arm)
            points.append((lean * (0.2 + 0.09 * k) + sway, 0.05 + 0.11 * k - 0.02 * abs(lean) * k))
        s.line(points, 4.2)
        s.line(points, 2.6, ink=colour)
    s.shape([(-0.3, 0.1), (-0.34, -0.25), (0, -0.58), (0.34, -0.25), (0.3, 0.1), (0, 0.16)], colour, hatch=True)
    for x in (-0.11, 0.11):
        s.circle(x, -0.1, 0.08, "white", width=0.8)
        s.circle(x + 0.03 * sin(1.5 * t), -0.08, 0.03, "black", width=0.3)
    s.line([(-0.06, 0.04), (0, 0.07), (0.06, 0.04)], 0.8)


def cat(s: Sketch, t: float, colour: Colour) -> None:
    """A sitting cat that wags its tail, turns its head and blinks."""
    wag = sin(2 * pi * t / 2.1)
    tail = [(0.2, -0.06), (0.45, -0.05), (0.56 + 0.08 * wag, -0.25), (0.5 + 0.22 * wag, -0.48)]
    s.line(tail, 3.6)
    s.line(tail, 2.0, ink=colour)
    s.shape([(-0.24, 0), (-0.2, -0.35), (0, -0.52), (0.2, -0.35), (0.28, 0)], colour, hatch=True)
    for x in (-0.1, 0.1):
        s.line([(x, 0), (x, -0.2)], 0.8)
    with s.placed(0.0, -0.6, turn=0.14 * sin(1.4 * t + 1)):
        for side in (-1, 1):
            s.shape([(0.2 * side, -0.08), (0.19 * side, -0.3), (0.04 * side, -0.18)], colour, smooth=False)
        s.circle(0, 0, 0.21, colour, squeeze=0.9)
        for x in (-0.09, 0.09):
            s.circle(
                x, -0.03, 0.04, "white", squeeze=max(0.15, min(1.0, 1.6 - 3 * abs(sin(1.1 * t + 0.4)) ** 8)), width=0.7
            )
            s.circle(x, -0.03, 0.016, "black", width=0.2)
        s.circle(0, 0.05, 0.024, "pink", width=0.5)
        for side in (-1, 1):
            for y in (0.03, 0.09):
                s.line([(0.06 * side, 0.07), (0.28 * side, y + 0.02)], 0.5)


def duck(s: Sketch, t: float, colour: Colour) -> None:
    """A duck that swims to the right and dips its head."""
    dip = 0.5 + 0.5 * sin(2 * pi * t / 2.4)
    s.shape([(-0.5, -0.18), (-0.3, 0.06), (0.25, 0.06), (0.4, -0.14), (0, -0.16), (-0.36, -0.1)], colour, hatch=True)
    s.shape([(-0.25, -0.1), (0.1, -0.14), (0.02, 0.02 - 0.04 * dip)], "white")
    with s.placed(0.3, -0.12, turn=0.9 * dip - 0.2):
        s.shape([(-0.1, 0), (-0.06, -0.26), (0.08, -0.26), (0.08, 0.02)], colour, width=0.9)
        s.shape([(0.1, -0.36), (0.34, -0.3), (0.1, -0.24)], "orange", smooth=False)
        s.circle(0.02, -0.34, 0.14, "green")
        s.circle(0.06, -0.37, 0.02, "black", width=0.3)


def caterpillar(s: Sketch, t: float, colour: Colour, other: Colour) -> None:
    """A caterpillar that crawls to the right; its back arches in a wave."""
    for part in range(7):
        arch = max(0.0, sin(2.6 * t - 0.8 * part))
        x, y = 0.17 * part - 0.5 - 0.03 * arch, -0.13 - 0.16 * arch
        for side in (-0.03, 0.04):
            s.line([(x + side, y + 0.08), (x + 1.5 * side, y + 0.19)], 1)
        s.circle(x, y, 0.12, colour if part % 2 else other, hatch=True)
    x, y = 0.17 * 6 - 0.46, -0.26 - 0.05 * sin(2.6 * t - 5)
    for side in (-0.05, 0.08):
        s.line([(x + side, y - 0.1), (x + 1.8 * side, y - 0.3)], 0.9)
    s.circle(x, y, 0.16, colour)
    s.circle(x + 0.05, y - 0.04, 0.03, "black", width=0.3)
    s.line([(x - 0.01, y + 0.06), (x + 0.05, y + 0.08), (x + 0.1, y + 0.04)], 0.8)


def robot(s: Sketch, t: float, colour: Colour, other: Colour) -> None:
    """A robot that dances: arms with elbows, a head that turns, lamps that move."""
    beat = 2 * pi * t / 2
    lean = 0.07 * sin(beat)
    for side in (-1, 1):
        bend = 0.25 * max(0.0, sin(beat * side))
        knee = (0.12 * side + 0.3 * bend * side, -0.2)
        s.line([(0.12 * side, -0.38), knee, (0.13 * side, 0)], 3, smooth=False)
        s.shape(
            [(x + 0.13 * side, y) for x, y in ((-0.1, 0.03), (-0.1, -0.06), (0.1, -0.06), (0.1, 0.03))],
            other,
            smooth=False,
        )
    with s.placed(0, -0.36, turn=lean):
        for side in (-1, 1):
            lift = side * (1.0 + 0.8 * sin(beat + side))
            elbow = limb(s, (0.24 * side, -0.34), [(0.2, lift)], 2.6)
            hand = limb(s, elbow, [(0.19, lift + side * (0.9 + 0.5 * sin(beat * side + 1)))], 2.6)
            s.circle(*hand, 0.06, other)
        s.shape([(-0.24, 0), (-0.24, -0.42), (0.24, -0.42), (0.24, 0)], colour, smooth=False, hatch=True)
        s.circle(0, -0.2, 0.12, "white")
        s.line([(0, -0.2), (0.1 * sin(beat), -0.2 - 0.1 * cos(beat))], 1.2, ink="red")
        with s.placed(0, -0.44, turn=0.25 * sin(beat + 0.8)):
            s.line([(0, -0.3), (0.05 * sin(2 * beat), -0.44)])
            s.circle(0.05 * sin(2 * beat), -0.45, 0.035, "red")
            s.shape([(-0.18, 0), (-0.18, -0.3), (0.18, -0.3), (0.18, 0)], other, smooth=False)
            for x in (-0.08, 0.08):
                s.circle(x, -0.18, 0.045, "yellow", width=0.8)
            s.line([(-0.09, -0.07), (0.09, -0.07)], 1.2)


def face(s: Sketch, t: float, hair: Colour, shirt: Colour) -> None:
    """A big face that nods, talks, looks around and blinks."""
    s.shape([(-0.5, 0.75), (-0.42, 0.44), (0, 0.34), (0.42, 0.44), (0.5, 0.75)], shirt, hatch=True)
    with s.placed(0.02 * sin(1.7 * t), 0.4, turn=0.12 * sin(1.7 * t)):
        s.shape([(-0.4, -0.2), (-0.44, -0.6), (0, -0.93), (0.44, -0.6), (0.4, -0.2), (0, 0)], hair, hatch=True)
        s.shape([(-0.1, -0.1), (-0.1, 0.1), (0.1, 0.1), (0.1, -0.1)], SKIN)
        s.circle(0, -0.36, 0.33, SKIN, squeeze=1.1)
        s.shape([(-0.33, -0.42), (-0.24, -0.74), (0.1, -0.78), (0.34, -0.46), (0.12, -0.62)], hair)
        lid = max(0.12, 1 - 1.4 * max(0.0, sin(2.2 * t + 0.5)) ** 6)
        for x in (-0.13, 0.13):
            s.circle(x, -0.4, 0.07, "white", squeeze=lid)
            s.circle(x + 0.03 * sin(1.3 * t), -0.4, 0.028, "black", squeeze=lid, width=0.3)
            raised = -0.52 - 0.03 * sin(2.1 * t)
            s.line([(x - 0.07, raised), (x, raised - 0.03), (x + 0.07, raised)], 1.4)
        s.line([(0, -0.36), (0.04, -0.26), (-0.01, -0.25)], 0.9)
        s.circle(0, -0.14, 0.11, "red", squeeze=0.25 + 0.45 * abs(sin(3.1 * t)))


def snake(s: Sketch, t: float, colour: Colour) -> None:
    """A snake that winds to the right."""
    points = [(0.09 * k - 0.6, 0.12 * sin(0.75 * k - 3.2 * t) * (0.4 + 0.05 * k)) for k in range(14)]
    s.line(points, 6)
    s.line(points, 4.4, ink=colour)
    x, y = points[-1]
    s.shape([(x + 0.06, y), (x + 0.2, y - 0.03), (x + 0.3, y - 0.08 - 0.03 * sin(6 * t))], closed=False, ink="red")
    s.circle(x + 0.05, y, 0.1, colour, squeeze=0.75)
    s.circle(x + 0.08, y - 0.03, 0.02, "black", width=0.3)
