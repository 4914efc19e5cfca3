"""What a format of files offers: it is read, its fields are computed, and norms are written.

A module of a format has

    Options                          dataclass of its options, with their explanation
    recognized(path, variables)      whether a file is of the format; of NetCDF, names of its variables, dimensions
    read(source, grid, sides, options) -> Opened

and its line in `formats.FORMATS`. Fields are (level, node): nodes in the order of the grid, row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.physics.grids import great_circle_m, unit_vectors
from dlgd.physics.halo import Topology
from dlgd.problems.normalization.data.layout import SOUTH_NORTH, WEST_EAST

ALIKE = 2.0  # distances across a fold and beside it
FEW = 0.1  # of the columns


class Operator(Protocol):
    """A square root of correlations, whose coefficients are wanted."""

    def gamma(self) -> np.ndarray:
        """The exact coefficients (nz, n); NaN where there are none."""
        ...

    def brute_force(self, cells: np.ndarray) -> np.ndarray:
        """The coefficients (c,) at some cells (c, 2), level and node: each the norm of a Dirac through the operator."""
        ...


@dataclass(frozen=True)
class Field:
    """A field of norms. cells (c, 2): the level and node of all that have a norm."""

    name: str
    operator: Operator
    cells: np.ndarray


class Opened(Protocol):
    """Files with length scales, and their grid, as they were read.

    fields: what is to be computed. inputs: all files that were read. said: what else there is to say, a sentence each.
    """

    @property
    def fields(self) -> Sequence[Field]: ...

    @property
    def inputs(self) -> Sequence[Path]: ...

    @property
    def said(self) -> Sequence[str]: ...

    def outputs(self, output: Path) -> list[Path]:
        """The files that `write` makes where this was typed as output=."""
        ...

    def write(self, gamma: Mapping[str, np.ndarray], output: Path) -> None:
        """Write the norms, (nz, n) by the name of their field, each file whole or not at all."""
        ...


@dataclass(frozen=True)
class Sides:
    """What was typed about the sides of the grid; None: as usual for the format."""

    west_east: str | None = None
    south_north: str | None = None

    def __post_init__(self) -> None:
        for name, known in (("west_east", WEST_EAST), ("south_north", SOUTH_NORTH)):
            if getattr(self, name) is not None:
                checks.choice(name, getattr(self, name), known)
        if self.south_north == "fold" and self.west_east == "closed":
            raise Refusal("south_north=fold needs west_east=periodic")

    def topology(self, west_east: str, south_north: str) -> Topology:
        """The topology, of what was typed or else of what is usual."""
        return Topology(self.west_east or west_east, self.south_north or south_north)  # pyright: ignore[reportArgumentType]

    def refuse(self, why: str) -> None:
        """Refuse what was typed where nothing can be chosen."""
        for name in ("west_east", "south_north"):
            if getattr(self, name) is not None:
                raise Refusal(f"{name}={getattr(self, name)} has no effect: {why}")


def refuse_no_fold(lat: np.ndarray, lon: np.ndarray, where: Path) -> None:
    """Refuse to fold a grid, lat and lon (y, x) in degrees, whose last row is no neighbour of itself in reverse.

    Across a fold the two cells are about as far apart as each is from the one south of it; ALIKE times more or less is
    allowed, and FEW of the columns may differ.
    """
    below, last = unit_vectors(lat[-2:], lon[-2:])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = great_circle_m(last, last[::-1]) / great_circle_m(below, last)
    ratio = ratio[np.isfinite(ratio)]
    away = int(((ratio < 1 / ALIKE) | (ratio > ALIKE)).sum())
    if away > FEW * len(ratio):
        raise Refusal(
            f"south_north=fold: the last row of {where} does not mirror itself, as {away} of {len(ratio)} cells are "
            "not beside the ones that would be their neighbours: type closed, or cut off the rows beyond the fold"
        )
