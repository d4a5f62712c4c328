"""Tables of a benchmark's records: means with intervals, as Markdown and JSON, with what they were made by."""

import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..media import atomic_path, write_json
from .benchmark import KINDS
from .distances import Interval, Statistic, bootstrap, frechet_distance, kernel_distance, mean_statistic, set_statistic
from .measure import QUANTITIES, Quantity
from .records import Record

DISTANCES = {
    Quantity("Frechet distance", "", 0): frechet_distance,
    Quantity("kernel distance", "", 0): kernel_distance,
}
DISTANCE_NAMES = [figure.name for figure in DISTANCES]
SECONDS = Quantity("seconds", "a video", 0)
TITLES = {"single": "Single-shot", "multi": "Multi-shot"}
ROWS = (*DISTANCES, *QUANTITIES, SECONDS)
NOTE = (
    "Means over videos with 95 % bootstrap intervals over videos. `best` is what the true videos themselves get. The "
    "distances are taken in the features of this package's small video network, and are no FVD."
)


def split_runs(records: Sequence[Record]) -> list[list[Record]]:
    """Tell the records of several runs over the same items apart: the k-th record of each item is of run k."""
    by_item: dict[str, list[Record]] = {}
    for record in records:
        by_item.setdefault(record.item, []).append(record)
    return [list(run) for run in zip(*by_item.values(), strict=True)]


def statistics_of(records: Sequence[Record]) -> dict[str, Statistic]:
    """Every figure of ROWS as a function of the items that count, for `bootstrap`, in the order of ROWS.

    Figures that no record has are left out. Several runs are averaged.
    """
    runs, found = split_runs(records), {}
    if runs and len(runs[0]) > 1:
        found = {figure.name: _mean_distance(distance, runs) for figure, distance in DISTANCES.items()}
    for figure in QUANTITIES:
        values = np.array([[record.figures.get(figure.name, np.nan) for record in run] for run in runs])
        if not np.isnan(values).all():
            found[figure.name] = mean_statistic(values)
    return found | ({SECONDS.name: mean_statistic([[r.seconds for r in run] for run in runs])} if runs else {})


def _mean_distance(distance: Callable[[Tensor, Tensor], float], runs: list[list[Record]]) -> Statistic:
    """The mean over runs of the distance of chosen videos from their truths."""
    of_runs = [
        set_statistic(distance, [torch.tensor(r.features) for r in run], [torch.tensor(r.true_features) for r in run])
        for run in runs
    ]
    return lambda chosen: float(np.mean([statistic(chosen) for statistic in of_runs]))


def summarize(records: Sequence[Record]) -> dict[str, Interval]:
    """Estimate every figure of ROWS over one filmer's records of one kind. Figures that no record has are left out."""
    count = len({record.item for record in records})
    found = statistics_of(records)
    return {name: bootstrap(count, statistic, name in DISTANCE_NAMES) for name, statistic in found.items()}


def compare(records: Sequence[Record], ours: Sequence[Record]) -> dict[str, Interval]:
    """By how much the figures of a filmer are larger than ours, on the same items.

    What makes an item hard is hard for both, so such an interval is narrower than those of the two figures.

    Args:
        records, ours: of one kind, and of the same items in the same order.
    """
    count = len({record.item for record in records})
    own, other = statistics_of(ours), statistics_of(records)

    def difference(name: str) -> Statistic:
        return lambda chosen: other[name](chosen) - own[name](chosen)

    return {name: bootstrap(count, difference(name)) for name in other if name in own}


def summarize_all(runs: Mapping[str, Sequence[Record]]) -> dict[str, dict[str, dict[str, Interval]]]:
    """Summaries by kind and filmer. runs: the records of each filmer, by its name."""
    return {
        kind: {name: summarize([record for record in records if record.kind == kind]) for name, records in runs.items()}
        for kind in KINDS
    }


