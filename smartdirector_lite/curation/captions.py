"""From notes of shots to the texts of a caption (paper, section 3: structured captions, by Gemini-3-Pro there).

Templates say what the records hold, in short sentences of always the same form. A language model may then write the
texts anew from these notes. Its answer is checked, and where it does not fit, the template's texts stay. Cuts, cameras
and names always come from the records; `Storyboard.caption` puts everything together.
"""

import functools
import json
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .backends.chat import LanguageModel, ask_until_it_fits, say
from .records import Actor, Camera, Passage, ShotRecord
from .scenes import layout_colours

# Measured by bench/curation_truth.py on toy films:
MIN_MOVE = 0.04  # frame widths a second over the ground; who moves more slowly stays
COMMON = 0.25  # share of the picture that a colour takes which is told
MAX_SENTENCE = 600  # characters of one text of a language model
TRIES = 3

log = logging.getLogger(__name__)


# -- templates ---------------------------------------------------------------------------------------------------------


def write_contents(shots: Sequence[ShotRecord]) -> list[ShotRecord]:
    """Return the records with what happens in each shot, where no other step has said it. A `FilmStep`.

    Cameras and the names of the characters must be known.
    """
    return [shot if shot.rejected or shot.content else replace(shot, content=describe_shot(shot)) for shot in shots]


def describe_shot(shot: ShotRecord) -> str:
    """Say who is in a shot and where they move, such as "A, a tall red figure, moves right."."""
    told = []
    for one in shot.characters:
        does = movement_of(one, shot.camera)
        told.append(f"{one.name}, {one.description}, {does}." if one.description else f"{one.name} {does}.")
    return " ".join(told)


def movement_of(actor: Actor, camera: Camera) -> str:
    """Say where somebody moves over the ground: as they do in the picture, and as the camera does besides."""
    speed = actor.speed + {"pan right": camera.speed, "pan left": -camera.speed}.get(camera.kind, 0.0)
    return "stays" if abs(speed) < MIN_MOVE else "moves right" if speed > 0 else "moves left"


def describe_passage(passage: Passage) -> Passage:
    """Return the passage with its holistic description: the colours of the place, and who is who."""
    colours: Counter[str] = Counter()
    looks: dict[str, Counter[str]] = {}
    for shot in passage.shots:
        colours.update(layout_colours(shot))
        for one in shot.characters:
            looks.setdefault(one.name, Counter())[one.description] += 1
    common = [colour for colour, count in colours.most_common(2) if count >= COMMON * colours.total()]
    told = [f"A scene in {' and '.join(common)}."] if common else []
    told += [f"{name} is {look.most_common(1)[0][0]}." for name, look in looks.items() if any(look)]
    return replace(passage, description=" ".join(told))


# -- a language model --------------------------------------------------------------------------------------------------

INSTRUCTIONS = """You write captions that a video generator is trained on. Below are notes that programs took of the \
shots of one scene. Write them anew in plain English, in the present tense: first one or two sentences about the \
whole scene, its place and who is who, then one or two sentences about what happens in each shot. Say nothing that \
the notes do not say. Call each character by its letter, in a shot only those of this shot. Do not write about \
cameras.

Answer with JSON alone, in this form:
{"description": "...", "shots": [{"shot": 1, "description": "..."}]}

The notes:
"""
FORM = re.compile(r"\bShot \d|\bCamera:|\bCharacters:")  # what only the form of a caption says
LETTERS = re.compile(r"(?<![\w-])([B-HJ-Z]\d*|[AI]\d+)(?![\w-])")  # of characters; "A" and "I" may be plain words
NAMES = re.compile(r"(?<=[\w,;:] )[A-Z][a-z]+")  # capital letters elsewhere than at a sentence's start


def _plain_text(text: str) -> str:
    """A text that can stand in a caption."""
    if text != " ".join(text.split()):
        raise ValueError("write one line without spaces around it")
    if found := FORM.search(text):
        raise ValueError(f"leave out {found[0]!r}, which the caption adds by itself")
    return text


Sentences = Annotated[str, Field(min_length=1, max_length=MAX_SENTENCE), AfterValidator(_plain_text)]


class ShotText(BaseModel):
    """What a language model writes of a shot, which is counted from 1."""

    model_config = ConfigDict(extra="forbid", strict=True)
    shot: int
    description: Sentences


class PassageText(BaseModel):
    """What a language model writes of a passage."""

    model_config = ConfigDict(extra="forbid", strict=True)
    description: Sentences
    shots: list[ShotText]


@dataclass(frozen=True)
class Rewriter:
    """Lets a language model write the texts of a passage from its notes.

    Attributes:
        tries: how often it is asked for an answer that fits.
    """

    model: LanguageModel
    tries: int = TRIES

    def __call__(self, passage: Passage) -> Passage:
        """Return the passage with the model's texts; as it is, and with a warning in the log, if no answer fitted."""
        question = say("user", INSTRUCTIONS + json.dumps(notes_of(passage), ensure_ascii=False, indent=1))
        check = functools.partial(check_text, passage)
        answer, wrong = ask_until_it_fits(self.model, [question], PassageText, check, self.tries)
        if answer is None:
            start, stop = passage.shots[0].start, passage.shots[-1].stop
            log.warning(
                f"frames {start} to {stop - 1}: the caption stays the template's, since {self.tries} answers of "
                f"{self.model.name} did not fit; the last one: {wrong}"
            )
            return passage
        both = zip(passage.shots, answer.shots, strict=True)
        shots = tuple(replace(shot, content=text.description) for shot, text in both)
        return replace(passage, shots=shots, description=answer.description, told_by=self.model.name)


def notes_of(passage: Passage) -> dict:
    """What a language model is told of a passage."""
    shots = [
        {
            "shot": number,
            "content": shot.content,
            "camera": shot.camera.kind,
            "characters": {one.name: one.description for one in shot.characters},
        }
        for number, shot in enumerate(passage.shots, 1)
    ]
    return {"description": passage.description, "shots": shots}


def check_text(passage: Passage, text: PassageText) -> None:
    """Raise a ValueError where a text has other shots than the passage, or names somebody who is not there."""
    numbers, wanted = [shot.shot for shot in text.shots], [*range(1, len(passage.shots) + 1)]
    if numbers != wanted:
        raise ValueError(f"shots: give those of the numbers {wanted}, each once and in this order, not {numbers}")
    casts = [{one.name for one in shot.characters} for shot in passage.shots]
    told = [("description", text.description, set().union(*casts))]
    told += [(f"shot {one.shot}", one.description, cast) for one, cast in zip(text.shots, casts, strict=True)]
    noted = {*re.findall(r"\w+", json.dumps(notes_of(passage), ensure_ascii=False))}
    for place, words, cast in told:
        if strangers := sorted({*LETTERS.findall(words)} - cast | {*NAMES.findall(words)} - noted):
            there = ", ".join(sorted(cast)) or "nobody"
            raise ValueError(f"{place}: names {strangers[0]}, who is not there; there is {there}")
