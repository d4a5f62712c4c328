"""The `smartdirector` command. Bad input is one line on the error stream and exit code 2, never a traceback.

Each command imports what it needs when it runs, so that `--help` and `plan` do not wait for torch.
"""

import contextlib
import difflib
import functools
import io
import re
import sys
from collections.abc import Callable, Sequence

from tyro.extras import subcommand_cli_from_dict

from .. import __version__
from .curate import curate
from .demo import demo
from .evaluate import evaluate
from .generate import generate
from .judge import judge_folder
from .memory import memory
from .plan import plan
from .shell import run
from .study import study
from .train import stages, train
from .upscale import upscale

COMMANDS = {
    "demo": demo,
    "generate": generate,
    "plan": plan,
    "upscale": upscale,
    "curate": curate,
    "evaluate": evaluate,
    "study": study,
    "judge": judge_folder,
    "memory": memory,
    "train": train,
}
DESCRIPTION = "From a storyboard to a video. `smartdirector --version` prints the version."
SIMILARITY = 0.5  # from which on a command's name is suggested for a wrong one (0 to 1)
PLACEHOLDER = "a value that is missing"
SIMILAR = "Perhaps you meant:"  # tyro's words above the options that are like a wrong one


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns its exit code, see `shell.run`."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)

    def work() -> None:
        if arguments[:1] == ["--version"]:
            print(f"smartdirector-lite {__version__}")
        elif arguments[:1] == ["train"]:
            rest = arguments[1:]
            parse("smartdirector train", stages(rest), rest, "training stage")()
        else:
            parse("smartdirector", COMMANDS, arguments, "command")()

    return run(work)


def parse(program: str, commands: dict[str, Callable], arguments: Sequence[str], what: str) -> Callable[[], None]:
    """Return the call that the arguments ask for.

    Args:
        program: the words before the arguments.
        commands: the functions that may be asked for, by name.
        what: what users call one of them.

    Raises:
        ValueError: where the arguments ask for no call. tyro draws a box for that; the message is one line.
        SystemExit: after `--help`.
    """
    if not arguments:
        raise ValueError(f"give a {what}: {', '.join(commands)}")
    name = arguments[0]
    if name in commands:  # the others are left out, since tyro would import all of training to look for similar options
        commands = {name: commands[name]}
    elif name not in ("-h", "--help"):
        near = difflib.get_close_matches(name, commands, n=1, cutoff=SIMILARITY)
        hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(commands)}"
        raise ValueError(f"unknown {what} {name!r}; {hint}")
    calls, box = {name: _later(command) for name, command in commands.items()}, io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return subcommand_cli_from_dict(calls, prog=program, description=DESCRIPTION, args=arguments)
    except SystemExit as stop:
        if not stop.code:
            raise
    lines = [line.strip(" │╭╮╰╯") for line in box.getvalue().splitlines()[1:]]  # without the title
    parts = re.split("^[─-]{2,}$", "\n".join(lines), flags=re.MULTILINE)
    message = " ".join(next((part for part in parts if part.strip()), "wrong options").split()).rstrip(".")
    message = re.sub(r"^Error parsing __\S+: ", "", message)  # before what a configuration says of its own values
    if missing := re.match(r"Missing value for argument '(?:config\.)?(\w+)'", message):
        if PLACEHOLDER not in arguments:  # something else may be wrong, such as an unknown option before the value
            parse(program, commands, [name, PLACEHOLDER, *arguments[1:]], what)
        message = f"give a {missing[1]}"
    if SIMILAR in lines:
        message += f"; did you mean {lines[lines.index(SIMILAR) + 1].split()[0]}?"
    raise ValueError(f"{message} (see {program} {name} --help)")


def _later(function: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """A function of the same signature that returns the call, since tyro would report what the call itself raises."""

    @functools.wraps(function)
    def bind(*args: object, **kwargs: object) -> Callable[[], None]:
        return functools.partial(function, *args, **kwargs)

    return bind
