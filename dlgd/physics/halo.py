"""Padding with a grid's own topology: periodic, folded in the north (tripolar), or closed.

A grid of ny x nx cells has its rows from south to north and its columns from west to east. Fields of the
south faces have ny + 1 rows (the last one is the north side of the grid), fields of the west faces nx
columns (the east side of a periodic grid is its west side; that of a closed grid is closed).

A window of the grid is padded in the memory of that window, so that large grids are worked through piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlgd.core.errors import Refusal

Outside = Literal["zero", "nearest"]
Window = tuple[int, int, int, int]  # first row and the one after the last, first column and the one after the last


@dataclass(frozen=True)
class Topology:
    """What lies beyond the sides of a grid.

    `fold` is the north fold of a tripolar grid with its pivot on the corner of two cells: the cell north of
    (ny - 1, j) is (ny - 1, nx - 1 - j). The south side of a folded grid is closed.
    """

    west_east: Literal["periodic", "closed"] = "periodic"
    south_north: Literal["periodic", "fold", "closed"] = "closed"

    def __post_init__(self) -> None:
        if self.west_east not in ("periodic", "closed") or self.south_north not in ("periodic", "fold", "closed"):
            raise Refusal(f"unknown topology: {self.west_east} west-east, {self.south_north} south-north")
        if self.south_north == "fold" and self.west_east != "periodic":
            raise Refusal("a folded grid must be periodic west-east")


def _pad(
    field: np.ndarray,
    halo: int,
    topology: Topology,
    window: Window | None,
    *,
    outside: Outside = "zero",
    row_faces: int = 0,
    column_faces: int = 0,
) -> np.ndarray:
    """Return the values at the places of a window and around it, in the memory of these alone.

    `row_faces` and `column_faces` are 1 for values on the south and west faces: mirrored, a south face is the north
    face of the mirrored cell, the next row's (and a west face the next column's).
    """
    ny, nx = field.shape[-2] - row_faces, field.shape[-1]
    south, north, west, east = (0, ny, 0, nx) if window is None else window
    rows = np.arange(south - halo, north + halo + row_faces)
    columns = np.arange(west - halo, east + halo + column_faces)

    def values(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        row = rows % ny if topology.south_north == "periodic" else np.clip(rows, 0, ny - 1 + row_faces)
        column = columns % nx if topology.west_east == "periodic" else np.clip(columns, 0, nx - 1)
        found = field[..., row[:, None], column]
        if outside == "zero":
            if topology.south_north != "periodic":
                found[..., (rows < 0) | (rows >= ny + row_faces), :] = 0
            if topology.west_east != "periodic":
                found[..., (columns < 0) | (columns >= nx)] = 0
        return found

    folded = rows >= ny + row_faces
    if topology.south_north != "fold" or not folded.any():
        return values(rows, columns)
    beyond = values(2 * ny - 1 + row_faces - rows[folded], nx - 1 + column_faces - columns)
    return np.concatenate([values(rows[~folded], columns), beyond], axis=-2)


def pad_cells(
    field: np.ndarray, halo: int, topology: Topology, outside: Outside = "zero", window: Window | None = None
) -> np.ndarray:
    """(..., ny, nx) values at cell centres -> (..., ny + 2 halo, nx + 2 halo), or those of a window and around it.

    Beyond a closed side stands zero (False), or the nearest value within.
    """
    return _pad(field, halo, topology, window, outside=outside)


def pad_south_faces(field: np.ndarray, halo: int, topology: Topology, window: Window | None = None) -> np.ndarray:
    """(..., ny + 1, nx) values on south faces -> (..., ny + 1 + 2 halo, nx + 2 halo), zero on closed faces."""
    return _pad(field, halo, topology, window, row_faces=1)


def pad_west_faces(field: np.ndarray, halo: int, topology: Topology, window: Window | None = None) -> np.ndarray:
    """(..., ny, nx) values on west faces -> (..., ny + 2 halo, nx + 1 + 2 halo), zero on closed faces."""
    return _pad(field, halo, topology, window, column_faces=1)


def windows(shape: tuple[int, int], size: int) -> Iterator[Window]:
    """Yield the windows of at most size x size cells that make up a grid of ny x nx cells."""
    ny, nx = shape
    for y in range(0, ny, size):
        for x in range(0, nx, size):
            yield y, min(y + size, ny), x, min(x + size, nx)
