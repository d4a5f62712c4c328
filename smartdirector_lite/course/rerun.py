"""Run handed-in answers again, in processes of their own with limits, on inputs that the students have not seen.

The processes are no sandbox: they may read files and use the network. Where students may be hostile, run the whole
command in a container without a network.
"""

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from .lab import core
from .lab.record import EXERCISES

SECONDS, MEGABYTES = 30.0, 2000  # for one answer, and for one process besides what the library takes
START_SECONDS = 180.0  # until a process is ready; where processes cannot fork, each imports the library anew
MAX_MESSAGE = 100_000  # bytes
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
BORROWED = "it calls the library's own answer"
ANSWER = "<answer>"  # the name of a program's file in its frames
IMPORT = "from smartdirector_lite.course.lab.record import EXERCISES"
LIMITS_MEMORY = sys.platform == "linux"  # other systems limit the time alone


@dataclass(frozen=True)
class Outcome:
    """How an answer did when it was run again. `said` is the hint, the reason why it was not run, or a remark."""

    status: str
    said: str = ""


def rerun(
    programs: Mapping[str, str], offset: int, seconds: float = SECONDS, megabytes: int = MEGABYTES
) -> dict[str, Outcome]:
    """Run answers again, and return how they did by the number of the exercise.

    Args:
        programs: the answers by the number of the exercise, as `lab.answers.program_of` writes them.
        offset: what moves the seeds of the checks' inputs.
        seconds, megabytes: the limits for one answer and for one process.
    """
    found, waiting = {}, [number for number in programs]
    while waiting:
        ours, theirs = _context().Pipe(duplex=False)
        todo = [(number, programs[number]) for number in waiting]
        process = _context().Process(target=_work, args=(theirs, todo, offset, megabytes, seconds), daemon=True)
        process.start()
        theirs.close()
        try:
            if not ours.poll(START_SECONDS) or _message(ours) != {"ready": True}:
                return found | dict.fromkeys(waiting, Outcome(NOT_RUN, "the process did not start"))
            while waiting and ours.poll(seconds):
                said = _message(ours)
                found[waiting.pop(0)] = Outcome(str(said["status"]), str(said["said"]))
            if waiting:
                found[waiting.pop(0)] = Outcome(FAILED, f"it runs for more than {seconds:g} seconds")
        except (EOFError, OSError, ValueError, KeyError, TypeError):
            found[waiting.pop(0)] = Outcome(FAILED, f"it ended its process; the limit is {megabytes} MB")
        finally:
            process.kill()
            process.join()
            ours.close()
    return found


def controls(lab: str) -> dict[str, str]:
    """Return programs that answer the exercises of a lab by the library's references: they must pass on any inputs."""
    programs = {}
    for entry in (entry for entry in EXERCISES.values() if entry.lab == lab and entry.reference is not None):
        source = f"{IMPORT}\n\n\nright = EXERCISES[{entry.number!r}].reference\n"
        many = isinstance(entry.reference, tuple)
        answers = "(lambda *given: right(*given),)" if callable(entry.reference) else "right" if many else "(right,)"
        programs[entry.number] = f"{source}answers = {answers}"
    return programs


@cache
def _context() -> Any:
    """Return how processes start. The fork of a server that has imported the library is fast; Windows has none."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _message(connection: Connection) -> dict:
    """Return what the process sent. It runs the student's code, so its bytes are read as JSON and never unpickled."""
    return json.loads(connection.recv_bytes(MAX_MESSAGE))


# -- in the other process ----------------------------------------------------------------------------------------------


def _work(connection: Connection, todo: list[tuple[str, str]], offset: int, megabytes: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "r+") as nothing:
        os.chdir(folder)
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)
        torch.set_num_threads(1)
        core.OFFSET, core.SECONDS = offset, min(core.SECONDS, seconds / 2)
        _limit(megabytes)
        connection.send_bytes(json.dumps({"ready": True}).encode())
        for number, program in todo:
            status, said = _run(number, program)
            connection.send_bytes(json.dumps({"status": status, "said": said[:2000]}).encode())
        os.chdir(os.path.dirname(folder))


def _limit(megabytes: int) -> None:
    """Limit the memory of this process, and forbid it to write files."""
    if LIMITS_MEMORY:
        import resource

        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + megabytes * 10**6
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _run(number: str, program: str) -> tuple[str, str]:
    """Run one answer and its check."""
    names: dict[str, Any] = {"__name__": "answer"}
    try:
        exec(compile(program, ANSWER, "exec"), names)
    except BaseException as error:
        return NOT_RUN, f"the stored answer does not run: {type(error).__name__}: {error}"
    answers = names.get("answers")
    if not isinstance(answers, tuple) or not answers:
        return NOT_RUN, "the stored answer is no program that binds `answers`"
    entry, borrowed = EXERCISES[number], []
    right = getattr(entry.reference, "__code__", None)

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is right and not borrowed:
            while frame := frame.f_back:
                if frame.f_code.co_filename == ANSWER:
                    borrowed.append(True)
                    return

    sys.setprofile(watch)
    try:
        entry.check(*answers)
    except BaseException as error:
        return FAILED, f"the check raised {type(error).__name__}: {error}"
    finally:
        sys.setprofile(None)
    if entry.passed:
        return PASSED, BORROWED if borrowed else ""
    said = entry.said or ""
    if "NameError" in said and "which is not kept" in program:
        return NOT_RUN, f"it needs something of the notebook that is not kept ({said})"
    return FAILED, said
