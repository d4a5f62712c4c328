"""The tasks of a benchmark: films between keyframes, and enlargement; who films them, and who else could."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..media.size import Size
from ..timeline import check_one_of
from ..training.tiny import DRAFT, FINAL
from .benchmark import Benchmark, EnlargedBenchmark, Filmer
from .enlargers import BicubicFilmer, SRFilmer
from .filmers import BASELINES, DirectorFilmer
from .realesrgan import RealEsrganFilmer
from .rife import RifeFilmer

if TYPE_CHECKING:
    from ..director import Director


@dataclass(frozen=True)
class Calling:
    """How a director is called.

    Attributes:
        steps: of the stage that films; None takes the model's own.
        guidance_scale: None takes the model's own. The second stage reads no text and has none.
        rope: a scheme of `ChunkPlan.tau`; None takes that of the weights.
    """

    steps: int | None = None
    guidance_scale: float | None = None
    rope: str | None = None


@dataclass(frozen=True)
class Task:
    """What is asked of filmers.

    Attributes:
        size: of the frames that are filmed.
        items: makes the task's items of those of a benchmark in that size.
        directors: the filmers that a director is, from the director, its name and how it is called.
        baselines: by the name that the command takes; made when they are asked for, since some need a package.
        usual: the baselines that need no package.
    """

    size: Size
    items: Callable[[Benchmark], Benchmark]
    directors: Callable[["Director", str, Calling], list[Filmer]]
    baselines: Mapping[str, Callable[[], Filmer]]
    usual: tuple[str, ...]


def _first_stage(director: "Director", name: str, calling: Calling) -> list[Filmer]:
    return [DirectorFilmer(director, name, calling.steps, calling.guidance_scale, calling.rope)]


def _second_stage(director: "Director", name: str, calling: Calling) -> list[Filmer]:
    named = {name: True, f"{name}, no anchors": False}
    return [SRFilmer(director, called, anchors, calling.steps, calling.rope) for called, anchors in named.items()]


TASKS = {
    "film": Task(DRAFT, lambda items: items, _first_stage, {**BASELINES, "rife": RifeFilmer.load}, tuple(BASELINES)),
    "enlarge": Task(
        FINAL,
        EnlargedBenchmark,
        _second_stage,
        {
            "bicubic": BicubicFilmer,
            "realesrgan": lambda: RealEsrganFilmer.load("Real-ESRGAN"),
            "realesrgan-matched": lambda: RealEsrganFilmer.load("Real-ESRGAN, matched", match=True),
            "realesrgan-x4plus": lambda: RealEsrganFilmer.load("Real-ESRGAN x4plus", "x4plus"),
        },
        ("bicubic",),
    ),
}


def check_baselines(task: str, names: Sequence[str]) -> None:
    """Raise a ValueError for a baseline that there is not, or that belongs to another task."""
    own = TASKS[task].baselines
    for name in names:
        for other in TASKS:
            if name not in own and name in TASKS[other].baselines:
                said = f"baselines: {name!r} belongs to --task {other}"
                raise ValueError(f"{said}; for --task {task} choose from {', '.join(own)}")
        check_one_of("baselines", name, own)
