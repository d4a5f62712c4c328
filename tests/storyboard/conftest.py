"""The media that the tests of this room share."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from boards import BLUE, RED

from smartdirector_lite.media import write_video


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images, and a clip of 24 frames at 24 fps whose grey rises."""
    home = tmp_path_factory.mktemp("media")
    RED.save(home / "a.png")
    BLUE.save(home / "b.png")
    grey = (np.arange(24) * 8 + 20).astype(np.uint8)[:, None, None, None]
    write_video(home / "c.mp4", np.broadcast_to(grey, (24, 32, 32, 3)), fps=24)
    return home


@pytest.fixture
def folder(media_folder: Path, tmp_path: Path) -> Path:
    """A fresh folder with those media. An image lies outside it."""
    RED.save(tmp_path / "outside.png")
    return Path(shutil.copytree(media_folder, tmp_path / "story"))