def as_table(summaries: Mapping[str, Mapping[str, Interval]]) -> str:
    """A Markdown table, a row a figure and a column a filmer, of the summaries of one kind."""
    names = list(summaries)
    lines = [["figure", "best", *names], ["---"] * (2 + len(names))]
    for figure in ROWS:
        if any(figure.name in summary for summary in summaries.values()):
            title = f"{figure.name} ({figure.unit})" if figure.unit else figure.name
            cells = [str(summary.get(figure.name, "-")) for summary in summaries.values()]
            lines.append([title, f"{figure.best:g}", *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(2 + len(names))]
    rows = (" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(f"| {row} |" for row in rows)


def as_text(runs: Mapping[str, Sequence[Record]]) -> str:
    """The tables of both kinds, with their numbers of videos."""
    parts = []
    for kind, summaries in summarize_all(runs).items():
        count = max(len({record.item for record in records if record.kind == kind}) for records in runs.values())
        if count:
            parts.append(f"## {TITLES[kind]}, {count} video{'s' * (count > 1)}\n\n{as_table(summaries)}")
    return "\n\n".join(parts)


def provenance(runs: Mapping[str, Sequence[Record]]) -> dict:
    """What results were made by: commit, machine, libraries, and each filmer's settings."""
    made = [records[0].made_by for records in runs.values() if records]
    return circumstances(made[0]["source"] if made else "", {one["filmer"]: one["settings"] for one in made})


def circumstances(source: str, settings: Mapping[str, Mapping[str, object]]) -> dict:
    """The commit, the machine and the libraries of this moment, with what is measured.

    Args:
        source: where the items come from.
        settings: of each filmer, by its name.
    """
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "date": date.today().isoformat(),
        "version": __version__,
        "commit": _commit(),
        "machine": f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "source": source,
        "settings": {name: dict(own) for name, own in settings.items()},
    }


def _commit() -> str:
    """The commit of the checkout that the package lies in; "" for an installed one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


class Section(NamedTuple):
    """A part of the results beside their tables: `data` for results.json, under its name, and Markdown `text`."""

    name: str
    data: Mapping
    text: str


def comparison(runs: Mapping[str, Sequence[Record]], ours: str) -> Section:
    """By how much every filmer's figures are larger than ours. runs: the records of each filmer, by its name."""
    data, parts = {}, []
    for kind in KINDS:
        of_kind = {name: [record for record in records if record.kind == kind] for name, records in runs.items()}
        if of_kind[ours]:
            found = {name: compare(records, of_kind[ours]) for name, records in of_kind.items() if name != ours}
            data[kind] = {name: plain(one) for name, one in found.items()}
            parts.append(f"## {TITLES[kind]}, more than {ours} on the same videos\n\n{as_table(found)}")
    return Section("comparison", data, "\n\n".join(parts))


def write_results(folder: Path, runs: Mapping[str, Sequence[Record]], sections: Sequence[Section] = ()) -> None:
    """Write results.md and results.json.

    Args:
        sections: what else they hold.
    """
    made = provenance(runs)
    summaries = {
        kind: {name: plain(one) for name, one in by_name.items()} for kind, by_name in summarize_all(runs).items()
    }
    others = {section.name: section.data for section in sections}
    write_json(folder / "results.json", {**made, "results": summaries, **others})
    settings = [
        f"- {name}: {', '.join(f'{k} {v}' for k, v in own.items()) or '-'}" for name, own in made["settings"].items()
    ]
    about = f"{made['source']}; commit {made['commit'] or made['version']}; {made['machine']}; {made['date']}"
    tables = "\n\n".join([as_text(runs), *(section.text for section in sections)])
    text = "\n".join(["# Results", "", f"{about}.", "", *settings, "", NOTE, "", tables, ""])
    with atomic_path(folder / "results.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


def plain(summary: Mapping[str, Interval]) -> dict[str, dict[str, float | None]]:
    """A filmer's figures for JSON, which knows no NaN."""
    return {
        key: {name: value if value == value else None for name, value in interval._asdict().items()}
        for key, interval in summary.items()
    }
