"""Diffusion as a correlation operator in three dimensions, implicit (Weaver et al. 2021, QJRMS 147, 289-320).

Cells have the volume V = e1 e2 e3 (m3), W = diag(V). D is the sum over the faces of a cell of alpha (x_p - x_q), with
alpha (m3) = l^2 times the area of the face over the distance between the two centres, apart into D_h of the four side
faces and D_v of the top and bottom faces. Side faces are as high as the thinner of the two cells. Then

    A = W^-1/2 (W + D) W^-1/2,   A_h, A_v with D_h, D_v        A_h does not couple levels, A_v does not couple columns
    "implicit":             F = W^-1/2 A^-M W^-1/2
    "vertical_outermost":   F = W^-1/2 A_v^-M/2 A_h^-M A_v^-M/2 W^-1/2
    "horizontal_outermost": F = W^-1/2 A_h^-M/2 A_v^-M A_h^-M/2 W^-1/2
    gamma_p = 1 / sqrt(F_pp)                                    normalization coefficient, m^(3/2)

The three are different models of correlation; M must be even. Level 0 is at the surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from dlgd.core.errors import Refusal
from dlgd.physics.diffusion import STEPS, Diffusion, open_faces
from dlgd.physics.halo import Topology, pad_cells

FORMS = ("implicit", "vertical_outermost", "horizontal_outermost")


@dataclass(frozen=True)
class Diffusion3D:
    """The faces and cells of a three-dimensional diffusion operator; float64.

    alpha_i (nz, ny + 1, nx), alpha_j (nz, ny, nx) m3 on south and west faces, as in `Diffusion`; alpha_k
    (nz + 1, ny, nx) m3 on top faces, its last row the bottom of the grid; volume (nz, ny, nx) m3, positive everywhere;
    sea (nz, ny, nx) bool. A face with rock on either side must have alpha = 0.
    """

    alpha_i: np.ndarray
    alpha_j: np.ndarray
    alpha_k: np.ndarray
    volume: np.ndarray
    sea: np.ndarray
    topology: Topology
    steps: int = STEPS

    def __post_init__(self) -> None:
        nz, ny, nx = self.volume.shape
        wanted = {
            "alpha_i": (nz, ny + 1, nx),
            "alpha_j": (nz, ny, nx),
            "alpha_k": (nz + 1, ny, nx),
            "sea": (nz, ny, nx),
        }
        for name, shape in wanted.items():
            if (found := getattr(self, name).shape) != shape:
                raise Refusal(f"shapes do not fit: {name} {found} where volume {self.volume.shape} asks for {shape}")
        if self.steps < 2 or self.steps % 2:
            raise ValueError(f"the number of diffusion steps must be even and positive, not {self.steps}")

    def level(self, k: int) -> Diffusion:
        """The horizontal operator of one level, with W + D_h in m3."""
        return Diffusion(self.alpha_i[k], self.alpha_j[k], self.volume[k], self.sea[k], self.topology, self.steps)

    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """A_v as tridiagonal matrices: diagonal (nz, ny, nx), and the elements (nz - 1, ny, nx) that couple level k to
        k + 1, which are negative or zero. Rock is not coupled, and has the diagonal 1."""
        diagonal = 1 + (self.alpha_k[:-1] + self.alpha_k[1:]) / self.volume
        return diagonal, -self.alpha_k[1:-1] / np.sqrt(self.volume[:-1] * self.volume[1:])

    def matrix(self, part: str = "both") -> sparse.csc_array:
        """A over the sea cells, level by level and in each row by row; of part "horizontal" A_h, of "vertical" A_v."""
        volume = self.volume[self.sea]
        total = sparse.diags_array(volume)
        if part in ("both", "horizontal"):
            total = sparse.block_diag([self.level(k).matrix()[0] for k in range(len(self.sea)) if self.sea[k].any()])
        if part in ("both", "vertical"):
            total = total + self._vertical()
        root = sparse.diags_array(1 / np.sqrt(volume))
        return sparse.csc_array(root @ total @ root)

    def _vertical(self) -> sparse.csc_array:
        """D_v over the sea cells, m3."""
        number = np.cumsum(self.sea.ravel()).reshape(self.sea.shape) - 1
        joined = self.alpha_k[1:-1] > 0
        alpha, above, below = self.alpha_k[1:-1][joined], number[:-1][joined], number[1:][joined]
        size = int(self.sea.sum())
        rows, columns = np.concatenate([above, below, above, below]), np.concatenate([above, below, below, above])
        return sparse.coo_array((np.concatenate([alpha, alpha, -alpha, -alpha]), (rows, columns)), (size, size)).tocsc()


def from_levels(
    levels: list[Diffusion], area: np.ndarray, thickness: np.ndarray, sea: np.ndarray, l_v: np.ndarray
) -> Diffusion3D:
    """The operator whose levels have the two-dimensional diffusivities (m2) of `levels`, which know no bottom.

    area (ny, nx) m2; thickness e3 (nz, ny, nx) m, also in rock; sea (nz, ny, nx) bool; l_v (nz + 1, ny, nx) m on top
    faces. Side faces are as high as the thinner cell; the distance e3w between two centres is the mean of their e3.
    """
    topology, steps = levels[0].topology, levels[0].steps
    beside = pad_cells(thickness, 1, topology, "nearest")
    south = np.minimum(beside[:, :-1, 1:-1], beside[:, 1:, 1:-1])
    west = np.minimum(beside[:, 1:-1, :-2], beside[:, 1:-1, 1:-1])
    pairs = list(zip(levels, [open_faces(each, topology) for each in sea], strict=True))
    alpha_k = np.zeros((len(sea) + 1, *area.shape))
    e3w = (thickness[:-1] + thickness[1:]) / 2
    alpha_k[1:-1] = np.where(sea[:-1] & sea[1:], l_v[1:-1] ** 2 * area / e3w, 0.0)
    return Diffusion3D(
        alpha_i=south * np.stack([np.where(is_open, one.alpha_i, 0.0) for one, (is_open, _) in pairs]),
        alpha_j=west * np.stack([np.where(is_open, one.alpha_j, 0.0) for one, (_, is_open) in pairs]),
        alpha_k=alpha_k,
        volume=area * thickness,
        sea=sea,
        topology=topology,
        steps=steps,
    )
