"""Starts several processes of one program on the CPU, as `torchrun` and `accelerate launch` do."""

import os
import subprocess
import sys
from pathlib import Path

from browsers import free_port

ROOT = Path(__file__).resolve().parents[1]
PYTHON_PATH = os.pathsep.join([str(ROOT), str(ROOT / "tests")])


def launch(
    *arguments: object, code: str = "", processes: int = 2, timeout: int = 100, **environment: str
) -> list[subprocess.CompletedProcess]:
    """Run the command, or `code`, in processes that know of each other. Each has an output of its own."""
    shared = {**os.environ, "PYTHONPATH": PYTHON_PATH, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(processes)}
    shared |= {"LOCAL_WORLD_SIZE": str(processes), **environment}
    start = [sys.executable, *(["-c", code] if code else ["-m", "smartdirector_lite.cli"]), *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    started = [
        subprocess.Popen(start, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}, **pipes)
        for rank in range(processes)
    ]
    try:
        said = [process.communicate(timeout=timeout) for process in started]
    finally:
        for process in started:
            process.kill()
    return [
        subprocess.CompletedProcess(start, process.returncode, out, err)
        for process, (out, err) in zip(started, said, strict=True)
    ]


def check(done: list[subprocess.CompletedProcess]) -> None:
    """Check that all processes ended well. The AssertionError shows the end of what they said."""
    assert not any(one.returncode for one in done), "\n".join(one.stderr[-3000:] for one in done)
