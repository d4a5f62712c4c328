"""The size of pictures: width first, then height, everywhere in public."""

import re
import reprlib
from typing import NamedTuple

from ..timeline import check_int


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

    @classmethod
    def of(cls, name: str, value: object) -> "Size":
        """Make one of a width and a height, from 1 pixel on. A ValueError begins with `name`."""
        try:
            width, height = value
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} must be (width, height), got {reprlib.repr(value)}") from error
        return cls(check_int(f"the width of {name}", width, 1), check_int(f"the height of {name}", height, 1))

    def times(self, factor: int) -> "Size":
        """A size that is `factor` times as wide and as high."""
        return Size(factor * self.width, factor * self.height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"
