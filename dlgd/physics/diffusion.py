"""Implicit diffusion as a correlation operator, after Weaver et al. 2021 (QJRMS 147, 289-320, doi 10.1002/qj.3918).

On a grid of cells of area w (m2), alpha_f (m2) is the scaled diffusivity of face f: l_f^2, the square of
the diffusion length scale, times the length of the face over the distance between the two centres.

    (D x)_p = sum over the faces f of p of alpha_f (x_p - x_q)          symmetric, positive semi-definite
    L = (W + D)^-1 W                                                    one implicit step, W = diag(w)
    F = L^M W^-1 = W^-1/2 A^-M W^-1/2,   A = W^-1/2 (W + D) W^-1/2      M steps, symmetric positive definite
    gamma_p = 1 / sqrt(F_pp)                                            normalization coefficient, m
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from dlgd.core.errors import Refusal
from dlgd.physics.halo import Topology, Window, pad_cells, pad_south_faces, pad_west_faces, windows

STEPS = 10  # M; the Daley length of the correlation is about sqrt(2 M - 4) l in two dimensions
WINDOW = 512  # cells on each side of the part of a large grid that is worked on at once


@dataclass(frozen=True)
class Diffusion:
    """A diffusion-based correlation operator on a grid; float64.

    alpha_i (ny + 1, nx) m2 on south faces, its last row the north side of the grid; alpha_j (ny, nx) m2 on
    west faces; area (ny, nx) m2; sea (ny, nx) bool. A face with land on either side must have alpha = 0.
    """

    alpha_i: np.ndarray
    alpha_j: np.ndarray
    area: np.ndarray
    sea: np.ndarray
    topology: Topology
    steps: int = STEPS

    def __post_init__(self) -> None:
        ny, nx = self.area.shape
        if self.alpha_i.shape != (ny + 1, nx) or self.alpha_j.shape != (ny, nx) or self.sea.shape != (ny, nx):
            raise Refusal(
                f"shapes do not fit: alpha_i {self.alpha_i.shape}, alpha_j {self.alpha_j.shape}, "
                f"area {self.area.shape}, sea {self.sea.shape}"
            )
        if self.steps < 2 or self.steps % 2:
            raise ValueError(f"the number of diffusion steps must be even and positive, not {self.steps}")

    def open_faces(self) -> tuple[np.ndarray, np.ndarray]:
        """South (ny + 1, nx) and west (ny, nx) faces with sea on both sides, bool."""
        return open_faces(self.sea, self.topology)

    def around(self, window: Window, halo: int) -> Diffusion:
        """The operator of a window and of `halo` cells around it, with closed sides. F_pp is the same in cells that its
        sides are far enough from."""
        return Diffusion(
            alpha_i=pad_south_faces(self.alpha_i, halo, self.topology, window),
            alpha_j=pad_west_faces(self.alpha_j, halo, self.topology, window)[:, :-1],
            area=pad_cells(self.area, halo, self.topology, "nearest", window),
            sea=pad_cells(self.sea, halo, self.topology, window=window),
            topology=Topology("closed", "closed"),
            steps=self.steps,
        )

    def in_windows(self, solve: Callable[[Diffusion], np.ndarray], halo: int) -> np.ndarray:
        """What `solve` gives for each cell (ny, nx), float64, NaN on land: of the whole grid, or where it is large of a
        window after the other, in the memory of one. halo: cells around a window that its values depend on."""
        found = np.full(self.sea.shape, np.nan)
        whole = max(self.sea.shape) <= WINDOW
        for window in windows(self.sea.shape, WINDOW):
            south, north, west, east = window
            one = solve(self) if whole else solve(self.around(window, halo))[halo:-halo, halo:-halo]
            found[south:north, west:east] = np.where(self.sea[south:north, west:east], one, np.nan)
        return found

    def couplings(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A = W^-1/2 (W + D) W^-1/2 as a stencil: diagonal (ny, nx), and the positive couplings
        alpha / sqrt(w_p w_q) on south (ny + 1, nx) and west (ny, nx) faces; A has them with a minus sign."""
        root = np.sqrt(pad_cells(self.area, 1, self.topology, "nearest"))
        south = self.alpha_i / (root[:-1, 1:-1] * root[1:, 1:-1])
        west = self.alpha_j / (root[1:-1, :-2] * root[1:-1, 1:-1])
        east_alpha = pad_west_faces(self.alpha_j, 0, self.topology)[:, 1:]
        diagonal = 1 + (self.alpha_i[:-1] + self.alpha_i[1:] + self.alpha_j + east_alpha) / self.area
        return diagonal, south, west

    def matrix(self) -> tuple[sparse.csc_array, np.ndarray]:
        """W + D over the sea cells (sparse, symmetric, m2), and the number of each cell in it (-1 on land)."""
        number = np.full(self.sea.shape, -1)
        number[self.sea] = np.arange(self.sea.sum())
        around = pad_cells(number + 1, 1, self.topology) - 1  # -1 beyond closed sides
        east_alpha = pad_west_faces(self.alpha_j, 0, self.topology)[:, 1:]
        faces = (
            (self.alpha_i[:-1], around[:-2, 1:-1]),
            (self.alpha_i[1:], around[2:, 1:-1]),
            (self.alpha_j, around[1:-1, :-2]),
            (east_alpha, around[1:-1, 2:]),
        )
        size = int(self.sea.sum())
        diagonal = self.area[self.sea].copy()
        matrix = sparse.csc_array((size, size))
        for alpha, neighbour in faces:
            crossed = self.sea & (neighbour >= 0) & (alpha > 0)
            entries = (alpha[crossed], (number[crossed], neighbour[crossed]))
            matrix = matrix - sparse.coo_array(entries, shape=(size, size)).tocsc()
            np.add.at(diagonal, number[crossed], alpha[crossed])
        return (matrix + sparse.diags_array(diagonal)).tocsc(), number


def open_faces(sea: np.ndarray, topology: Topology) -> tuple[np.ndarray, np.ndarray]:
    """South (ny + 1, nx) and west (ny, nx) faces that have sea on both sides, bool."""
    around = pad_cells(sea, 1, topology)
    return around[:-1, 1:-1] & around[1:, 1:-1], around[1:-1, :-2] & around[1:-1, 1:-1]
