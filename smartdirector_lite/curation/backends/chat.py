"""Asking a language model: what a conversation is, and how an answer is checked.

Every answer is JSON of a schema. An answer that is not is refused, and the model is told why and asked again, a few
times.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from PIL.Image import Image
from pydantic import BaseModel, ValidationError

QUOTED = 2000  # characters of a refused answer that the model is reminded of

Message = dict[str, object]  # {"role": ..., "content": ...}, as everywhere in this field
Schema = TypeVar("Schema", bound=BaseModel)


class BackendError(ValueError):
    """A model can't be asked. The message is one line that says which one, why, and what to do."""


class LanguageModel(Protocol):
    """Whoever continues a conversation."""

    name: str  # noted with what it wrote

    def __call__(self, messages: list[Message]) -> str:
        """Return the next message. BackendError where there can be none."""


def ask_until_it_fits(
    model: LanguageModel,
    messages: list[Message],
    schema: type[Schema],
    check: Callable[[Schema], None] = lambda answer: None,
    tries: int = 3,
) -> tuple[Schema | None, str]:
    """Ask until an answer fits.

    Args:
        schema: of the answer's JSON.
        check: raises a ValueError for an answer that fits the schema, and yet not the question.
        tries: how often the model is asked.

    Returns:
        The answer, or None where none did fit, and what was wrong with the last one that did not.
    """
    messages, wrong = list(messages), ""
    for _ in range(tries):
        text = model(messages)
        try:
            answer = parse_answer(text, schema)
            check(answer)
            return answer, wrong
        except ValueError as error:
            wrong = str(error)
        messages += [
            say("assistant", text[:QUOTED]),
            say("user", f"That was refused: {wrong}. Answer with the corrected JSON alone."),
        ]
    return None, wrong


def say(role: str, text: str, pictures: Sequence[Image] = ()) -> Message:
    """Make a message of a text, and of pictures before it."""
    if not pictures:
        return {"role": role, "content": text}
    shown: list[dict] = [{"type": "image", "image": picture} for picture in pictures]
    return {"role": role, "content": [*shown, {"type": "text", "text": text}]}


def parse_answer(text: str, schema: type[Schema]) -> Schema:
    """Read the JSON object in an answer. Thoughts before it, and words around it, are left out.

    Raises:
        ValueError: there is none, or one of another schema; in one line that a model understands.
    """
    text = text.rpartition("</think>")[2]
    start, stop = text.find("{"), text.rfind("}") + 1
    if not 0 <= start < stop:
        raise ValueError("the answer holds no JSON object {...}")
    try:
        return schema.model_validate_json(text[start:stop])
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:3]
        places = (".".join(map(str, one["loc"])) for one in found)
        told = (f"{place}: {one['msg']}" if place else one["msg"] for place, one in zip(places, found, strict=True))
        raise ValueError("; ".join(told)) from error
