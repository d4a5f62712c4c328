"""Counts how often pictures and videos are decoded, by watching Pillow and PyAV."""

from dataclasses import dataclass, field
from pathlib import Path

import av
from PIL import ImageFile


@dataclass
class Decodes:
    """The names of the files that were decoded, one entry for each time."""

    pictures: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)  # one entry for each pass over a file

    def clear(self) -> None:
        self.pictures.clear()
        self.videos.clear()


def count_decodes(monkeypatch) -> Decodes:
    """From now on every picture file and every pass over a video file is written down."""
    seen, load, open_ = Decodes(), ImageFile.ImageFile.load, av.open

    def counted_load(image):
        if image.tile:  # the parts of the file that are not decoded yet
            seen.pictures.append(Path(image.filename).name)
        return load(image)

    def counted_open(file, mode=None, *args, **kwargs):
        container = open_(file, mode, *args, **kwargs)
        return container if mode == "w" else Container(container, Path(file).name, seen)

    monkeypatch.setattr(ImageFile.ImageFile, "load", counted_load)
    monkeypatch.setattr(av, "open", counted_open)
    return seen


class Container:
    """An opened video that tells at the end whether frames of it were decoded."""

    def __init__(self, container, name: str, seen: Decodes):
        self.container, self.name, self.seen = container, name, seen

    def __getattr__(self, name: str):
        return getattr(self.container, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if any(stream.codec_context.is_open for stream in self.container.streams.video):
            self.seen.videos.append(self.name)
        self.container.close()
