"""What is known of a film, step by step. Each step of the curation takes records and returns new ones.

    shots       where the film's shots lie, and which of them are of no use           (paper: AutoShot)
    camera      how the camera moves in each shot                                     (paper: VGGT, Qwen3-VL)
    characters  who appears in each shot                                              (paper: SAM2, Qwen3-VL)
    scenes      which neighbouring shots tell one story at one place                  (paper: a VLM)
    captions    what the text encoder reads                                           (paper: Gemini)

A step is any function that fits `ShotStep` or `FilmStep`. So a large model and a few lines of OpenCV are used alike.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, Self

from numpy.typing import NDArray

BorderKind = Literal["cut", "dissolve", "fade"]
CAMERA_KINDS = ("static", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out", "dolly", "handheld")
REASONS = ("too short", "black", "static", "credits")  # why a shot is left out


@dataclass(frozen=True)
class Border:
    """Where one shot ends and the next one begins.

    Attributes:
        start, stop: the frames [start, stop) of the transition, which belong to no shot. Both are the first frame of
            the next shot where there is a cut.
        kind: a cut has no transition; a dissolve mixes two shots; a fade goes over one colour.
    """

    start: int
    stop: int
    kind: BorderKind = "cut"


@dataclass(frozen=True)
class Camera:
    """How the camera moves in a shot.

    Attributes:
        kind: one of CAMERA_KINDS.
        speed: of a pan or tilt in frame widths a second, of a zoom or dolly as the change of scale a second; 0 or more.
    """

    kind: str = "static"
    speed: float = 0.0


@dataclass(frozen=True)
class Actor:
    """Someone who appears in a shot.

    Attributes:
        name: the same in all shots of a scene, such as "A".
        description: what they look like.
        box: (left, top, right, bottom) in shares of the frame, where they are in the middle of their appearance.
        appearance: numbers that describe their look, by which they are known again in another shot.
        speed: at which they move to the right in the picture, in frame widths a second; negative to the left.
    """

    name: str
    description: str = ""
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    appearance: tuple[float, ...] = ()
    speed: float = 0.0

    @classmethod
    def from_dict(cls, value: dict) -> Self:
        """Undo `asdict` and JSON, which turns tuples into lists."""
        return cls(**{**value, "box": tuple(value["box"]), "appearance": tuple(value["appearance"])})


@dataclass(frozen=True)
class ShotRecord:
    """What is known of one shot. Frames count from the film's first one.

    Attributes:
        start, stop: its frames [start, stop), without those of transitions.
        rejected: one of REASONS, or "" for a shot that is used.
        scene: the number of its scene.
        content: what happens in it.
        keyframes: the frames worth drawing in a storyboard.
        features: numbers that describe its look, for comparing shots.
    """

    start: int
    stop: int
    rejected: str = ""
    camera: Camera = Camera()
    characters: tuple[Actor, ...] = ()
    scene: int = 0
    content: str = ""
    keyframes: tuple[int, ...] = ()
    features: tuple[float, ...] = ()

    @property
    def num_frames(self) -> int:
        return self.stop - self.start

    def to_dict(self) -> dict:
        """The record as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict) -> Self:
        """Undo `to_dict` and JSON, which turns tuples into lists."""
        characters = tuple(Actor.from_dict(one) for one in value["characters"])
        tuples = {name: tuple(value[name]) for name in ("keyframes", "features")}
        return cls(**{**value, **tuples, "camera": Camera(**value["camera"]), "characters": characters})


@dataclass(frozen=True)
class Passage:
    """Neighbouring shots of one scene: what becomes one clip of the dataset.

    Attributes:
        shots: one or more, in order, none of them rejected.
        description: the holistic caption.
        told_by: the language model that wrote its texts, or "template".
    """

    shots: tuple[ShotRecord, ...]
    description: str = ""
    told_by: str = "template"

    @classmethod
    def from_dict(cls, value: dict) -> Self:
        """Undo `asdict` and JSON, which turns tuples into lists."""
        return cls(**{**value, "shots": tuple(ShotRecord.from_dict(shot) for shot in value["shots"])})


class ShotStep(Protocol):
    """A step that looks at one shot."""

    def __call__(self, shot: ShotRecord, frames: NDArray, fps: float) -> ShotRecord:
        """Return the record with more in it. frames: those of the shot, uint8 (T, H, W, 3), small; fps: their rate."""


class FilmStep(Protocol):
    """A step that compares the shots of a film."""

    def __call__(self, shots: Sequence[ShotRecord]) -> list[ShotRecord]:
        """Return the records of all shots of the film, in their order, with more in them."""
