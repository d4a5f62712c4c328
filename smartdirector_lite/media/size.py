"""The size of pictures: width first, then height, everywhere in public."""

import re
from typing import NamedTuple


class Size(NamedTuple):
    """Width and height in pixels, in this order. Tensors and arrays of pixels have the height first."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> "Size":
        """Read a size that is written as "1280x704". Any other form is a ValueError."""
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
        if found is None:
            raise ValueError(f"size {text!r}: write WIDTHxHEIGHT, such as 1280x704")
        return cls(int(found[1]), int(found[2]))

    def times(self, factor: int) -> "Size":
        """A size that is `factor` times as wide and as high."""
        return Size(factor * self.width, factor * self.height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"
