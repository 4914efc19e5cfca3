"""Explicit diffusion as JEDI has it (oops::Diffusion and SABER's block `diffusion`), and its exact coefficients.

Nodes exchange along the edges of a mesh. With s the mean of the length scales of the two nodes of an edge (m; no
exchange where either is 0), a = the distance of the two mesh cells beside the edge over its length (1 where there is
but one), and the node's area w, a horizontal step is

    x_p <- x_p - (1 / w_p) sum over the edges of p of a k (x_p - x_q),  k = s^2 / (2 n),
    n = 2 ceil(max(2 s^2 / length^2) / 2) over all edges and levels

and a vertical one the same between neighbouring levels, with scales in levels, lengths, ratios and areas of 1. The
square root of the correlation takes n / 2 horizontal steps, then n_v / 2 vertical ones, on N(0, I) without any weights:
F = L L', L = L_v L_h. With L_h level by level and L_v column by column,

    F_pp = sum over k1 of L_v[k, k1]^2 sum over q of L_h[x, q; level k1]^2,      gamma = F_pp^-1/2
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from dlgd.core.constants import ATLAS_RADIUS_M
from dlgd.core.errors import Refusal
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.grids import unit_vectors
from dlgd.physics.halo import Topology, pad_cells

LARGEST_SCALE = 100  # distances of nodes
ROWS = 2048  # of L_h that are computed together


@dataclass(frozen=True)
class Mesh:
    """A mesh of the points (ny, nx) of a structured grid: south_* (ny + 1, nx) on the edges to the south neighbour,
    west_* (ny, nx) to the west one; 1 on edges that do not exist."""

    south_length: np.ndarray  # m, chord
    west_length: np.ndarray
    south_ratio: np.ndarray  # distance of the two mesh cells beside the edge, over its length
    west_ratio: np.ndarray
    area: np.ndarray  # (ny, nx) m2
    topology: Topology


def mesh(lat: np.ndarray, lon: np.ndarray, area: np.ndarray, topology: Topology) -> Mesh:
    """The mesh whose cells are all quadrilaterals of neighbouring points; lat, lon (ny, nx) in degrees, area in m2."""
    points = ATLAS_RADIUS_M * np.moveaxis(unit_vectors(lat, lon), -1, 0)
    around = pad_cells(points, 1, topology, "nearest")
    exists = pad_cells(np.ones(lat.shape, bool), 1, topology)
    corners = (np.s_[..., :-1, :-1], np.s_[..., :-1, 1:], np.s_[..., 1:, :-1], np.s_[..., 1:, 1:])
    centre = np.mean([around[corner] for corner in corners], axis=0)  # (3, ny + 1, nx + 1)
    whole = np.logical_and.reduce([exists[corner] for corner in corners])

    def edges(one: np.ndarray, other: np.ndarray, low: tuple, high: tuple) -> tuple[np.ndarray, np.ndarray]:
        length = np.linalg.norm(one - other, axis=0)
        length = np.where(length > 0, length, 1.0)
        across = np.linalg.norm(centre[high] - centre[low], axis=0)
        return length, np.where(whole[low] & whole[high], across / length, 1.0)

    inner = around[..., 1:-1]
    south = edges(inner[:, :-1], inner[:, 1:], np.s_[..., :-1], np.s_[..., 1:])
    row = around[:, 1:-1]
    west = edges(row[..., :-2], row[..., 1:-1], np.s_[..., :-1, :-1], np.s_[..., 1:, :-1])
    return Mesh(south[0], west[0], south[1], west[1], area, topology)


def horizontal_steps(scales: np.ndarray, on: Mesh) -> tuple[list[sparse.csr_array], int]:
    """The matrix I - W^-1 D of one horizontal step over the nodes with a positive scale of each level, and n / 2.

    scales (nz, ny, nx) m, 0 where nothing diffuses.
    """
    around = pad_cells(scales, 1, on.topology)
    pairs = []
    for here, there in ((around[:, 1:, 1:-1], around[:, :-1, 1:-1]), (around[:, 1:-1, 1:-1], around[:, 1:-1, :-2])):
        pairs.append(np.where((here > 0) & (there > 0), (here + there) / 2, 0.0))
    south, west = pairs
    most = max((2 * south**2 / on.south_length**2).max(), (2 * west**2 / on.west_length**2).max())
    _refuse_large("horizontal", np.sqrt(most / 2), "distances of two nodes: give them in m, as lat, lon and area")
    n = 2 * max(1, int(np.ceil(most / 2)))
    steps = []
    for s_i, s_j, level in zip(south, west, scales, strict=True):
        alpha_i, alpha_j = s_i**2 / (2 * n) * on.south_ratio, s_j**2 / (2 * n) * on.west_ratio
        matrix, _ = Diffusion(alpha_i, alpha_j, on.area, level > 0, on.topology).matrix()  # W + D
        weights = on.area[level > 0]
        steps.append(sparse.csr_array(2 * sparse.eye_array(len(weights)) - sparse.diags_array(1 / weights) @ matrix))
    return steps, n // 2


def _refuse_large(which: str, scale: float, unit: str) -> None:
    """Refuse scales of so many nodes that the steps, twice as many as the square of that, have no end."""
    if scale > LARGEST_SCALE:
        raise Refusal(f"{which} length scales reach {scale:.0f} {unit}")


def horizontal_variances(scales: np.ndarray, on: Mesh) -> np.ndarray:
    """The sum over q of L_h[p, q]^2 (nz, ny, nx), exact; 1 where the scale is 0."""
    steps, half = horizontal_steps(scales, on)
    variance = np.ones(scales.shape)
    for level, step, at_sea in zip(variance, steps, scales > 0, strict=True):
        found = np.empty(int(at_sea.sum()))
        for first in range(0, len(found), ROWS):
            rows = step[first : first + ROWS]
            for _ in range(half - 1):
                rows = rows @ step
            found[first : first + ROWS] = rows.multiply(rows).sum(axis=1)
        level[at_sea] = found
    return variance


def vertical_steps(scales: np.ndarray) -> tuple[np.ndarray, int]:
    """k (nz - 1, ny, nx) of one vertical step between levels, and n_v / 2; scales (nz, ny, nx) in levels."""
    joined = (scales[:-1] > 0) & (scales[1:] > 0)
    s = np.where(joined, (scales[:-1] + scales[1:]) / 2, 0.0)
    _refuse_large("vertical", s.max(initial=0), "levels: give them in levels, not in m")
    n = 2 * int(np.ceil(s.max(initial=0) ** 2))
    return s**2 / (2 * max(n, 1)), n // 2


def column_sums(scales: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """F_pp (nz, ny, nx): the sum over k1 of L_v[k, k1]^2 variance[k1]; scales (nz, ny, nx) in levels."""
    nz = len(scales)
    k, half = vertical_steps(scales)
    flux = k.reshape(nz - 1, scales[0].size).T[:, :, None]
    response = np.broadcast_to(np.eye(nz), (flux.shape[0], nz, nz)).copy()  # column, level, level of the Dirac
    for _ in range(half):
        through = flux * (response[:, :-1] - response[:, 1:])
        response[:, :-1] -= through
        response[:, 1:] += through
    return np.einsum("xik,xi->xk", response**2, variance.reshape(nz, -1).T).T.reshape(scales.shape)


def brute_force(horizontal: np.ndarray, vertical: np.ndarray, on: Mesh, cells: np.ndarray) -> np.ndarray:
    """gamma (n,) at some cells (n, 3), level, row and column: the squared norm of L' e_p, step by step.

    horizontal (m), vertical (levels): scales (nz, ny, nx).
    """
    steps, half = horizontal_steps(horizontal, on)
    k, half_v = vertical_steps(vertical)
    gamma = np.empty(len(cells))
    for place, (level, y, x) in enumerate(cells):
        column = np.zeros(len(vertical))
        column[level] = 1
        for _ in range(half_v):
            column -= np.diff(k[:, y, x] * -np.diff(column), prepend=0, append=0)
        energy = 0.0
        for amount, step, at_sea in zip(column, steps, horizontal > 0, strict=True):
            if not at_sea[y, x]:
                energy += amount**2
                continue
            field = np.zeros(at_sea.shape)
            field[y, x] = amount
            v = field[at_sea]
            for _ in range(half):
                v = step.T @ v
            energy += v @ v
        gamma[place] = 1 / np.sqrt(energy)
    return gamma
