"""Pacing: the same keyframes at other times. Does everything happen when it should?

Items of the quick benchmark are filmed as they are, and retimed by each preset. Only items that every preset can move
are taken, so that all columns are about the same scenes. Two that ignore the retiming stand beside the others: the
model, which films every item as it was at first, and the true video at its original times. They show what the figures
say of somebody who does not obey. A command that was killed goes on where it was. The tables are written to
bench/results/.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common import arguments, load_director, render
from torch import Tensor

from smartdirector_lite.evaluation.benchmark import Benchmark, Filmer, Item, PacedBenchmark, ToyBenchmark
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


class Stubborn:
    """Films an item as it was before it was retimed, with a filmer that would obey."""

    def __init__(self, filmer: Filmer, originals: Chosen) -> None:
        self.filmer, self.originals, self.settings = filmer, originals, filmer.settings
        self.name, self.films = f"{filmer.name}, retiming ignored", {}

    def __call__(self, item: Item) -> Tensor:
        place = next(i for i, name in enumerate(self.originals.names) if item.name.startswith(name))
        if place not in self.films:
            self.films[place] = self.filmer(self.originals[place])
        return self.films[place]


def timed_benchmarks(items: int) -> dict[str, Chosen]:
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


def difference(ours: Mapping[str, Sequence[Record]], other: Mapping[str, Sequence[Record]], figure: str) -> Interval:
    """How much larger a figure of the other filmer is over all retimed films, video by video: a mean over videos."""
    retimed = [timing for timing in ours if timing != ORIGINAL]
    gains = []
    for pairs in zip(*(zip(ours[timing], other[timing], strict=True) for timing in retimed), strict=True):
        own = [b.figures[figure] - a.figures[figure] for a, b in pairs if figure in a.figures and figure in b.figures]
        gains += [sum(own) / len(own)] if own else []
    return mean_estimate(gains)


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
    stubborn = Stubborn(director, benchmarks[ORIGINAL])
    filmers = [director, *(make() for make in BASELINES.values()), stubborn, Disobedient()]
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
    ignored = {
        name: {
            figure: difference(runs[director.name], runs[name], figure)._asdict()
            for figure in ("timing", "track error")
        }
        for name in (stubborn.name, Disobedient.name)
    }
    write_json(RESULTS / "pacing.json", {**made, "items": names, "results": figures, "worse by": ignored})
    about = f"{made['source']}; {len(names)} videos; commit {made['commit']}; {made['machine']}; {made['date']}"
    settings = ", ".join(f"{key} {value}" for key, value in director.settings.items())
    note = "Means over videos with 95 % bootstrap intervals over videos."
    for name, own in ignored.items():
        worse = ", ".join(f"{figure} {Interval(**value)}" for figure, value in own.items())
        note += f"\n\n{name}, larger than that of {director.name}, video by video over all retimed films: {worse}."
    text = f"# Pacing\n\n{about}.\n\n{director.name}: {settings}.\n\n{note}\n\n{as_tables(runs)}\n"
    (RESULTS / "pacing.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
