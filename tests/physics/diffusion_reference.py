"""The diffusion operator once more, written otherwise: walking from cell to cell, dense matrices.

Nothing here uses the index arithmetic of `dlgd.physics.halo` or the matrices of `dlgd.physics.diffusion`.
"""

import numpy as np

from dlgd.physics.diffusion import Diffusion, open_faces
from dlgd.physics.halo import Topology

CLOSED = Topology("closed", "closed")
CHANNEL = Topology("periodic", "closed")
TORUS = Topology("periodic", "periodic")
FOLD = Topology("periodic", "fold")
TOPOLOGIES = {"closed": CLOSED, "channel": CHANNEL, "torus": TORUS, "fold": FOLD}


class Walker:
    """Someone who walks over the grid and is turned round by half a turn when crossing the fold."""

    def __init__(self, row, column, shape, topology):
        self.row, self.column, self.shape, self.topology = row, column, shape, topology
        self.turned = False
        self.outside = False  # beyond a closed side, from where nobody returns

    def step(self, north=0, east=0):
        """One cell to the walker's own north or east (or against it, with -1)."""
        ny, nx = self.shape
        turn = -1 if self.turned else 1
        row, column = self.row + turn * north, self.column + turn * east
        if column in (-1, nx):
            self.outside |= self.topology.west_east == "closed"
            column %= nx
        if row == ny and self.topology.south_north == "fold":
            row, column, self.turned = ny - 1, nx - 1 - column, not self.turned
        elif row in (-1, ny):
            self.outside |= self.topology.south_north != "periodic"
            row %= ny
        self.row, self.column = row, column
        return self

    def cell(self, field):
        return field[self.row, self.column]

    def south_face(self, field):
        """The face to the walker's own south."""
        return field[self.row + self.turned, self.column]

    def west_face(self, field):
        return field[self.row, (self.column + self.turned) % self.shape[1]]


def walk(north, east, shape, topology):
    """The walker who went from cell (0, 0) so many cells east, then so many north (negative: west, south)."""
    walker = Walker(0, 0, shape, topology)
    for _ in range(abs(east)):
        walker.step(east=int(np.sign(east)))
    for _ in range(abs(north)):
        walker.step(north=int(np.sign(north)))
    return walker


def dense(operator):
    """W + D over all cells (ny nx, ny nx), from the definition: each face exchanges between its two cells."""
    ny, nx = operator.area.shape
    matrix = np.diag(operator.area.ravel())
    for row in range(ny):
        for column in range(nx):
            own = row * nx + column
            for north, east in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                here = Walker(row, column, (ny, nx), operator.topology)
                there = Walker(row, column, (ny, nx), operator.topology).step(north, east)
                if there.outside:
                    continue
                if north == 1:
                    alpha = operator.alpha_i[row + 1, column]
                elif east == 1:
                    alpha = operator.alpha_j[row, (column + 1) % nx]
                else:
                    alpha = here.south_face(operator.alpha_i) if north else here.west_face(operator.alpha_j)
                matrix[own, own] += alpha
                matrix[own, there.row * nx + there.column] -= alpha
    return matrix


def dense_gamma(operator):
    """gamma (ny, nx) from the inverse of A: diag F = diag(A^-M) / w; NaN on land."""
    root = np.sqrt(operator.area.ravel())
    power = np.linalg.matrix_power(np.linalg.inv(dense(operator) / np.outer(root, root)), operator.steps)
    energy = np.diag(power).reshape(operator.area.shape)
    return np.where(operator.sea, np.sqrt(operator.area / energy), np.nan)


def rough_operator(topology, shape, *, scales, seed, steps=10, land=0.15):
    """An operator with rough random length scales (cells), cell areas that differ by up to a third, and islands."""
    rng = np.random.default_rng(seed)
    ny, nx = shape
    sea = rng.random(shape) > land
    low, high = scales
    area = 1e10 * rng.uniform(0.85, 1.15, shape)
    if topology.south_north == "fold":  # walls: no sea goes round a pole of the fold, where two cells are four
        sea[:, [0, 1, nx // 2 - 1, nx // 2, -1]] = False
    open_i, open_j = open_faces(sea, topology)
    alpha_i = np.where(open_i, 1e10 * rng.uniform(low, high, (ny + 1, nx)) ** 2, 0)
    alpha_j = np.where(open_j, 1e10 * rng.uniform(low, high, shape) ** 2, 0)
    if topology.south_north == "fold":
        alpha_i[-1] = (alpha_i[-1] + alpha_i[-1, ::-1]) / 2
    if topology.south_north == "periodic":
        alpha_i[-1] = alpha_i[0]
    return Diffusion(alpha_i, alpha_j, area, sea, topology, steps)


def even_operator(shape, *, r_i, r_j, steps=10):
    """The same diffusivities everywhere (alpha / w = r) on a doubly periodic plane of cells of 1 m2."""
    ny, nx = shape
    return Diffusion(
        np.full((ny + 1, nx), float(r_i)),
        np.full(shape, float(r_j)),
        np.ones(shape),
        np.ones(shape, bool),
        TORUS,
        steps,
    )


def even_gamma(shape, *, r_i, r_j, steps=10):
    """The exact gamma (m) of `even_operator`: the mean over all waves of the plane of the eigenvalues of F."""
    k, l = (4 * np.sin(np.pi * np.arange(n) / n) ** 2 for n in shape)  # noqa: E741
    return 1 / np.sqrt(np.mean((1 + r_i * k[:, None] + r_j * l) ** float(-steps)))
