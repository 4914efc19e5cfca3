"""Padding with a grid's own topology: periodic, folded in the north (tripolar), or closed.

A grid of ny x nx cells has its rows from south to north and its columns from west to east. Fields of the
south faces have ny + 1 rows (the last one is the north side of the grid), fields of the west faces nx
columns (the east side of a periodic grid is its west side; that of a closed grid is closed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlgd.core.errors import Refusal

Outside = Literal["zero", "nearest"]


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


def _sources(
    size: tuple[int, int], halo: int, topology: Topology, *, row_faces: int, column_faces: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, column and existence of the value that stands at each place of the padded field.

    `row_faces` and `column_faces` are 1 for values on the south and west faces: mirrored, a south face is
    the north face of the mirrored cell, the next row's (and a west face the next column's).
    """
    ny, nx = size
    row, column = np.meshgrid(
        np.arange(-halo, ny + halo + row_faces), np.arange(-halo, nx + halo + column_faces), indexing="ij"
    )
    if topology.south_north == "fold":
        folded = row >= ny + row_faces
        row = np.where(folded, 2 * ny - 1 + row_faces - row, row)
        column = np.where(folded, nx - 1 + column_faces - column, column)
    exists = np.ones(row.shape, bool)
    if topology.west_east == "periodic":
        column = column % nx
    else:
        exists &= (column >= 0) & (column < nx)
        column = np.clip(column, 0, nx - 1)
    if topology.south_north == "periodic":
        row = row % ny
    else:
        exists &= (row >= 0) & (row < ny + row_faces)
        row = np.clip(row, 0, ny - 1 + row_faces)
    return row, column, exists


def _pad(field: np.ndarray, sources: tuple[np.ndarray, np.ndarray, np.ndarray], outside: Outside) -> np.ndarray:
    row, column, exists = sources
    padded = field[..., row, column]
    if outside == "zero":
        padded[..., ~exists] = 0
    return padded


def pad_cells(field: np.ndarray, halo: int, topology: Topology, outside: Outside = "zero") -> np.ndarray:
    """(..., ny, nx) values at cell centres -> (..., ny + 2 halo, nx + 2 halo).

    Beyond a closed side stands zero (False), or the nearest value within.
    """
    size = field.shape[-2], field.shape[-1]
    return _pad(field, _sources(size, halo, topology, row_faces=0, column_faces=0), outside)


def pad_south_faces(field: np.ndarray, halo: int, topology: Topology) -> np.ndarray:
    """(..., ny + 1, nx) values on south faces -> (..., ny + 1 + 2 halo, nx + 2 halo), zero on closed faces."""
    size = field.shape[-2] - 1, field.shape[-1]
    return _pad(field, _sources(size, halo, topology, row_faces=1, column_faces=0), "zero")


def pad_west_faces(field: np.ndarray, halo: int, topology: Topology) -> np.ndarray:
    """(..., ny, nx) values on west faces -> (..., ny + 2 halo, nx + 1 + 2 halo), zero on closed faces."""
    size = field.shape[-2], field.shape[-1]
    return _pad(field, _sources(size, halo, topology, row_faces=0, column_faces=1), "zero")
