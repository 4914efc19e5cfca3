"""Nodes that exchange along edges: which nodes of a grid are neighbours, and one explicit step of diffusion.

A graph serves every topology, also those with faces that meet at a turn, which arrays with a halo do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from dlgd.physics.halo import Topology, pad_cells

LLC_FACES = 13  # squares of the llc grid


@dataclass(frozen=True)
class Edges:
    """The edges of a grid whose nodes (ny, nx) are numbered row by row.

    one, other: (e,) numbers of the two nodes of each edge. south (ny + 1, nx), west (ny, nx): bool, which south and
    west faces are edges; the last row of the former is the north side. Edges have the order of the south faces, row by
    row, then that of the west ones.
    """

    one: np.ndarray
    other: np.ndarray
    south: np.ndarray
    west: np.ndarray

    def take(self, south: np.ndarray, west: np.ndarray) -> np.ndarray:
        """(..., e) from values on south faces (..., ny + 1, nx) and west faces (..., ny, nx)."""
        return np.concatenate([south[..., self.south], west[..., self.west]], axis=-1)


def of_grid(shape: tuple[int, int], topology: Topology) -> Edges:
    """Return the edges between neighbours of a grid (ny, nx)."""
    ny, nx = shape
    number = np.arange(ny * nx).reshape(shape)
    around = pad_cells(number + 1, 1, topology) - 1  # -1 beyond closed sides
    beyond = around[1:, 1:-1], around[:-1, 1:-1]
    south = (beyond[0] >= 0) & (beyond[1] >= 0) & (beyond[0] != beyond[1])
    if topology.south_north == "periodic":
        south[-1] = False  # the north side is the south side
    if topology.south_north == "fold":
        south[-1] &= beyond[1][-1] < beyond[0][-1]  # each edge of the fold stands there twice
    beside = around[1:-1, :-2]
    west = (beside >= 0) & (beside != number)
    one = np.concatenate([beyond[0][south], number[west]])
    other = np.concatenate([beyond[1][south], beside[west]])
    return Edges(one, other, south, west)


def of_llc(width: int) -> Edges:
    """Return the edges of the llc grid in the compact layout (13 width, width) in which MITgcm writes it.

    Five faces follow one another: two of 3 width rows, one square, and two whose rows are 3 width long. In MITgcm's
    package exch2 the north side of an odd face meets the west side of the next but one, in reverse, and its east side
    the west side of the next; the north side of an even face meets the south side of the next, and its east side, in
    reverse, the south side of the next but one. Nothing lies beyond the south sides of faces 1 and 2 and the east sides
    of faces 4 and 5.
    """
    shapes = [(3 * width, width), (3 * width, width), (width, width), (width, 3 * width), (width, 3 * width)]
    starts = np.cumsum([0, *(ny * nx for ny, nx in shapes)])
    number = [start + np.arange(ny * nx).reshape(ny, nx) for start, (ny, nx) in zip(starts, shapes, strict=False)]
    south, west = ([np.full(shape, -1) for shape in shapes] for _ in range(2))
    for face in range(5):
        south[face][1:], west[face][:, 1:] = number[face][:-1], number[face][:, :-1]
        odd, next_but_one = face % 2 == 0, (face + 2) % 6
        if next_but_one < 5:
            side = number[face][-1, ::-1] if odd else number[face][::-1, -1]
            (west[next_but_one][:, 0] if odd else south[next_but_one][0])[:] = side
        following = (face + 1) % 6
        if following < 5:
            side = number[face][:, -1] if odd else number[face][-1]
            (west[following][:, 0] if odd else south[following][0])[:] = side
    compact = LLC_FACES * width, width
    south, west = (np.concatenate([one.ravel() for one in neighbour]).reshape(compact) for neighbour in (south, west))
    number = np.arange(LLC_FACES * width**2).reshape(compact)
    closed = np.full((1, width), -1)  # each edge is the south or the west face of one node, and none is a north side
    beyond = np.concatenate([south, closed])
    has_south, has_west = beyond >= 0, west >= 0
    one = np.concatenate([number[has_south[:-1]], number[has_west]])
    return Edges(one, np.concatenate([beyond[has_south], west[has_west]]), has_south, has_west)


def laplacian(one: np.ndarray, other: np.ndarray, conductance: np.ndarray, nodes: int) -> sparse.csr_array:
    """D (nodes, nodes) of (D x)_p = sum over the edges of p of conductance (x_p - x_q).

    one, other, conductance: (e,).
    """
    rows, columns = np.concatenate([one, other, one, other]), np.concatenate([one, other, other, one])
    values = np.concatenate([conductance, conductance, -conductance, -conductance])
    return sparse.csr_array(sparse.coo_array((values, (rows, columns)), shape=(nodes, nodes)))
