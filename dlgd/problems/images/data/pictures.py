"""Pictures in memory, and what is known of them before they are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZE = (28, 28)  # rows and columns of a picture of MNIST and its kin
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Pictures:
    """Pictures and the number of the class of each."""

    images: np.ndarray  # uint8 (sample, y, x), or (sample, y, x, colour); 0 to 255
    labels: np.ndarray  # int64 (sample,)

    def take(self, places: np.ndarray) -> Pictures:
        """Copies of those at the places, in that order."""
        return Pictures(self.images[places], self.labels[places])


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the pictures of a set show, and how.

    classes: their names. size: rows and columns. coloured: whether they have the three COLOURS. content: what they
    show, in the plural. mirror_symmetric: whether their mirror images are such things too.
    """

    classes: tuple[str, ...]
    size: tuple[int, int] = SIZE
    coloured: bool = False
    content: str = "pictures"
    mirror_symmetric: bool = True

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions of the pictures of samples."""
        return ("sample", "y", "x", *(["colour"] if self.coloured else []))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture, (y, x) or (y, x, colour)."""
        return (*self.size, *([len(COLOURS)] if self.coloured else []))
