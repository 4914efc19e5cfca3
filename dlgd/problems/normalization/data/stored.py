"""One sample as the report's files hold it: with padding around the grid, and two faces for each cell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlgd.core.errors import Refusal


@dataclass(frozen=True)
class Edges:
    """The numbers of rows and columns of padding around the grid."""

    south: int = 0
    north: int = 0
    west: int = 0
    east: int = 0


@dataclass(frozen=True)
class Stored:
    """Arrays of the whole file, (rows, columns), m2, 0 or NaN on land and on closed faces; gamma, m, of the grid alone,
    (ny, nx), 0 on land, or None."""

    name: str
    alpha_i: np.ndarray
    alpha_j: np.ndarray
    w: np.ndarray
    gamma: np.ndarray | None
    edges: Edges
    lat: np.ndarray | None = None  # degrees north
    lon: np.ndarray | None = None  # degrees east
    ratio: tuple[np.ndarray, np.ndarray] | None = None  # alpha_i / K22 and alpha_j / K11, (rows, columns)
    names: tuple[str, str] = ("alpha_i", "alpha_j")  # of the diffusivities in the files

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of the grid."""
        rows, columns = self.inner(self.w).shape
        return rows, columns

    def inner(self, field: np.ndarray) -> np.ndarray:
        """A field of the file without its padding."""
        return inner(field, self.edges)


def inner(field: np.ndarray, edges: Edges) -> np.ndarray:
    """Cut off the padding: (..., rows, columns) -> (..., ny, nx)."""
    rows, columns = field.shape[-2:]
    return field[..., edges.south : rows - edges.north, edges.west : columns - edges.east]


def south_faces(one: Stored, *, north: bool) -> np.ndarray:
    """alpha_i (ny + 1, nx) on south faces; the last row is the north side. Rows that the file does not have are NaN.

    north: whether the file has it on north faces.
    """
    rows, columns = one.alpha_i.shape
    ny, _ = one.shape
    first = one.edges.south - int(north)
    wanted = np.arange(first, first + ny + 1)
    exists = (wanted >= 0) & (wanted < rows)
    taken = one.alpha_i[np.clip(wanted, 0, rows - 1), one.edges.west : columns - one.edges.east]
    return np.where(exists[:, None], taken, np.nan)


def west_faces(one: Stored, *, east: bool) -> np.ndarray:
    """alpha_j (ny, nx) on west faces of a grid that is periodic west-east.

    east: whether the file has it on east faces.
    """
    return np.roll(one.inner(one.alpha_j), int(east), axis=-1)


def find_above(folder: Path, *names: str) -> Path:
    """Find a file that a folder's samples share, of one of these names: in the folder, or in one of the two above."""
    for place in (folder, *folder.parents[:2]):
        for name in names:
            if (place / name).is_file():
                return place / name
    raise Refusal(f"{' or '.join(names)} is missing: it must stand in {folder} or above")
