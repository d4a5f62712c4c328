"""The storyboard: what to show and when. Text, shots, keyframes and clips; JSON in and out.

All checks happen when a Storyboard is made, so that the rest of the library can trust it. A time in seconds means the
nearest frame (halves go up). Files named in a JSON lie in its folder; media in memory may stand in for any of them.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..media import MediaError, PathLike, crop_note, write_json
from ..storyboard import checks as check
from ..timeline import ChunkPlan, Condition, check_placement
from .checks import StoryboardError
from .items import Clip, Keyframe, Shot, put_beside, to_entry
from .pacing import PACING, move_frames, preset_targets

__all__ = ["DEFAULT_FPS", "PACING", "Clip", "Keyframe", "Shot", "Storyboard", "StoryboardError"]

DEFAULT_FPS = 12  # of smartdirector-tiny


@dataclass(frozen=True)
class Storyboard:
    """A video to be made. StoryboardError, in one line, for whatever does not fit.

    Give `duration` (seconds) or `num_frames`; num_frames is always filled in. size: (width, height), or None to leave
    it to the pipeline. folder: where relative paths start and what they may not leave; None trusts every path.
    """

    description: str = ""
    shots: tuple[Shot, ...] = ()
    keyframes: tuple[Keyframe, ...] = ()
    clips: tuple[Clip, ...] = ()
    duration: float | None = None
    num_frames: int | None = None
    fps: float = DEFAULT_FPS
    size: tuple[int, int] | None = None
    negative: str = ""
    title: str = ""
    folder: Path | None = None
    conditions: tuple[Condition, ...] = dataclasses.field(init=False, repr=False, compare=False)  # keyframes, clips

    def __post_init__(self) -> None:
        for name in ("title", "description", "negative"):
            check.text(name, getattr(self, name))
        check.size(self.size)
        for name, kind in (("shots", Shot), ("keyframes", Keyframe), ("clips", Clip)):
            values = tuple(check.items(name, getattr(self, name)))
            for i, value in enumerate(values):
                if not isinstance(value, kind):
                    raise StoryboardError(f"{name}[{i}] must be a {kind.__name__}, got {type(value).__name__}")
            object.__setattr__(self, name, values)
        object.__setattr__(self, "num_frames", check.length(self.duration, self.num_frames, self.fps))
        object.__setattr__(self, "size", None if self.size is None else tuple(self.size))
        object.__setattr__(self, "folder", None if self.folder is None else Path(self.folder))
        if not (self.keyframes or self.clips or self.shots or self.description.strip()):
            raise StoryboardError("the storyboard is empty; give a description, a shot, a keyframe or a clip")
        self._check_shots()
        object.__setattr__(self, "conditions", self._find_conditions())

    def _check_shots(self) -> None:
        previous = -1
        for i, shot in enumerate(self.shots):
            start = check.when(f"shots[{i}].start", shot.start, self.fps, self.num_frames)
            if i == 0 and start != 0:
                raise StoryboardError(f"shots[0].start must be 0, got {shot.start}; the first shot opens the video")
            if start <= previous:
                raise StoryboardError(f"shots[{i}].start is frame {start}, not after shots[{i - 1}] ({previous})")
            previous = start
            check.text(f"shots[{i}].description", shot.description)
            check.text(f"shots[{i}].camera", shot.camera)
            for j, name in enumerate(check.items(f"shots[{i}].characters", shot.characters)):
                check.text(f"shots[{i}].characters[{j}]", name)

    def _named(self) -> list[tuple[str, Keyframe | Clip]]:
        """The keyframes, then the clips, each with its name in messages."""
        keyframes = [(f"keyframes[{i}]", item) for i, item in enumerate(self.keyframes)]
        return keyframes + [(f"clips[{i}]", item) for i, item in enumerate(self.clips)]

    def _find_conditions(self) -> tuple[Condition, ...]:
        """The place and length of every keyframe and clip; opens and decodes each of them."""
        starts = [check.moment(name, item.time, item.frame, self.fps, self.num_frames) for name, item in self._named()]
        names, found = [name for name, _ in self._named()], []
        self._check_placement([Condition(start) for start in starts], (), names)
        for start, (name, item) in zip(starts, self._named(), strict=True):
            try:
                found.append(Condition(start, item.count(name, self.folder, self.fps)))
            except MediaError as error:
                raise StoryboardError(f"{name}: {error}") from error
        self._check_placement(found, self.cuts, names)
        return tuple(found)

    def _check_placement(self, conditions: Sequence[Condition], cuts: Sequence[int], names: Sequence[str]) -> None:
        try:
            check_placement(self.num_frames, conditions, cuts, names)
        except ValueError as error:
            raise StoryboardError(str(error)) from error

    @property
    def cuts(self) -> tuple[int, ...]:
        """The first frames of shots 2, 3, ..."""
        return tuple(check.when("start", shot.start, self.fps, self.num_frames) for shot in self.shots[1:])

    def plan(self, stride: int = 4) -> ChunkPlan:
        """The chunks for a VAE of this temporal stride. Conditions in order: the keyframes, then the clips."""
        return ChunkPlan.build(self.num_frames, self.conditions, stride, self.cuts)

    def caption(self) -> str:
        """The paper's structured caption: the holistic description, then each shot with its camera and characters."""
        parts = [_sentence(self.description)]
        borders = [0, *self.cuts, self.num_frames]
        for i, shot in enumerate(self.shots):
            parts.append(f"Shot {i + 1} ({borders[i] / self.fps:.1f}-{borders[i + 1] / self.fps:.1f} s):")
            parts.append(_sentence(shot.description))
            parts.append(_sentence(shot.camera and f"Camera: {shot.camera}"))
            parts.append(_sentence(shot.characters and f"Characters: {', '.join(shot.characters)}"))
        return " ".join(part for part in parts if part)

    def load_conditions(self, size: tuple[int, int] | None = None) -> list[tuple[int, np.ndarray]]:
        """(frame_index, (T, H, W, 3) uint8 RGB) of each condition, in the plan's order, cover-cropped to one size.

        size: (width, height); the storyboard's own when None.
        """
        size = self.size if size is None else size
        if size is None:
            raise StoryboardError("load_conditions needs a size (width, height): the storyboard has none")
        return [
            (condition.frame_index, item.read(name, self.folder, self.fps, size))
            for condition, (name, item) in zip(self.conditions, self._named(), strict=True)
        ]

    def crops(self, size: tuple[int, int]) -> list[str]:
        """What `load_conditions(size)` cuts off, a sentence for each condition of another shape than size."""
        notes = [crop_note(name, item.size(name, self.folder), size) for name, item in self._named()]
        return [note for note in notes if note]

    def retime(self, pacing: str | Sequence[int | float]) -> "Storyboard":
        """The same keyframes and clips, in the same order, at other times; the cuts between them move along.

        pacing: a name in PACING, or the new times: one for each keyframe, then one for each clip, an int being a frame
        and a float seconds. StoryboardError if the order would change or two would meet.
        """
        starts = [condition.frame_index for condition in self.conditions]
        ordered = sorted(starts)
        try:
            if isinstance(pacing, str):
                targets = dict(zip(ordered, preset_targets(ordered, pacing), strict=True))
                fixed = (ordered[0], ordered[-1])
            else:
                if not starts or len(pacing) != len(starts):
                    raise StoryboardError(
                        f"retime needs {len(starts)} times, one a keyframe or clip, got {len(pacing)}"
                    )
                new = [check.when(f"times[{i}]", t, self.fps, self.num_frames) for i, t in enumerate(pacing)]
                targets = dict(zip(starts, new, strict=True))
                fixed = tuple(starts)
                if any(targets[a] >= targets[b] for a, b in itertools.pairwise(ordered)):
                    raise StoryboardError(f"times must keep the keyframes' order and differ, got {list(pacing)}")
            lengths = {condition.frame_index: condition.num_frames for condition in self.conditions}
            moved = move_frames(self.num_frames, lengths, self.cuts, targets, fixed)
        except ValueError as error:
            raise StoryboardError(str(error)) from error
        placed = [
            dataclasses.replace(item, time=None, frame=moved[start])
            for item, start in zip([*self.keyframes, *self.clips], starts, strict=True)
        ]
        later = zip(self.shots[1:], self.cuts, strict=True)
        shots = [*self.shots[:1], *(dataclasses.replace(shot, start=moved[cut]) for shot, cut in later)]
        n = len(self.keyframes)
        return dataclasses.replace(self, keyframes=tuple(placed[:n]), clips=tuple(placed[n:]), shots=tuple(shots))

    @classmethod
    def from_dict(cls, value: object, folder: PathLike | None = None) -> "Storyboard":
        """Make a storyboard from the JSON's object. folder: the only place files may come from; default: here."""
        lists = {"shots": (Shot, ()), "keyframes": (Keyframe, ("image",)), "clips": (Clip, ("video",))}
        plain = ("title", "description", "fps", "duration", "num_frames", "size", "negative")
        given = dict(check.keys("the storyboard", value, (*plain, *lists)))
        if "duration" in given and "num_frames" in given:
            raise StoryboardError("the storyboard has both duration and num_frames; give one of them")
        for name, (kind, required) in lists.items():
            allowed = [field.name for field in dataclasses.fields(kind)]
            entries = check.items(name, given.pop(name, []))
            made = []
            for i, entry in enumerate(entries):
                need = ("start",) if kind is Shot and i else required
                fields = dict(check.keys(f"{name}[{i}]", entry, allowed, need))
                made.append(kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}))
            given[name] = tuple(made)
        return cls(**given, folder=Path.cwd() if folder is None else Path(folder))

    @classmethod
    def load(cls, path: PathLike) -> "Storyboard":
        """Read a storyboard's JSON. StoryboardError, naming the file, for whatever is wrong in it."""
        path = Path(path)
        value = check.read_json(path)
        try:
            return cls.from_dict(value, path.parent)
        except StoryboardError as error:
            raise StoryboardError(f"{path}: {error}") from error

    def to_dict(self) -> dict:
        """The JSON's object; what equals its default is left out. StoryboardError for media in memory (use save)."""
        result = {} if self.duration is None else {"duration": self.duration}
        result = result or {"num_frames": self.num_frames}
        result["fps"] = self.fps
        for name in ("title", "description", "size", "negative", "shots", "keyframes", "clips"):
            value = getattr(self, name)
            if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
                value = [to_entry(f"{name}[{i}]", item) for i, item in enumerate(value)]
            if value:
                result[name] = list(value) if isinstance(value, tuple) else value
        return result

    def save(self, path: PathLike) -> None:
        """Write the JSON. Media in memory or from another folder are written beside it, as <name>_keyframe0.png, ..."""
        path = Path(path)

        def put(media: object, name: str) -> str:
            return put_beside(media, path, name, self.folder, self.fps)

        frames = [dataclasses.replace(k, image=put(k.image, f"keyframe{i}")) for i, k in enumerate(self.keyframes)]
        clips = [dataclasses.replace(c, video=put(c.video, f"clip{i}")) for i, c in enumerate(self.clips)]
        saved = dataclasses.replace(self, keyframes=tuple(frames), clips=tuple(clips), folder=path.parent)
        write_json(path, saved.to_dict())


def _sentence(text: str) -> str:
    """The text with a full stop, if it has any words and no stop of its own."""
    text = text.strip() if text else ""
    return f"{text}." if text and text[-1] not in ".!?" else text
