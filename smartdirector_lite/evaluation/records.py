"""A run of a benchmark: one JSON record an item, so that a killed run goes on and a longer one measures the rest."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from ..media import write_json
from ..media.files import make_folder
from .benchmark import Benchmark, Filmer
from .features import OWN, Features
from .measure import measure

DECIMALS = 4  # of features in a record
VERSION = 1  # of what is measured; a record of another version is measured anew


@dataclass(frozen=True)
class Record:
    """What came of one item.

    Attributes:
        item, kind: the item's name, and one of KINDS.
        made_by: filmer, settings, source and version; a record that was made by anything else is no use.
        seconds: that the filming took.
        figures: of `measure`.
        features, true_features: of the windows of the video and of the true one, (N, D) each.
    """

    item: str
    kind: str
    made_by: dict
    seconds: float
    figures: dict[str, float]
    features: list[list[float]]
    true_features: list[list[float]]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a record. A ValueError names the file that is none."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"{path}: is no whole record ({error}); delete it, and it is made again") from error


def record_path(folder: Path, filmer: Filmer, item: str) -> Path:
    """Where the record of an item lies: a folder for each filmer."""
    return folder / "records" / (re.sub(r"[^\w.-]+", "-", filmer.name).strip("-.") or "model") / f"{item}.json"


def run_benchmark(
    benchmark: Benchmark,
    filmer: Filmer,
    folder: Path,
    told: Callable[[Record], None] = lambda record: None,
    features: Features = OWN,
) -> list[Record]:
    """Film and measure every item that has no record yet.

    Args:
        folder: that the records lie in. Each appears when it is whole.
        told: is called with every record, old or new.
        features: of the videos, for distances.

    Returns:
        The records of all items, in their order.
    """
    made_by = {"filmer": filmer.name, "settings": dict(filmer.settings), "source": benchmark.source, "version": VERSION}
    if features.name:
        made_by["features"] = features.name
    records = []
    for index, name in enumerate(benchmark.names):
        path = record_path(folder, filmer, name)
        record = Record.load(path) if path.exists() else None
        if record is None or record.made_by != made_by:
            item = benchmark[index]
            started = time.perf_counter()
            with torch.no_grad():
                video = filmer(item)
            seconds = time.perf_counter() - started
            found = [_plain(features.of_video(x)) for x in (video, item.frames)]
            record = Record(name, item.kind, made_by, round(seconds, 2), measure(video, item), *found)
            make_folder(path.parent)
            write_json(path, asdict(record))
        told(record)
        records.append(record)
    return records


def _plain(features: Tensor) -> list[list[float]]:
    return [[round(value, DECIMALS) for value in row] for row in features.tolist()]
