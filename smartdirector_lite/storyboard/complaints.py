"""What is wrong with a storyboard, in one line: the field, the value and the remedy."""

import dataclasses
import difflib
import functools
import inspect
import re
import reprlib
import typing
from collections.abc import Sequence

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

T = typing.TypeVar("T")
PLAIN_WORDS = {  # what pydantic calls things, and what they are called here
    "a valid tuple": "a list [...]",
    "a dictionary": "an object {...}",
    "a valid string, unable to parse raw data as a unicode string": "a text without broken characters",
    "a valid string": "a text",
    "a valid integer": "a whole number",
    "an instance of float": "a float",
    "a whole number or a float": "a number",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
}


class StoryboardError(ValueError):
    """A storyboard can't be made as asked. The message is one line that names the field, the value and the remedy."""


@typing.dataclass_transform(frozen_default=True)
def checked(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass whose fields pydantic checks. What pydantic refuses is a StoryboardError."""
    cls = dataclass(cls, frozen=True, config=ConfigDict(extra="forbid"))
    init, signature = cls.__init__, inspect.signature(cls)

    @functools.wraps(init)
    def __init__(self: T, *args: object, **kwargs: object) -> None:
        by_name = signature.bind_partial(*args).arguments  # so that a complaint names the field, not its position
        try:
            init(self, **by_name, **kwargs)
        except ValidationError as error:
            raise StoryboardError(_first_complaint(error, cls)) from error

    cls.__init__ = __init__
    return cls


def unknown_key(name: str, key: object, known: Sequence[str]) -> str:
    """Say that `name` has no such key, and which one may be meant."""
    close = difflib.get_close_matches(str(key), known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"{name} has an unknown key {reprlib.repr(key)}; {hint}"


def keys_of(cls: type) -> dict[str, object]:
    """The keys that an object of this class may have in JSON, each with its type."""
    fields = [field for field in dataclasses.fields(cls) if field.init and field.name not in ("folder", "file")]
    return {field.name: field.type for field in fields}


def _first_complaint(error: ValidationError, cls: type) -> str:
    """What pydantic has first against the values of a `cls`, in one line."""
    # An unknown key comes before the known one that is missing because of a misspelling.
    errors = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "unexpected_keyword_argument")
    place = _place(errors[0])
    name, kind = _name(place, cls), errors[0]["type"]
    if kind == "unexpected_keyword_argument":
        owner = cls if len(place) == 1 else typing.get_args(keys_of(cls)[place[0]])[0]
        return unknown_key(_name(place[:-1], cls), place[-1], [*keys_of(owner)])
    if kind == "too_long" and isinstance(errors[0]["input"], Sequence):
        return f"{name} must have {errors[0]['ctx']['max_length']} entries, got {reprlib.repr(errors[0]['input'])}"
    if kind == "missing":
        return f"{name} is missing"
    if kind == "value_error":  # from a __post_init__
        return ": ".join([*([name] if place else []), str(errors[0]["ctx"]["error"])])
    # A value that may be of several types has a complaint for each. Where it is of one of them, only that one counts.
    same = [one for one in errors if _place(one) == place]
    same = [one for one in same if not re.search("_type$|^is_instance_of$", one["type"])] or same
    wanted = " or ".join(re.sub(r"^\w+ should ", "", one["msg"]) for one in same).replace(" or be ", " or ")
    for word, plain_word in PLAIN_WORDS.items():
        wanted = wanted.replace(word, plain_word)
    return f"{name} must {wanted}, got {reprlib.repr(errors[0]['input'])}"


def _place(error: dict) -> list[str | int]:
    """The keys and indices that lead to a value, such as ["keyframes", 0, "time"]."""
    if error["type"] == "unexpected_keyword_argument":
        return [*error["loc"]]
    types = r"int|float|constrained-str|.*\]"  # where a value may be of several types, pydantic adds the one it tried
    return [part for part in error["loc"] if not re.fullmatch(types, str(part))]


def _name(place: Sequence[str | int], cls: type) -> str:
    """A place as it is written in messages, such as keyframes[0].time."""
    joined = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return joined.removeprefix(".") or f"the {cls.__name__.lower()}"
