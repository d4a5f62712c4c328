"""What stands in a dataset's folder beside its clips: their list, the card and the page."""

import json
from collections.abc import Sequence
from pathlib import Path

from ..media import PathLike, atomic_path
from .kept import read_kept
from .page import write_page
from .records import ShotRecord

WORK = ".curation"  # the folder of a dataset that holds what was found so far; `datasets` leaves hidden folders out


def write_dataset(dataset: PathLike) -> int:
    """Write the list of clips, the card and the page of a dataset, from all films that were curated into it.

    Returns:
        The number of clips.
    """
    dataset = Path(dataset)
    works = sorted(path.parent for path in (dataset / WORK).glob("*/entries.json"))
    entries = [entry for work in works for entry in read_kept(work / "entries.json")]
    with atomic_path(dataset / "metadata.jsonl") as temporary:
        lines = (json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n" for entry in entries)
        temporary.write_text("".join(lines), encoding="utf-8")
    with atomic_path(dataset / "README.md") as temporary:
        temporary.write_text(_card(entries), encoding="utf-8")
    films = {work.name: [ShotRecord.from_dict(shot) for shot in read_kept(work / "shots.json")] for work in works}
    write_page(dataset / "index.html", f"{WORK}/{{film}}/shots/{{start:07}}.jpg", films, entries)
    return len(entries)


def _card(entries: Sequence[dict]) -> str:
    """The dataset card, which the hub shows."""
    seconds = sum(entry["num_frames"] / entry["fps"] for entry in entries)
    sources = sorted({(entry["source"], entry["licence"]) for entry in entries})
    lines = [
        "---",
        "task_categories:",
        "- text-to-video",
        "license: other",
        f"license_name: {json.dumps('; '.join(sorted({licence for _, licence in sources})))}",
        "---",
        "",
        "# Clips with structured captions",
        "",
        f"{len(entries)} clips, {seconds:.0f} seconds in all, of one or more shots of a scene each.",
        "`smartdirector curate` found shots, scenes, cameras and characters by itself, and nobody has checked them.",
        "",
        "| film | licence |",
        "|---|---|",
        *(f"| {_cell(film)} | {_cell(licence)} |" for film, licence in sources),
        "",
        "`metadata.jsonl` holds for each clip its `caption`, its `shots` (first frame, description, camera and",
        "characters), its `cuts` and `keyframes` as frames of the clip, and `film_frames`, its place in the film:",
        "[start, stop) at `fps` frames a second. The clips have no sound.",
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A text as it stands in a table of Markdown."""
    return " ".join(text.split()).replace("|", "\\|")
