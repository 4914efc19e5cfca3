"""Tiles of space and time into which the maps of optimal interpolation are cut, and the observations of each tile.

Coordinates are in correlation lengths. Neighbouring tiles overlap, and their answers are blended by weights that add up
to one at each target, so that maps have no seams.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-9
OVERLAP = 0.25  # how far a tile reaches into the next one, in widths of a tile


@dataclass(frozen=True)
class Piece:
    """A stretch of one axis."""

    members: np.ndarray  # indices of the coordinates that it answers for
    weights: np.ndarray  # of its answers
    low: float  # of its core, the members that count more here than in its neighbours
    high: float
    period: float | None = None  # of an axis that is a ring

    def distance(self, coordinates: np.ndarray) -> np.ndarray:
        """The distance of coordinates from the core, 0 within it."""
        if self.period is not None:
            coordinates = wrapped(coordinates, (self.low + self.high) / 2, self.period)
        return np.maximum(0, np.maximum(self.low - coordinates, coordinates - self.high))


def cut(coordinates: np.ndarray, size: float) -> list[Piece]:
    """Cut coordinates (n,), in any order, into pieces of about `size` correlation lengths."""
    low, high = coordinates.min(), coordinates.max()
    count = max(1, round((high - low) / size))
    width = (high - low) / count
    if count == 1:
        return [Piece(np.arange(len(coordinates)), np.ones(len(coordinates)), low, high)]
    centres = low + width * (np.arange(count) + 0.5)
    beyond = np.abs(coordinates - centres[:, None]) / width - 0.5  # widths beyond the middle of the overlap
    weights = np.clip(0.5 - beyond / (2 * OVERLAP), 0, 1)
    owners = weights.argmax(0)
    used = np.unique(owners)  # coordinates may be scattered
    weights = weights[used] / weights[used].sum(0)
    pieces = []
    for owner, row in zip(used, weights, strict=True):
        (members,) = np.nonzero(row)
        core = coordinates[owners == owner]
        pieces.append(Piece(members, row[members], core.min(), core.max()))
    return pieces


def cut_ring(coordinates: np.ndarray, size: float, period: float) -> list[Piece]:
    """Cut coordinates (n,) of a ring into pieces of about `size`; these stand at the same places whatever coordinate
    is the first."""
    count = max(1, round(period / size))
    width = period / count
    pieces = []
    for centre in width * np.arange(count):
        near = wrapped(coordinates, centre, period)
        beyond = np.abs(near - centre) / width - 0.5
        weights = np.clip(0.5 - beyond / (2 * OVERLAP), 0, 1) if count > 1 else np.ones(len(near))
        (members,), core = np.nonzero(weights), near[beyond <= ROUNDING]
        if len(core):
            pieces.append(Piece(members, weights[members], core.min(), core.max(), period))
    return pieces


def wrapped(coordinates: np.ndarray, middle: float, period: float) -> np.ndarray:
    """Coordinates of a ring, counted within half a period of the middle."""
    return middle + (coordinates - middle + period / 2) % period - period / 2


@dataclass(frozen=True)
class Tile:
    """A rectangle of the map in a stretch of days."""

    cells: np.ndarray  # (c,) flat indices of its cells at sea
    weights: np.ndarray  # (c,) of their answers
    observations: np.ndarray  # (n,) indices of the observations that it uses


def tiles_of(
    rows: list[Piece],
    columns: list[Piece],
    sea: np.ndarray,
    observations: np.ndarray,
    days: Piece,
    reach: float,
    most: int,
) -> list[Tile]:
    """All tiles of a stretch of days that hold sea.

    sea: bool (lat, lon). observations: (n, 3), (t, y, x) in correlation lengths. A tile uses the `most` nearest of
    those within `reach` of its core, in space and time together. All within the core are equally near: the first of
    them are used.
    """
    late = days.distance(observations[:, 0]) ** 2
    (near,) = np.nonzero(late <= reach**2)
    late, (_, y, x) = late[near], observations[near].T
    across = [piece.distance(x) ** 2 for piece in columns]
    tiles = []
    for row in rows:
        along = late + row.distance(y) ** 2
        for column, square in zip(columns, across, strict=True):
            inside = sea[np.ix_(row.members, column.members)]
            if not inside.any():
                continue
            cells = row.members[:, None] * sea.shape[1] + column.members
            weights = row.weights[:, None] * column.weights
            distance = along + square
            (chosen,) = np.nonzero(distance <= reach**2)
            if len(chosen) > most:
                chosen = chosen[np.argsort(distance[chosen], kind="stable")[:most]]
            tiles.append(Tile(cells[inside], weights[inside], near[chosen]))
    return tiles
