"""What a storyboard may say: texts, shots, keyframes and clips, and when each of them comes.

Everything that can be checked without decoding a picture is checked when a Storyboard is made, so that the rest of the
library can trust it. A time in seconds means the nearest frame, and halves go up. Files that a JSON names lie in its
folder. A PIL image or an array in memory may stand in for any of them.
"""

import copy
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from ..media import MediaError, PathLike, check_image, count_frames, write_json
from ..media.files import check_file, check_outputs
from ..timeline import ChunkPlan, Condition, as_list, check_number, frame_in, place_conditions
from .complaints import StoryboardError, checked, keys_of, unknown_key
from .files import MAX_JSON_BYTES, inside, parse_json, put_beside
from .pacing import move_frames, preset_targets
from .parts import MAX_DURATION, MAX_FRAMES, Clip, Fps, Keyframe, Length, Seconds, Shot, Sides, Text, nearest_frame

DEFAULT_FPS = 12  # smartdirector-tiny was made for it


@checked
class Storyboard:
    """A video to be made. A StoryboardError, in one line, says what does not fit.

    Attributes:
        description: the holistic caption.
        duration, num_frames: the length, in seconds or in frames. One of them is enough; num_frames is filled in.
        size: (width, height) of the draft in pixels; None leaves it to the pipeline.
        negative: a description of what to avoid.
        folder: where relative paths start and what no path may leave; None trusts every path.
        file: the JSON that it was loaded from.
        conditions: the place and length of each keyframe, then of each clip.
    """

    description: Text = ""
    shots: tuple[Shot, ...] = ()
    keyframes: tuple[Keyframe, ...] = ()
    clips: tuple[Clip, ...] = ()
    duration: Seconds | None = None
    num_frames: Length | None = None
    fps: Fps = DEFAULT_FPS
    size: Sides | None = None
    negative: Text = ""
    title: Text = ""
    folder: Path | None = None
    file: Path | None = dataclasses.field(default=None, repr=False, compare=False)
    conditions: tuple[Condition, ...] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (self.keyframes or self.clips or self.shots or self.description.strip()):
            raise ValueError("the storyboard is empty; give a description, a shot, a keyframe or a clip")
        for name in ("folder", "file"):  # they stay the same when the program goes to another folder
            if getattr(self, name) is not None:
                object.__setattr__(self, name, getattr(self, name).absolute())
        object.__setattr__(self, "num_frames", self._length())
        self._check_shots()
        object.__setattr__(self, "conditions", self._find_conditions())

    def _length(self) -> int:
        """The number of frames, from `duration`, from `num_frames`, or from both if they agree."""
        if self.duration is None:
            if self.num_frames is None:
                raise ValueError("the storyboard needs duration (seconds) or num_frames")
            return self.num_frames
        frames = nearest_frame(self.duration, self.fps)
        found = f"duration {self.duration:g} s at {self.fps:g} fps is {frames} frames"
        if not 1 <= frames <= MAX_FRAMES:
            raise ValueError(f"{found}; 1 to {MAX_FRAMES} can be made")
        if self.num_frames not in (None, frames):
            raise ValueError(f"{found}, but num_frames is {self.num_frames}; give only one")
        return frames

    def _check_shots(self) -> None:
        starts = [self._begin(f"shots[{i}]", shot) for i, shot in enumerate(self.shots)]
        fields = [f"shots[{i}].{shot.moment[0]}" for i, shot in enumerate(self.shots)]
        if starts and starts[0] != 0:
            raise ValueError(f"{fields[0]} must be 0, got {self.shots[0].moment[1]:g}; the first shot opens the video")
        for i, (previous, start) in enumerate(itertools.pairwise(starts)):
            if start <= previous:
                raise ValueError(
                    f"{fields[i + 1]} is frame {start}, not after shots[{i}] ({previous}); let it start later"
                )

    def _find_conditions(self) -> tuple[Condition, ...]:
        """The place and length of every keyframe and clip. Each file is opened, and none is decoded."""
        found = [Condition(self._begin(name, item), self._count(name, item)) for name, item in self.given]
        return place_conditions(self.num_frames, found, self.cuts, [name for name, _ in self.given])[0]

    def _count(self, name: str, item: Keyframe | Clip) -> int:
        """How many frames a keyframe or a clip shows."""
        try:
            if isinstance(item, Keyframe):
                check_image(self.source(f"{name}.image", item.image))
                return 1
            if isinstance(item.video, np.ndarray):
                return len(item.cut(self.fps))
            path = self.source(f"{name}.video", item.video)
            return count_frames(path, self.fps, frames=item.trim_frames, seconds=item.trim)
        except MediaError as error:
            raise StoryboardError(f"{name}: {error}") from error

    def source(self, name: str, media: str | Path | Image.Image | np.ndarray) -> Path | Image.Image | np.ndarray:
        """The file that a path names, checked to lie in the folder; a picture or clip in memory as it is."""
        return inside(name, media, self.folder) if isinstance(media, str | Path) else media

    def _begin(self, name: str, item: Shot | Keyframe | Clip) -> int:
        """The first frame of a shot, a keyframe or a clip."""
        field, moment = item.moment
        if field in ("frame", "start_frame"):
            return frame_in(f"{name}.{field}", moment, self.num_frames)
        return self._frame_at(f"{name}.{field}", moment)

    def _frame_at(self, name: str, seconds: float) -> int:
        """The frame of a time, which must lie in the video."""
        last = self.num_frames - 1
        seconds = check_number(name, seconds, 0)
        if nearest_frame(min(seconds, MAX_DURATION + 1), self.fps) > last:
            inside = f"from 0 to {last / self.fps:.3f} s (frame {last})"
            frames = {"time": "frame", "start": "start_frame"}.get(name.rpartition(".")[2], "frames=")
            raise ValueError(f"{name} must be {inside}, got {seconds:g}; {frames} takes frames")
        return nearest_frame(seconds, self.fps)

    @property
    def given(self) -> list[tuple[str, Keyframe | Clip]]:
        """The keyframes, then the clips, each with its name in messages."""
        keyframes = [(f"keyframes[{i}]", item) for i, item in enumerate(self.keyframes)]
        return keyframes + [(f"clips[{i}]", item) for i, item in enumerate(self.clips)]

    @property
    def cuts(self) -> tuple[int, ...]:
        """The first frames of shots 2, 3, ..."""
        return tuple(self._begin("shot", shot) for shot in self.shots[1:])

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that the storyboard is made from: its JSON, and its pictures and clips. No output may be one."""
        media = [item.image if isinstance(item, Keyframe) else item.video for _, item in self.given]
        found = [self.source("file", one) for one in media if isinstance(one, str | Path)]
        return tuple(found if self.file is None else [self.file, *found])

    def plan(self, stride: int = 4) -> ChunkPlan:
        """The chunks for a VAE of this temporal stride. Its conditions are the keyframes, then the clips."""
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

    def retime(self, pacing: str | Sequence[float] = (), *, frames: Sequence[int] | None = None) -> Self:
        """Move the keyframes and clips to other times, in the same order. The cuts between them move along.

        Args:
            pacing: a name in PACING, or the new times in seconds: one for each keyframe, then one for each clip.
            frames: the new places as frames, in place of `pacing`.

        Raises:
            StoryboardError: the order would change, or two would meet.
        """
        starts = [condition.frame_index for condition in self.conditions]
        ordered = sorted(starts)
        try:
            if frames is not None and len(pacing):
                raise ValueError("pacing and frames are both given; give one of them")
            if isinstance(pacing, str):
                targets = dict(zip(ordered, preset_targets(ordered, pacing), strict=True))
                fixed = (ordered[0], ordered[-1])
            else:
                new = as_list(pacing if frames is None else frames)
                if not starts or len(new) != len(starts):
                    raise ValueError(f"retime needs {len(starts)} times, one a keyframe or clip, got {len(new)}")
                if frames is None:
                    new = [self._frame_at(f"times[{i}]", time) for i, time in enumerate(new)]
                else:
                    new = [frame_in(f"frames[{i}]", frame, self.num_frames) for i, frame in enumerate(new)]
                targets, fixed = dict(zip(starts, new, strict=True)), tuple(starts)
                if any(targets[one] >= targets[two] for one, two in itertools.pairwise(ordered)):
                    raise ValueError(f"the times must keep the keyframes' order and differ, got frames {new}")
            lengths = {condition.frame_index: condition.num_frames for condition in self.conditions}
            moved = move_frames(self.num_frames, lengths, self.cuts, targets, fixed)
        except ValueError as error:
            raise StoryboardError(str(error)) from error
        return self._moved(moved)

    def _moved(self, moved: Mapping[int, int]) -> Self:
        """The storyboard with every condition and cut at the frame that `moved` gives for its frame now.

        The result is a changed copy, not a new Storyboard, because nothing of it needs another check: the media are
        the same, and `move_frames` keeps the conditions and cuts apart. So no file is opened again.
        """
        conditions = tuple(dataclasses.replace(c, frame_index=moved[c.frame_index]) for c in self.conditions)
        frames = iter(condition.frame_index for condition in conditions)

        def placed(items: Sequence[Keyframe | Clip]) -> tuple:
            return tuple(dataclasses.replace(item, time=None, frame=next(frames)) for item in items)

        later = (
            dataclasses.replace(shot, start=None, start_frame=moved[cut])
            for shot, cut in zip(self.shots[1:], self.cuts, strict=True)
        )
        shots = (*self.shots[:1], *later)
        result = copy.copy(self)
        vars(result).update(
            keyframes=placed(self.keyframes), clips=placed(self.clips), shots=shots, conditions=conditions
        )
        return result

    @classmethod
    def from_dict(cls, value: object, folder: PathLike | None = None, file: PathLike | None = None) -> Self:
        """Make a storyboard of the JSON's object.

        Args:
            folder: the only place that files may come from; None is the current one.
            file: where the JSON lies, if it lies anywhere.
        """
        if not isinstance(value, dict):
            raise StoryboardError(f"the storyboard must be an object {{...}}, got {type(value).__name__}")
        value = _given(value)
        if unknown := [key for key in value if key not in keys_of(cls)]:
            raise StoryboardError(unknown_key("the storyboard", unknown[0], [*keys_of(cls)]))
        if "duration" in value and "num_frames" in value:
            raise StoryboardError("the storyboard has both duration and num_frames; give one of them")
        return cls(**value, folder=Path.cwd() if folder is None else folder, file=file)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read a storyboard's JSON. A StoryboardError that names the file says what is wrong in it."""
        path = Path(path)
        try:
            check_file(path)
            with open(path, "rb") as file:
                return cls.from_dict(parse_json(file.read(MAX_JSON_BYTES + 1)), path.parent, path)
        except MediaError as error:
            raise StoryboardError(str(error)) from error
        except OSError as error:
            raise StoryboardError(f"{path}: can't be read ({error.strerror})") from error
        except StoryboardError as error:
            raise StoryboardError(f"{path}: {error}") from error

    def to_dict(self) -> dict:
        """The JSON's object, without what is empty. Media in memory are a StoryboardError: only `save` writes them."""
        length = "num_frames" if self.duration is None else "duration"
        names = (length, "fps", "title", "description", "size", "negative", "shots", "keyframes", "clips")
        values = {name: _plain(name, getattr(self, name)) for name in names}
        return {name: value for name, value in values.items() if value or name == length}

    def save(self, path: PathLike) -> None:
        """Write the JSON. Media in memory or from another folder are written beside it, as <name>_keyframe0.png, ...

        No other file is written over. A StoryboardError or MediaError says what can't be written.
        """
        path = Path(path)
        if not path.parent.is_dir():
            raise StoryboardError(f"{path}: the folder {path.parent} does not exist; make it first")
        check_outputs([path], [file for file in self.files if file != self.file])  # it may be saved where it was

        def put(name: str, media: object) -> str:
            return put_beside(path, name, self.source(name, media), self.fps)

        try:
            frames = [dataclasses.replace(k, image=put("keyframe", k.image)) for k in self.keyframes]
            clips = [dataclasses.replace(c, video=put("clip", c.video)) for c in self.clips]
        except OSError as error:
            raise StoryboardError(f"{path}: its pictures can't be written beside it ({error.strerror})") from error
        saved = dataclasses.replace(self, keyframes=tuple(frames), clips=tuple(clips), folder=path.parent)
        write_json(path, saved.to_dict())


def _given(value: object) -> object:
    """A JSON value without the entries of its objects that are null: many programs write those for what is absent."""
    if isinstance(value, dict):
        return {key: _given(item) for key, item in value.items() if item is not None}
    return [_given(item) for item in value] if isinstance(value, list) else value


def _sentence(text: str) -> str:
    """The text with a full stop, if it has any words and no stop of its own."""
    text = text.strip() if text else ""
    return f"{text}." if text and text[-1] not in ".!?" else text


def _plain(name: str, value: object) -> object:
    """A field's value as JSON takes it, with what is empty left out of objects."""
    if isinstance(value, Image.Image | np.ndarray):
        raise StoryboardError(f"{name} is in memory; save(path) writes it to a file")
    if isinstance(value, tuple):
        return [_plain(f"{name}[{i}]", item) for i, item in enumerate(value)]
    if dataclasses.is_dataclass(value):
        entries = {f.name: _plain(f"{name}.{f.name}", getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {key: entry for key, entry in entries.items() if entry not in (None, "", [])}
    return value.as_posix() if isinstance(value, Path) else value
