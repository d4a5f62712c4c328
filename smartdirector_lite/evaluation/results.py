"""Tables of a benchmark's records: means with intervals, as Markdown and JSON, with what they were made by."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import torch

from .. import __version__
from ..media import atomic_path, write_json
from .benchmark import KINDS
from .distances import Interval, frechet_distance, kernel_distance, mean_estimate, set_estimate
from .measure import QUANTITIES, Quantity
from .records import Record

DISTANCES = {
    Quantity("Frechet distance", "", 0): frechet_distance,
    Quantity("kernel distance", "", 0): kernel_distance,
}
SECONDS = Quantity("seconds", "a video", 0)
TITLES = {"single": "Single-shot", "multi": "Multi-shot"}
ROWS = (*DISTANCES, *QUANTITIES, SECONDS)
NOTE = (
    "Means over videos with 95 % bootstrap intervals over videos. `best` is what the true videos themselves get. The "
    "distances are taken in the features of this package's small video network, and are no FVD."
)


def summarize(records: Sequence[Record]) -> dict[str, Interval]:
    """Estimate every figure of ROWS over one filmer's records of one kind. Figures that no record has are left out."""
    found = {}
    if len(records) > 1:
        videos = [torch.tensor(record.features) for record in records]
        truths = [torch.tensor(record.true_features) for record in records]
        found = {figure.name: set_estimate(distance, videos, truths) for figure, distance in DISTANCES.items()}
    for figure in QUANTITIES:
        values = [record.figures[figure.name] for record in records if figure.name in record.figures]
        if values:
            found[figure.name] = mean_estimate(values)
    return found | ({SECONDS.name: mean_estimate([record.seconds for record in records])} if records else {})


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
        count = max(sum(record.kind == kind for record in records) for records in runs.values())
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


def write_results(folder: Path, runs: Mapping[str, Sequence[Record]]) -> None:
    """Write results.md and results.json."""
    made = provenance(runs)
    summaries = {
        kind: {name: {key: _finite(value) for key, value in one.items()} for name, one in by_name.items()}
        for kind, by_name in summarize_all(runs).items()
    }
    write_json(folder / "results.json", {**made, "results": summaries})
    settings = [
        f"- {name}: {', '.join(f'{k} {v}' for k, v in own.items()) or '-'}" for name, own in made["settings"].items()
    ]
    about = f"{made['source']}; commit {made['commit'] or made['version']}; {made['machine']}; {made['date']}"
    text = "\n".join(["# Results", "", f"{about}.", "", *settings, "", NOTE, "", as_text(runs), ""])
    with atomic_path(folder / "results.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


def _finite(interval: Interval) -> dict[str, float | None]:
    """A figure for JSON, which knows no NaN."""
    return {name: value if value == value else None for name, value in interval._asdict().items()}
