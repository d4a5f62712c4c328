"""What there is to film: settings, characters, props, shots. Plain data, drawn at random from a seed.

World units: a character is about one unit tall, x runs right, y up, the ground on which they stand is y = 0. Times are
seconds. A `Scene` is resolution-free; `render.py` draws it at any size, `tracks.py` says where everything is.
"""

import random
from dataclasses import dataclass, field

HELD_OUT_SEED = 1_000_000  # seeds from here on are never trained on

COLOURS = {
    "red": (0.88, 0.22, 0.20), "orange": (0.97, 0.56, 0.15), "yellow": (0.98, 0.85, 0.25), "green": (0.20, 0.62, 0.30),
    "blue": (0.20, 0.42, 0.88), "purple": (0.55, 0.30, 0.78), "pink": (0.97, 0.55, 0.72), "white": (0.96, 0.95, 0.92),
}  # fmt: skip
NAMES = {"red": "Rory", "orange": "Otto", "yellow": "Yuki", "green": "Gus", "blue": "Bibi", "purple": "Pavo", "pink": "Pia",
         "white": "Wilma"}  # fmt: skip
WORDS = ("SUN", "TEA", "CAFE", "ZOO", "HI", "BUS", "STOP", "PARK", "MOON", "GO", "FUN", "WEST", "LAKE", "HOME", "NORD", "KIWI",
         "JAZZ", "BOX", "VAN", "PUMA")  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """Colours of the backdrop; rgb in [0, 1]."""

    name: str
    sky_top: tuple
    sky_low: tuple
    hill_far: tuple
    hill_near: tuple
    ground: tuple
    light: tuple  # sun or moon
    foliage: tuple
    stars: bool = False


SETTINGS = (
    Setting("a sunny meadow", (0.36, 0.66, 0.95), (0.82, 0.93, 1.0), (0.56, 0.78, 0.62), (0.42, 0.70, 0.44),
            (0.60, 0.80, 0.40), (1.0, 0.95, 0.62), (0.24, 0.54, 0.28)),
    Setting("a desert at sunset", (0.46, 0.36, 0.66), (1.0, 0.74, 0.48), (0.72, 0.48, 0.50), (0.62, 0.40, 0.38),
            (0.86, 0.66, 0.42), (1.0, 0.62, 0.32), (0.38, 0.48, 0.28)),
    Setting("a field on a moonlit night", (0.06, 0.08, 0.24), (0.22, 0.27, 0.50), (0.16, 0.21, 0.38), (0.12, 0.17, 0.30),
            (0.20, 0.30, 0.33), (0.95, 0.95, 0.86), (0.08, 0.20, 0.20), stars=True),
    Setting("a snowy field", (0.62, 0.76, 0.90), (0.90, 0.95, 0.98), (0.74, 0.82, 0.90), (0.82, 0.88, 0.94),
            (0.94, 0.96, 0.99), (1.0, 0.98, 0.88), (0.24, 0.44, 0.42)),
)  # fmt: skip

BODIES = {  # half width, half height, corner radius, taper (> 0: narrow at the top)
    "round": (0.46, 0.44, 0.44, 0.0), "square": (0.42, 0.42, 0.12, 0.0), "tall": (0.32, 0.58, 0.30, 0.0),
    "wide": (0.60, 0.36, 0.34, 0.0), "pear": (0.46, 0.50, 0.40, 0.35),
}  # fmt: skip
HEADGEAR = {  # foot offset, tip offset, length, thickness, tip radius; in body half widths / units
    "ears": (0.55, 0.75, 0.22, 0.11, 0.0), "antennae": (0.25, 0.50, 0.28, 0.035, 0.075), "horns": (0.6, 0.95, 0.18, 0.06, 0.0),
    "a tuft": (0.0, 0.10, 0.14, 0.08, 0.0),
}  # fmt: skip
ACTIONS = ("walks right", "walks left", "jumps", "waves", "stands still")
CAMERAS = ("static", "pan right", "pan left", "zoom in", "zoom out", "follow")
FRAMINGS = {"wide": 2.9, "medium": 2.2, "close-up": 1.65}  # world units from the bottom to the top of the frame


@dataclass(frozen=True)
class Character:
    colour: str
    body: str
    headgear: str
    size: float = 1.0

    @property
    def name(self) -> str:
        return NAMES[self.colour]

    @property
    def description(self) -> str:
        return f"{self.name} is a {self.body} {self.colour} creature with {self.headgear}."


@dataclass(frozen=True)
class Prop:
    """A ball that rolls or a balloon that rises."""

    kind: str  # "ball" | "balloon"
    colour: str
    x: float
    speed: float

    @property
    def description(self) -> str:
        if self.kind == "balloon":
            return f"A {self.colour} balloon rises."
        return f"A {self.colour} ball rolls {'right' if self.speed > 0 else 'left'}."


@dataclass(frozen=True)
class Role:
    """What one character does in one shot: where it is half-way through, and how fast it goes (units / s)."""

    character: int
    action: str
    x: float
    speed: float
    phase: float


@dataclass(frozen=True)
class SceneShot:
    start: int
    stop: int
    framing: str
    camera: str
    camera_x: float
    camera_speed: float  # units / s for a pan, relative growth / s for a zoom
    roles: tuple[Role, ...]
    prop: Prop | None = None


