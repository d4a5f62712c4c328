"""The `generate` command with several storyboards or processes. One of each is in cli.py."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..director import Director
    from ..loading.jobs import Job
    from ..loading.parallel import Outcome


def is_one_of_several() -> bool:
    """Was this process started by `torchrun` or `accelerate launch`, with others? Does not load torch."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def generate_several(
    prepare: Callable[[], "list[Job]"], load: Callable, context_parallel: str | None, options: dict
) -> None:
    """Prepare the jobs, load the director, and generate, in every process. Exits with code 2 if a video failed.

    load: takes this process's device (or None) and returns the director.
    """
    from ..loading import parallel

    state = parallel.processes()
    try:
        jobs, director = parallel.agree(lambda: _ready(prepare, load, context_parallel))
    except ValueError as error:
        if state.num_processes == 1:
            raise
        if state.is_main_process:
            _say(sys.stderr, f"smartdirector: {error}")
        state.wait_for_everyone()  # torchrun ends all when one ends
        raise SystemExit(2) from error
    outcomes = parallel.generate_all(director, jobs, done=_announce, **options)
    if state.num_processes > 1:
        state.destroy_process_group()
    if any(outcome.error for outcome in outcomes):
        raise SystemExit(2)


def _ready(prepare: Callable, load: Callable, context_parallel: str | None) -> tuple[Sequence["Job"], "Director"]:
    from ..loading.parallel import enable_context_parallel, process_device

    jobs = prepare()
    director = load(process_device())
    if context_parallel is not None:
        enable_context_parallel(director, context_parallel)
    return jobs, director


def _announce(outcome: "Outcome") -> None:
    if outcome.error:
        _say(sys.stderr, f"smartdirector: {outcome}")
    else:
        _say(sys.stdout, str(outcome))


def _say(stream, line: str) -> None:
    """One write for the whole line, so that those of several processes don't mix."""
    stream.write(line + "\n")
    stream.flush()
