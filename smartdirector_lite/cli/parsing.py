"""How the commands read their arguments: with tyro, but a wrong one is a ValueError of one line."""

import contextlib
import difflib
import functools
import io
import itertools
import re
from collections.abc import Callable, Sequence

import tyro


def choose(what: str, arguments: Sequence[str], known: Sequence[str], usage: str) -> tuple[str, Sequence[str]]:
    """The command that the arguments begin with, and the rest. ValueError for an unknown one; exits after `--help`."""
    if not arguments:
        raise ValueError(f"give a {what}: {', '.join(known)}")
    if arguments[0] in ("-h", "--help"):
        print(usage, end="")
        raise SystemExit(0)
    if arguments[0] not in known:
        near = difflib.get_close_matches(arguments[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(known)}"
        raise ValueError(f"unknown {what} {arguments[0]!r}; {hint}")
    return arguments[0], arguments[1:]


def later(function: Callable) -> Callable:
    """A function of the same signature that returns the call, for tyro to make without running it."""

    @functools.wraps(function)
    def bind(*args: object, **kwargs: object) -> Callable:
        return functools.partial(function, *args, **kwargs)

    return bind


def parse(target: Callable, name: str, arguments: Sequence[str]) -> object:
    """What tyro makes of the arguments; its box of several lines about a wrong one becomes a ValueError of one line."""
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(target, prog=name, args=arguments)
    except SystemExit as stop:
        if not stop.code:
            raise
    lines = [line.strip(" │╭╮╰╯") for line in box.getvalue().splitlines()[1:]]  # without the title
    body = itertools.dropwhile(_is_rule, lines)
    message = " ".join(" ".join(itertools.takewhile(lambda line: not _is_rule(line), body)).split())
    raise ValueError(f"{message or 'wrong options'} (see {name} --help)")


def _is_rule(line: str) -> bool:
    return re.fullmatch("[─-]+", line) is not None