@dataclass(frozen=True)
class Scene:
    seed: int
    fps: float
    setting: Setting
    characters: tuple[Character, ...]
    shots: tuple[SceneShot, ...]
    sign: str | None
    sign_x: float
    light_x: float
    hills: tuple[float, ...]
    trees: tuple[tuple[float, float, float], ...]  # x, height, 1 = pine / 0 = round
    clouds: tuple[tuple[float, float, float], ...] = field(default=())  # x, y, size

    @property
    def num_frames(self) -> int:
        return self.shots[-1].stop

    @property
    def cuts(self) -> tuple[int, ...]:
        return tuple(shot.start for shot in self.shots[1:])

    @property
    def description(self) -> str:
        """The holistic caption: the setting, who is there, what the sign says."""
        parts = [f"{self.setting.name[0].upper()}{self.setting.name[1:]}."]
        parts += [character.description for character in self.characters]
        if self.sign:
            parts.append(f"A sign says {self.sign}.")
        return " ".join(parts)

    def shot_caption(self, index: int) -> dict:
        """One shot of the structured caption: start (frame), description, camera, characters."""
        shot = self.shots[index]
        names = [self.characters[role.character].name for role in shot.roles]
        content = [f"{name} {role.action}." for name, role in zip(names, shot.roles, strict=True)]
        if shot.prop:
            content.append(shot.prop.description)
        camera = f"{shot.framing}, {shot.camera}" + (f" {names[0]}" if shot.camera == "follow" else "")
        return {"start": shot.start, "description": " ".join(content), "camera": camera, "characters": names}


def sample_scene(seed: int, num_frames: int = 49, num_shots: int | None = None, fps: float = 12.0) -> Scene:
    """Draw a scene from a seed: the same seed and arguments always give the same scene.

    num_shots: None draws 1 to 3. Every shot lasts at least a quarter of an even share. Raises ValueError for fewer
    frames than two a shot.
    """
    rng = random.Random(f"scene-{seed}-{num_frames}")
    if num_shots is None:
        num_shots = rng.choice((1, 1, 2, 3)) if num_frames >= 24 else 1
    if num_frames < 2 * num_shots:
        raise ValueError(f"num_frames = {num_frames} is too short for {num_shots} shots: give 2 frames a shot or more")
    colours = rng.sample(sorted(COLOURS), rng.choice((1, 2, 2)))
    characters = tuple(
        Character(colour, rng.choice(sorted(BODIES)), rng.choice(sorted(HEADGEAR)), rng.uniform(0.92, 1.15))
        for colour in colours
    )
    share = num_frames / num_shots
    cuts = [round(share * (i + rng.uniform(-0.25, 0.25))) for i in range(1, num_shots)]
    bounds = [0, *cuts, num_frames]
    shots = []
    for start, stop in zip(bounds, bounds[1:], strict=False):
        last = shots[-1] if shots else None
        shots.append(_sample_shot(rng, start, stop, fps, characters, last))
    return Scene(
        seed=seed, fps=fps, setting=rng.choice(SETTINGS), characters=characters, shots=tuple(shots),
        sign=rng.choice(WORDS) if rng.random() < 0.45 else None, sign_x=rng.choice((-1, 1)) * rng.uniform(0.7, 1.6),
        light_x=rng.uniform(-0.75, 0.75), hills=tuple(rng.uniform(0, 6.28) for _ in range(4)),
        trees=tuple((side * rng.uniform(0.9, 3.8), rng.uniform(0.9, 1.7), float(rng.random() < 0.5)) for side in (-1, 1, 1)),
        clouds=tuple((rng.uniform(-3, 3), rng.uniform(1.7, 2.3), rng.uniform(0.22, 0.36)) for _ in range(2)),
    )  # fmt: skip


def _sample_shot(rng, start, stop, fps, characters, last: SceneShot | None) -> SceneShot:
    framings = [name for name in FRAMINGS if last is None or name != last.framing]
    framing = rng.choice(framings)
    camera = rng.choices(CAMERAS, weights=(4, 1, 1, 1, 1, 2))[0]
    camera_x = rng.uniform(-0.4, 0.4)
    cast = list(range(len(characters)))
    rng.shuffle(cast)
    if framing == "close-up":
        cast = cast[:1]
    spread = FRAMINGS[framing] * 1.75 / 2
    roles = []
    for place, character in enumerate(cast):
        action = rng.choices(ACTIONS, weights=(4, 4, 2, 1, 2))[0]
        if camera == "follow" and place == 0:
            action = rng.choice(ACTIONS[:2])
        slot = 0.0 if len(cast) == 1 else (-0.45, 0.45)[place]
        x = camera_x + spread * (slot + rng.uniform(-0.12, 0.12))
        duration = (stop - start) / fps
        speed = {"walks right": 1, "walks left": -1}.get(action, 0) * rng.uniform(0.45, 0.95)
        if not (camera == "follow" and place == 0):
            limit = 1.3 * spread / duration  # so that nobody spends most of the shot out of frame
            speed = max(-limit, min(limit, speed))
        roles.append(Role(character, action, x, speed, rng.random()))
    prop = None
    if rng.random() < 0.25:
        kind = rng.choice(("ball", "balloon"))
        speed = rng.uniform(0.4, 0.8) * (rng.choice((-1, 1)) if kind == "ball" else 1)
        prop = Prop(kind, rng.choice(sorted(COLOURS)), camera_x + spread * rng.uniform(-0.8, 0.8), speed)
    lead = next((role for role in roles if camera == "follow"), None)
    if lead:
        camera_x, camera_speed = lead.x, lead.speed
    elif camera.startswith("pan"):
        camera_speed = rng.uniform(0.3, 0.6) * (1 if camera == "pan right" else -1)
    else:
        camera_speed = {"zoom in": -1, "zoom out": 1}.get(camera, 0) * rng.uniform(0.10, 0.18)
    return SceneShot(start, stop, framing, camera, camera_x, camera_speed, tuple(roles), prop)
