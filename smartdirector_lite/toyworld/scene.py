"""What there is to film: settings, characters, props and shots, as plain data.

In world units a character is about one unit tall, x runs to the right, y runs up, and the ground is at y = 0. Times are
in seconds. A `Scene` has no size in pixels. `sampling.py` draws a scene from a seed, `tracks.py` says where everything
is in each frame, and `render.py` draws the frames.
"""

from dataclasses import dataclass

COLOURS = {  # rgb in [0, 1]
    "red": (0.88, 0.22, 0.20),
    "orange": (0.97, 0.56, 0.15),
    "yellow": (0.98, 0.85, 0.25),
    "green": (0.20, 0.62, 0.30),
    "blue": (0.20, 0.42, 0.88),
    "purple": (0.55, 0.30, 0.78),
    "pink": (0.97, 0.55, 0.72),
    "white": (0.96, 0.95, 0.92),
}
NAMES = {
    "red": "Rory",
    "orange": "Otto",
    "yellow": "Yuki",
    "green": "Gus",
    "blue": "Bibi",
    "purple": "Pavo",
    "pink": "Pia",
    "white": "Wilma",
}
_WORDS = "SUN TEA CAFE ZOO HI BUS STOP PARK MOON GO FUN WEST LAKE HOME NORD KIWI JAZZ BOX VAN PUMA"
WORDS = tuple(_WORDS.split())  # on signs


@dataclass(frozen=True)
class Setting:
    """The colours of a backdrop, rgb in [0, 1]."""

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
    Setting(
        "a sunny meadow",
        sky_top=(0.36, 0.66, 0.95),
        sky_low=(0.82, 0.93, 1.0),
        hill_far=(0.56, 0.78, 0.62),
        hill_near=(0.42, 0.70, 0.44),
        ground=(0.60, 0.80, 0.40),
        light=(1.0, 0.95, 0.62),
        foliage=(0.24, 0.54, 0.28),
    ),
    Setting(
        "a desert at sunset",
        sky_top=(0.46, 0.36, 0.66),
        sky_low=(1.0, 0.74, 0.48),
        hill_far=(0.72, 0.48, 0.50),
        hill_near=(0.62, 0.40, 0.38),
        ground=(0.86, 0.66, 0.42),
        light=(1.0, 0.62, 0.32),
        foliage=(0.38, 0.48, 0.28),
    ),
    Setting(
        "a field on a moonlit night",
        sky_top=(0.06, 0.08, 0.24),
        sky_low=(0.22, 0.27, 0.50),
        hill_far=(0.16, 0.21, 0.38),
        hill_near=(0.12, 0.17, 0.30),
        ground=(0.20, 0.30, 0.33),
        light=(0.95, 0.95, 0.86),
        foliage=(0.08, 0.20, 0.20),
        stars=True,
    ),
    Setting(
        "a snowy field",
        sky_top=(0.62, 0.76, 0.90),
        sky_low=(0.90, 0.95, 0.98),
        hill_far=(0.74, 0.82, 0.90),
        hill_near=(0.82, 0.88, 0.94),
        ground=(0.94, 0.96, 0.99),
        light=(1.0, 0.98, 0.88),
        foliage=(0.24, 0.44, 0.42),
    ),
)

BODIES = {  # half width, half height and corner radius, times the size; taper, over 0 for a narrow top
    "round": (0.46, 0.44, 0.44, 0.0),
    "square": (0.42, 0.42, 0.12, 0.0),
    "tall": (0.32, 0.58, 0.30, 0.0),
    "wide": (0.60, 0.36, 0.34, 0.0),
    "pear": (0.46, 0.50, 0.40, 0.35),
}
HEADGEAR = {  # offsets of foot and tip in half widths of the body; length, thickness and radius of a ball, times size
    "ears": (0.55, 0.75, 0.22, 0.11, 0.0),
    "antennae": (0.25, 0.50, 0.28, 0.035, 0.075),
    "horns": (0.6, 0.95, 0.18, 0.06, 0.0),
    "a tuft": (0.0, 0.10, 0.14, 0.08, 0.0),
}
ACTIONS = ("walks right", "walks left", "jumps", "waves", "stands still")
CAMERAS = ("static", "pan right", "pan left", "zoom in", "zoom out", "follow")
FRAMINGS = {"wide": 2.9, "medium": 2.2, "close-up": 1.65}  # height of the frame in world units
ASPECT = 1.75  # width / height of the frame that scenes are composed for


@dataclass(frozen=True)
class Character:
    """Who somebody is, in every shot.

    Attributes:
        colour, body, headgear: keys of COLOURS, BODIES and HEADGEAR.
        size: a factor on the usual size.
    """

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
    """A ball that rolls or a balloon that rises.

    Attributes:
        kind: "ball" or "balloon".
        colour: a key of COLOURS.
        x: where it is half-way through the shot.
        speed: units a second.
    """

    kind: str
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
    """What one character does in one shot.

    Attributes:
        character: its index in the scene.
        action: one of ACTIONS.
        x: where it is half-way through the shot.
        speed: units a second, negative to the left.
        phase: of a jump, a wave or a look around, in [0, 1).
    """

    character: int
    action: str
    x: float
    speed: float
    phase: float


@dataclass(frozen=True)
class SceneShot:
    """Frames [start, stop) of a scene, seen by one camera.

    Attributes:
        framing: a key of FRAMINGS.
        camera: one of CAMERAS.
        camera_x: where the camera is half-way through the shot.
        camera_speed: units a second; for a zoom the natural logarithm of the view's growth in a second.
        roles: what each character does.
        prop: None where there is none.
    """

    start: int
    stop: int
    framing: str
    camera: str
    camera_x: float
    camera_speed: float
    roles: tuple[Role, ...]
    prop: Prop | None = None


@dataclass(frozen=True)
class Scene:
    """Everything that there is to film, and its shots.

    Attributes:
        seed: what the scene was drawn from.
        fps: frames a second.
        sign: the word on the sign; None where there is no sign.
        sign_x, light_x: where the sign and the sun or moon are.
        hills: phases of the two ranges of hills.
        trees: x, height, and 1 for a pine or 0 for a round tree, of each tree.
        clouds: x, y and size of each cloud.
    """

    seed: int
    fps: float
    setting: Setting
    characters: tuple[Character, ...]
    shots: tuple[SceneShot, ...]
    sign: str | None
    sign_x: float
    light_x: float
    hills: tuple[float, ...]
    trees: tuple[tuple[float, float, float], ...]
    clouds: tuple[tuple[float, float, float], ...]

    @property
    def num_frames(self) -> int:
        return self.shots[-1].stop

    @property
    def cuts(self) -> tuple[int, ...]:
        return tuple(shot.start for shot in self.shots[1:])

    @property
    def description(self) -> str:
        """The holistic part of the caption: the setting, who is there, and what the sign says."""
        parts = [f"{self.setting.name[0].upper()}{self.setting.name[1:]}."]
        parts += [character.description for character in self.characters]
        if self.sign:
            parts.append(f"A sign says {self.sign}.")
        return " ".join(parts)

    def shot_caption(self, index: int) -> dict:
        """Return the fields of a storyboard's `Shot` for one shot."""
        shot = self.shots[index]
        names = [self.characters[role.character].name for role in shot.roles]
        content = [f"{name} {role.action}." for name, role in zip(names, shot.roles)]
        if shot.prop:
            content.append(shot.prop.description)
        camera = f"{shot.framing}, {shot.camera}" + (f" {names[0]}" if shot.camera == "follow" else "")
        return {"start_frame": shot.start, "description": " ".join(content), "camera": camera, "characters": names}
