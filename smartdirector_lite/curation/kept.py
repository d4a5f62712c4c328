"""What a run has found is kept as JSON, so that the next one goes on from there."""

import json
from collections.abc import Callable
from pathlib import Path

from ..media import MediaError, write_json


def read_kept(path: Path) -> object:
    """What was kept. MediaError where the file is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MediaError(f"{path}: can't be read ({error}); delete it, and it is made again") from error


def keep(path: Path, make: Callable[[], object]) -> object:
    """What was kept; if nothing was, make it, which is kept then."""
    if path.exists():
        return read_kept(path)
    value = make()
    write_json(path, value)
    return value
