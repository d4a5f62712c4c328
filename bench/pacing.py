"""Pacing: the same keyframes at other times. Does everything happen when it should?

Items of the quick benchmark are filmed as they are, and retimed by each preset. Only items that every preset can move
are taken, so that all columns are about the same scenes. A film that plays the true video at its original times and
ignores the retiming stands beside the others. It shows what the figures say of somebody who does not obey. A command
that was killed goes on where it was. The table is written to bench/results/.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common import arguments, load_director, render
from torch import Tensor

from smartdirector_lite.evaluation.benchmark import Benchmark, Item, PacedBenchmark, ToyBenchmark
from smartdirector_lite.evaluation.distances import Interval, mean_estimate
from smartdirector_lite.evaluation.filmers import BASELINES, DirectorFilmer
from smartdirector_lite.evaluation.records import Record, run_benchmark
from smartdirector_lite.evaluation.results import provenance
from smartdirector_lite.media import write_json
from smartdirector_lite.storyboard.pacing import PACING

ORIGINAL = "original"
FIGURES = {"timing": "frames", "track error": "pixels", "eyes": "share found"}
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Chosen:
    """Some items of another benchmark."""

    benchmark: Benchmark
    names: Sequence[str]

    @property
    def source(self) -> str:
        return self.benchmark.source

    def __getitem__(self, index: int) -> Item:
        return self.benchmark[list(self.benchmark.names).index(self.names[index])]


@dataclass(frozen=True)
class Disobedient:
    """Plays the true video of the scene at its original times. It is no system, but shows that the figures can fail."""

    name: str = "true video, retiming ignored"
    settings: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, item: Item) -> Tensor:
        return render(item.scene, item.size)


def timed_benchmarks(items: int) -> dict[str, Benchmark]:
    """The quick split as it is, and under each preset: the items that all presets can move."""
    quick = ToyBenchmark.quick(items)
    paced = {pacing: PacedBenchmark(quick, pacing) for pacing in PACING}
    names = [name for name in quick.names if all(f"{name}-{pacing}" in one.names for pacing, one in paced.items())]
    chosen = {pacing: Chosen(one, [f"{name}-{pacing}" for name in names]) for pacing, one in paced.items()}
    return {ORIGINAL: Chosen(quick, names)} | chosen


def summarize_timings(runs: Mapping[str, Sequence[Record]], figure: str) -> dict[str, Interval]:
    """The mean of a figure under each timing. Records without it are left out.

    Args:
        runs: the records of one filmer, by timing.
        figure: one of FIGURES.
    """
    values = {timing: [one.figures[figure] for one in own if figure in one.figures] for timing, own in runs.items()}
    return {timing: mean_estimate(own) for timing, own in values.items()}


def as_tables(runs: Mapping[str, Mapping[str, Sequence[Record]]]) -> str:
    """A Markdown table for each of FIGURES: a row a filmer, a column a timing.

    Args:
        runs: the records, by filmer and timing.
    """
    parts, timings = [], list(next(iter(runs.values())))
    for figure, unit in FIGURES.items():
        rows = [[f"{figure} ({unit})", *timings], ["---"] * (1 + len(timings))]
        rows += [[name, *map(str, summarize_timings(own, figure).values())] for name, own in runs.items()]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    return "\n\n".join(parts)


def main() -> None:
    options = arguments(
        __doc__,
        items=(6, "how many of each kind, single-shot and multi-shot, are looked at"),
        out=("runs/pacing", "folder of the records"),
    )
    benchmarks = timed_benchmarks(options.items)
    director = DirectorFilmer(load_director(options.model), options.model)
    filmers = [director, *(make() for make in BASELINES.values()), Disobedient()]
    runs = {
        filmer.name: {
            timing: run_benchmark(benchmark, filmer, Path(options.out)) for timing, benchmark in benchmarks.items()
        }
        for filmer in filmers
    }
    made = provenance({name: own[ORIGINAL] for name, own in runs.items()})
    names = [record.item for record in runs[director.name][ORIGINAL]]
    figures = {
        figure: {
            name: {timing: one._asdict() for timing, one in summarize_timings(own, figure).items()}
            for name, own in runs.items()
        }
        for figure in FIGURES
    }
    write_json(RESULTS / "pacing.json", {**made, "items": names, "results": figures})
    about = f"{made['source']}; {len(names)} videos; commit {made['commit']}; {made['machine']}; {made['date']}"
    settings = ", ".join(f"{key} {value}" for key, value in director.settings.items())
    note = "Means over videos with 95 % bootstrap intervals over videos."
    text = f"# Pacing\n\n{about}.\n\n{director.name}: {settings}.\n\n{note}\n\n{as_tables(runs)}\n"
    (RESULTS / "pacing.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
