"""Tables of a benchmark's records: means with intervals, as Markdown and JSON, with what they were made by."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

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
SECONDS = Quantity("seconds", "a video", 0)
TITLES = {"single": "Single-shot", "multi": "Multi-shot"}
ROWS = (*DISTANCES, *QUANTITIES, SECONDS)
NOTE = "Means over videos with 95 % bootstrap intervals over videos. `best` is what the true videos themselves get."
NO_FVD = "The distances are taken in the features of this package's small video network, and are no FVD."
FVD = "The distances are taken in the features of {}, over windows of 16 frames: the Frechet distance is FVD."


def split_runs(records: Sequence[Record]) -> list[list[Record]]:
    """Tell the records of several runs over the same items apart: the k-th record of each item is of run k."""
    by_item: dict[str, list[Record]] = {}
    for record in records:
        by_item.setdefault(record.item, []).append(record)
    return [list(run) for run in zip(*by_item.values(), strict=True)]


def values_of(runs: Sequence[Sequence[Record]], figure: Quantity) -> np.ndarray:
    """A figure of single videos: (runs, videos), NaN where a record has none."""
    of_record = (lambda one: one.seconds) if figure is SECONDS else (lambda one: one.figures.get(figure.name, np.nan))
    return np.array([[of_record(record) for record in run] for run in runs], dtype=float)


def distance_of(runs: Sequence[Sequence[Record]], figure: Quantity) -> Statistic:
    """The mean over runs of the distance of chosen videos from their truths. figure: one of DISTANCES."""
    of_runs = [
        set_statistic(
            DISTANCES[figure],
            [torch.tensor(record.features) for record in run],
            [torch.tensor(record.true_features) for record in run],
        )
        for run in runs
    ]
    return lambda chosen: float(np.mean([statistic(chosen) for statistic in of_runs]))


def summarize(records: Sequence[Record]) -> dict[str, Interval]:
    """Estimate every figure of ROWS over one filmer's records of one kind. Several runs are averaged.

    Figures that no record has are left out, and so are the distances of a single video.
    """
    runs, found = split_runs(records), {}
    count = len(runs[0]) if runs else 0
    for figure in ROWS if runs else ():
        if figure not in DISTANCES:
            values = values_of(runs, figure)
            if not np.isnan(values).all():
                found[figure.name] = bootstrap(count, mean_statistic(values))
        elif count > 1:
            found[figure.name] = bootstrap(count, distance_of(runs, figure), mirrored=True)
    return found


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


def as_text(runs: Mapping[str, Sequence[Record]], summaries: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> str:
    """The tables of both kinds, with their numbers of videos. summaries: of `summarize_all`."""
    parts = []
    for kind, by_name in summaries.items():
        count = max(len({record.item for record in records if record.kind == kind}) for records in runs.values())
        if count:
            parts.append(f"## {TITLES[kind]}, {count} video{'s' * (count > 1)}\n\n{as_table(by_name)}")
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


def write_results(folder: Path, runs: Mapping[str, Sequence[Record]], sections: Sequence[Section] = ()) -> str:
    """Write results.md and results.json.

    Args:
        sections: what else they hold.

    Returns:
        The tables and the sections' texts.
    """
    made, summaries = provenance(runs), summarize_all(runs)
    results = {kind: {name: plain(one) for name, one in by_name.items()} for kind, by_name in summaries.items()}
    others = {section.name: section.data for section in sections}
    write_json(folder / "results.json", {**made, "results": results, **others})
    settings = [
        f"- {name}: {', '.join(f'{k} {v}' for k, v in own.items()) or '-'}" for name, own in made["settings"].items()
    ]
    about = f"{made['source']}; commit {made['commit'] or made['version']}; {made['machine']}; {made['date']}"
    tables = "\n\n".join([as_text(runs, summaries), *(section.text for section in sections)])
    text = "\n".join(["# Results", "", f"{about}.", "", *settings, "", f"{NOTE} {_note_on(runs)}", "", tables, ""])
    with atomic_path(folder / "results.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return tables


def _note_on(runs: Mapping[str, Sequence[Record]]) -> str:
    """What the distances are taken in."""
    name = next((records[0].made_by.get("features") for records in runs.values() if records), None)
    return FVD.format(name) if name else NO_FVD


def plain(summary: Mapping[str, Interval]) -> dict[str, dict[str, float | None]]:
    """A filmer's figures for JSON, which knows no NaN."""
    return {
        key: {name: value if value == value else None for name, value in interval._asdict().items()}
        for key, interval in summary.items()
    }
