"""Diffusion as JEDI has it (oops::Diffusion and SABER's block `diffusion`).

Nodes exchange along the edges of a mesh. With s the mean of the length scales of the two nodes of an edge (m; no
exchange where either is 0), a = the length of the face that the edge crosses over that of the edge, and the node's area
w, a horizontal step is

    x_p <- x_p - (1 / w_p) sum over the edges of p of a k (x_p - x_q),  k = s^2 / (2 n),
    n = 2 ceil(max(2 s^2 / length^2) / 2) over all edges and levels

and a vertical one the same between neighbouring levels, with scales in levels, lengths, ratios and areas of 1; or, with
`method: implicit` and M iterations, x <- (1 + D)^-1 x with k = s^2 / (2 M - 3). The square root of the correlation
takes half of the steps, n / 2 horizontal ones, then n_v / 2 (or M / 2) vertical ones, on N(0, I) without any weights;
see `split_diffusion`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlgd.core.constants import ATLAS_RADIUS_M, EARTH_RADIUS_M
from dlgd.core.errors import Refusal
from dlgd.physics import edges
from dlgd.physics.edges import Edges
from dlgd.physics.grids import great_circle_m, unit_vectors
from dlgd.physics.halo import Topology, pad_cells
from dlgd.physics.split_diffusion import SplitDiffusion

LARGEST_SCALE = 100  # distances of nodes


@dataclass(frozen=True)
class Mesh:
    """The nodes of a structured grid, row by row, and the edges between neighbours."""

    edges: Edges
    length: np.ndarray  # (e,) m
    ratio: np.ndarray  # (e,) length of the face that the edge crosses, over its own
    area: np.ndarray  # (n,) m2


def mesh(lat: np.ndarray, lon: np.ndarray, area: np.ndarray, topology: Topology) -> Mesh:
    """NodeColumns: the mesh whose cells are all quadrilaterals of neighbouring points; lat, lon (ny, nx) in degrees,
    area in m2. Lengths are chords; the face is the distance of the two mesh cells beside the edge, 1 edge length where
    there is but one."""
    points = ATLAS_RADIUS_M * np.moveaxis(unit_vectors(lat, lon), -1, 0)
    around = pad_cells(points, 1, topology, "nearest")
    exists = pad_cells(np.ones(lat.shape, bool), 1, topology)
    corners = (np.s_[..., :-1, :-1], np.s_[..., :-1, 1:], np.s_[..., 1:, :-1], np.s_[..., 1:, 1:])
    centre = np.mean([around[corner] for corner in corners], axis=0)  # (3, ny + 1, nx + 1)
    whole = np.logical_and.reduce([exists[corner] for corner in corners])

    def measure(one: np.ndarray, other: np.ndarray, low: tuple, high: tuple) -> tuple[np.ndarray, np.ndarray]:
        length = np.linalg.norm(one - other, axis=0)
        length = np.where(length > 0, length, 1.0)
        across = np.linalg.norm(centre[high] - centre[low], axis=0)
        return length, np.where(whole[low] & whole[high], across / length, 1.0)

    inner = around[..., 1:-1]
    south = measure(inner[:, :-1], inner[:, 1:], np.s_[..., :-1], np.s_[..., 1:])
    row = around[:, 1:-1]
    west = measure(row[..., :-2], row[..., 1:-1], np.s_[..., :-1, :-1], np.s_[..., 1:, :-1])
    grid = edges.of_grid(area.shape, topology)
    return Mesh(grid, grid.take(south[0], west[0]), grid.take(south[1], west[1]), area.ravel())


def structured_columns(lat: np.ndarray, lon: np.ndarray) -> Mesh:
    """StructuredColumns of a global grid without points at the poles, all of whose rows have the same even number of
    points; lat, lon (ny, nx) in degrees.

    The row before the first one is the first one, half way around, across the pole. dx and dy of a node are half the
    distance of the two neighbours on both sides, its area is their product, and the face of an edge is the mean of dy
    (or dx) of its two nodes; distances are great circles.
    """
    points = unit_vectors(lat, lon)
    half = lat.shape[1] // 2
    column = np.concatenate([np.roll(points[:1], half, axis=1), points, np.roll(points[-1:], half, axis=1)])
    across = ATLAS_RADIUS_M / EARTH_RADIUS_M
    dx = across * great_circle_m(np.roll(points, 1, axis=1), np.roll(points, -1, axis=1)) / 2
    dy = across * great_circle_m(column[:-2], column[2:]) / 2
    number = np.arange(lat.size).reshape(lat.shape)
    over = number[[0, -1], :half], number[[0, -1], half : 2 * half]  # each edge over a pole once
    one = np.concatenate([number[1:].ravel(), number.ravel(), over[0].ravel()])
    other = np.concatenate([number[:-1].ravel(), np.roll(number, 1, axis=1).ravel(), over[1].ravel()])
    along_row = np.repeat([False, True, False], [number[1:].size, number.size, over[0].size])
    flat = points.reshape(-1, 3)
    length = across * great_circle_m(flat[one], flat[other])
    face = np.where(along_row, dy.ravel()[one] + dy.ravel()[other], dx.ravel()[one] + dx.ravel()[other]) / 2
    none = np.zeros((0, 0), bool)
    return Mesh(Edges(one, other, none, none), length, face / length, (dx * dy).ravel())


def diffusion(
    horizontal: np.ndarray, vertical: np.ndarray | None, on: Mesh, *, iterations: int | None = None
) -> SplitDiffusion:
    """The operator of length scales (nz, n), horizontal in m (or one level of them, (1, n)), vertical in levels, 0
    where nothing diffuses; vertical None: none at all.

    iterations: M of the implicit vertical scheme, even; None: the explicit one.
    """
    nz = len(horizontal) if vertical is None else len(vertical)
    s = _means(horizontal[:, on.edges.one], horizontal[:, on.edges.other])
    most = float((2 * s**2 / on.length**2).max(initial=0))
    _refuse_large("horizontal", np.sqrt(most / 2), "distances of two nodes: give them in m, as lat, lon and area")
    n = 2 * max(1, int(np.ceil(most / 2)))
    s_v = np.zeros((nz - 1, horizontal.shape[1])) if vertical is None else _means(vertical[:-1], vertical[1:])
    _refuse_large("vertical", s_v.max(initial=0), "levels: give them in levels, not in m")
    n_v = 2 * int(np.ceil(s_v.max(initial=0) ** 2)) if iterations is None else iterations
    return SplitDiffusion(
        one=on.edges.one,
        other=on.edges.other,
        conductance=s**2 / (2 * n) * on.ratio,
        weight=on.area,
        exchange=s_v**2 / (max(2 * n_v, 1) if iterations is None else 2 * iterations - 3),
        thickness=np.ones((nz, horizontal.shape[1])),
        variance=np.ones((nz, horizontal.shape[1])),
        steps=n // 2,
        vertical_steps=n_v // 2,
        implicit=iterations is not None,
    )


def _means(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The mean of two length scales, 0 where either is 0."""
    return np.where((one > 0) & (other > 0), (one + other) / 2, 0.0)


def _refuse_large(which: str, scale: float, unit: str) -> None:
    """Refuse scales of so many nodes that the steps, twice as many as the square of that, have no end."""
    if scale > LARGEST_SCALE:
        raise Refusal(f"{which} length scales reach {scale:.0f} {unit}")
