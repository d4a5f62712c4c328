"""A vision-language model looks at the shots of a film (paper, section 3: Qwen3-VL there).

It says which neighbouring shots are of one scene, and of each shot what happens, how the camera moves and what the
characters look like. Other steps find shots and characters, and the model may add none. An answer that does not fit is
refused and asked for again; in the end, what the other steps found stays.
"""

import functools
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict

from ..media import read_image, to_image, write_json
from ..media.files import make_folder
from .backends.chat import LanguageModel, ask_until_it_fits, say
from .captions import TRIES, Sentences
from .film import Film
from .kept import keep, read_kept
from .records import CAMERA_KINDS, Camera, ShotRecord

PICTURES = 6  # of a shot that the model sees
SIDE = 640  # pixels of their longer side

log = logging.getLogger(__name__)


# -- one shot ----------------------------------------------------------------------------------------------------------

LOOK = """These pictures are frames of one shot of a film, in their order, {seconds:.1f} seconds from the first to the \
last. Programs noted the following; a box is [left, top, right, bottom] in percent of the picture.

{notes}

Look at the pictures and correct the notes. "content": one or two plain sentences in the present tense about what \
happens; call the noted characters by their letters, and others by what they are. "camera": one of {cameras}. \
"characters": what each noted character looks like, such as "a tall man in a red coat"; add none and leave none out.

Answer with JSON alone, in this form:
{{"content": "...", "camera": "static", "characters": {{"A": "..."}}}}"""


class Sight(BaseModel):
    """What a model says of a shot."""

    model_config = ConfigDict(extra="forbid", strict=True)
    content: Sentences
    camera: Literal[CAMERA_KINDS]
    characters: dict[str, Sentences]


@dataclass(frozen=True)
class Observer:
    """Lets a model say what a shot shows. A `ShotStep`, for any number and size of frames."""

    model: LanguageModel
    tries: int = TRIES

    def __call__(self, shot: ShotRecord, frames: NDArray, fps: float) -> ShotRecord:
        """Return the record with the model's words; as it is, and with a warning in the log, if no answer fitted."""
        cast = {one.name: {"looks like": one.description, "box": _percent(one.box)} for one in shot.characters}
        notes = {"content": shot.content, "camera": shot.camera.kind, "characters": cast}
        text = LOOK.format(
            seconds=shot.num_frames / fps, notes=json.dumps(notes, ensure_ascii=False), cameras=", ".join(CAMERA_KINDS)
        )
        check = functools.partial(_check_cast, [*cast])
        chosen = np.linspace(0, len(frames) - 1, min(PICTURES, len(frames))).round().astype(int)
        question = say("user", text, [_small(frames[index]) for index in chosen])
        sight, wrong = ask_until_it_fits(self.model, [question], Sight, check, self.tries)
        if sight is None:
            log.warning(f"frames {shot.start} to {shot.stop - 1}: no answer of {self.model.name} fitted; {wrong}")
            return shot
        camera = shot.camera if sight.camera == shot.camera.kind else Camera(sight.camera)
        actors = tuple(replace(one, description=sight.characters[one.name]) for one in shot.characters)
        return replace(shot, content=sight.content, camera=camera, characters=actors)


def _check_cast(names: list[str], sight: Sight) -> None:
    if sorted(sight.characters) != sorted(names):
        raise ValueError(f"characters: describe {names or 'nobody'}, each once, not {sorted(sight.characters)}")


def _percent(box: Sequence[float]) -> list[int]:
    return [round(100 * share) for share in box]


def _small(frame: NDArray | Image.Image) -> Image.Image:
    picture = to_image(frame)
    picture.thumbnail((SIDE, SIDE))
    return picture


# -- two shots ---------------------------------------------------------------------------------------------------------

COMPARE = """The first picture shows frames of a shot of a film, from left to right, and the second one frames of the \
shot after it. Do both shots belong to one scene, at one place and in one go of the story? A close-up and a wide view \
of one place belong to one scene, and so do shots of two people who talk in turns.

Answer with JSON alone, in this form: {"same_scene": true}"""


class Verdict(BaseModel):
    """What a model says of two neighbouring shots."""

    model_config = ConfigDict(extra="forbid", strict=True)
    same_scene: bool


def judge_pair(model: LanguageModel, one: Image.Image, two: Image.Image, tries: int = TRIES) -> bool | None:
    """Whether a model takes two neighbouring shots for one scene; None if no answer fitted."""
    verdict, _ = ask_until_it_fits(model, [say("user", COMPARE, [_small(one), _small(two)])], Verdict, tries=tries)
    return None if verdict is None else verdict.same_scene


def join_judged(
    shots: Sequence[ShotRecord], judge: Callable[[ShotRecord, ShotRecord], bool | None]
) -> list[ShotRecord]:
    """Return the records with the numbers of their scenes as a judge of neighbouring shots has them.

    Scenes must be known. They decide where the judge says nothing. A rejected shot gets the scene before it.
    """
    joined, before, scene = [], None, 0
    for shot in shots:
        if not shot.rejected:
            if before is not None:
                same = judge(before, shot)
                scene += not (before.scene == shot.scene if same is None else same)
            before = shot
        joined.append(replace(shot, scene=scene))
    return joined


# -- one film ----------------------------------------------------------------------------------------------------------


class Viewer:
    """Lets a model look at the shots of a film. What it says is kept in a folder, so that it is asked but once.

    Args:
        film: read once more for the pictures.
        work: the film's folder, with a strip of each shot in `shots`.
        load: loads the model; called when it is first asked.
    """

    def __init__(self, film: Film, work: Path, load: Callable[[], LanguageModel], progress: bool = False) -> None:
        self.film, self.work, self.progress = film, work, progress
        self.model = functools.cache(load)

    def judge_scenes(self, shots: Sequence[ShotRecord]) -> list[ShotRecord]:
        """Return the records with the numbers of the scenes that the model sees. A `FilmStep`, after `group_scenes`."""
        return join_judged(shots, self._judge)

    def _judge(self, one: ShotRecord, two: ShotRecord) -> bool | None:
        strips = [self.work / "shots" / f"{shot.start:07}.jpg" for shot in (one, two)]
        path = make_folder(self.work / "scenes") / f"{two.start:07}.json"
        return keep(path, lambda: judge_pair(self.model(), *map(read_image, strips)))

    def describe_shots(self, shots: Sequence[ShotRecord]) -> list[ShotRecord]:
        """Return the records with what the model sees in each shot that is used. A `FilmStep`, the last one."""
        seen = make_folder(self.work / "seen")
        paths = {shot.start: seen / f"{shot.start:07}.json" for shot in shots if not shot.rejected}
        todo = [shot for shot in shots if shot.start in paths and not paths[shot.start].exists()]
        for shot, frames in zip(todo, self._pictures(todo), strict=True):
            write_json(paths[shot.start], Observer(self.model())(shot, frames, self.film.fps).to_dict())
        found = {start: ShotRecord.from_dict(read_kept(path)) for start, path in paths.items()}
        return [found.get(shot.start, shot) for shot in shots]

    def _pictures(self, shots: Sequence[ShotRecord]) -> Iterator[NDArray]:
        """Some frames of each shot, as large as they are."""
        chosen = [
            np.unique(np.linspace(shot.start, shot.stop - 1, PICTURES).round().astype(int)).tolist() for shot in shots
        ]
        spans = [(frame, frame + 1) for frames in chosen for frame in frames]
        stream = self.film.spans(spans, None, "model" if self.progress else "")
        for frames in chosen:
            yield np.stack([next(next(stream)) for _ in frames])
