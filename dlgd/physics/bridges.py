"""gamma in closed form where length scales change: each line's probability of return, averaged over the lines that a
returning walk visits.

`separable` reads the probability of return along a row in the cell's own row. But a walk that comes back after a time t
has meanwhile wandered to other rows: along its column it is a Brownian bridge, which spends its time around the cell
with the mean variance t r / 3, a sixth of that of a free walk (the mean of u (1 - u) for u in [0, 1]; r is the coupling
over the area). To first order in the changes across rows, the logarithm of the probability is its mean over these
places (perturbation of the heat kernel, Duhamel's formula), and likewise for columns. Two implicit steps of diffusion
along the line take this mean: their kernel has the variance of a bridge's places and nearly its shape (kurtosis 4.5,
3.6 of a bridge; one step has 6).
"""

from __future__ import annotations

import numba
import numpy as np

from dlgd.core.threads import share
from dlgd.physics import normalization3d, separable
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.diffusion3d import Diffusion3D
from dlgd.physics.halo import Topology, Window, pad_cells, pad_south_faces, pad_west_faces

SHARE = 1 / 6  # of the variance of the free walk
IMPLICIT_STEPS = 2
LINES = 128  # of a grid that are averaged at once: ten numbers per cell and around it take memory
# The mean is taken of this power: of -2 where a walk visits all places (diffusivities add), of 1 where it stays at one.
# Measured on data=latlon between -1 and 0 (logarithm), and the same for both directions.
POWER = -0.5


@numba.njit(fastmath=True, cache=True, nogil=True)
def _smooth(
    begin: int, end: int, coupling: np.ndarray, area: np.ndarray, times: np.ndarray, values: np.ndarray
) -> None:
    """values[line, :, time] <- (1 + time W^-1 D)^-1 values, D tridiagonal along each line, for begin <= line < end.

    coupling[line, k] joins k - 1 and k. The algorithm of Thomas, all times at once.
    """
    cells = area.shape[1]
    upper = np.zeros((cells, len(times)))
    for line in range(begin, end):
        for n in range(cells):
            before, after, size = coupling[line, n], coupling[line, n + 1], area[line, n]
            for t in range(len(times)):
                lower = -times[t] * before
                pivot = size + times[t] * (before + after)
                known = size * values[line, n, t]
                if n > 0:
                    pivot -= lower * upper[n - 1, t]
                    known -= lower * values[line, n - 1, t]
                upper[n, t] = -times[t] * after / pivot
                values[line, n, t] = known / pivot
        for n in range(cells - 2, -1, -1):
            for t in range(len(times)):
                values[line, n, t] -= upper[n, t] * values[line, n + 1, t]


def along_lines(values: np.ndarray, alpha: np.ndarray, area: np.ndarray, steps: int) -> np.ndarray:
    """Means over the places of bridges along each line, (lines, cells, TIMES) in and out. steps: M.

    alpha (lines, cells + 1) joins neighbours; both ends of a line are closed. area (lines, cells).
    """
    coupling = np.array(alpha, order="C")  # a copy, whose ends are closed
    coupling[:, [0, -1]] = 0
    times = separable.times(steps)[0] * (SHARE / IMPLICIT_STEPS)
    found = np.ascontiguousarray(values**POWER)

    def some(first: int, last: int) -> None:
        for _ in range(IMPLICIT_STEPS):
            _smooth(first, last, coupling, area, times, found)

    share(some, len(found))
    return found ** (1 / POWER)


def reach(operator: Diffusion) -> int:
    """Cells along its row and its column that the form of a cell depends on, at most."""
    return 2 * separable.reach(operator)


def along_rows(operator: Diffusion, values: np.ndarray, halo: int) -> np.ndarray:
    """Means of (ny, nx, TIMES) over the places of bridges along each row; halo: cells that a bridge reaches."""
    inner, topology = np.s_[halo:-halo], operator.topology
    ny, nx = operator.sea.shape
    means = np.empty(values.shape)
    for first in range(0, ny, LINES):
        window = (first, min(first + LINES, ny), 0, nx)
        area = pad_cells(operator.area, halo, topology, "nearest", window)[inner]
        west = pad_west_faces(operator.alpha_j, halo, topology, window)[inner]
        padded = _with_halo(values, halo, topology, window)[inner]
        means[first : first + LINES] = along_lines(padded, west, area, operator.steps)[:, inner]
    return means


def along_columns(operator: Diffusion, values: np.ndarray, halo: int) -> np.ndarray:
    """The same along each column."""
    inner, topology = np.s_[halo:-halo], operator.topology
    ny, nx = operator.sea.shape
    means = np.empty(values.shape)
    for first in range(0, nx, LINES):
        window = (0, ny, first, min(first + LINES, nx))
        area = pad_cells(operator.area, halo, topology, "nearest", window)[:, inner].T.copy()
        south = pad_south_faces(operator.alpha_i, halo, topology, window)[:, inner].T
        padded = _with_halo(values, halo, topology, window)[:, inner].swapaxes(0, 1)
        means[:, first : first + LINES] = along_lines(padded, south, area, operator.steps)[:, inner].swapaxes(0, 1)
    return means


def _with_halo(values: np.ndarray, halo: int, topology: Topology, window: Window) -> np.ndarray:
    """(ny, nx, TIMES) of a window and around it, padded in the first two axes."""
    return np.moveaxis(pad_cells(np.moveaxis(values, -1, 0), halo, topology, "nearest", window), 0, -1)


def averaged(
    operator: Diffusion, returns: tuple[np.ndarray, np.ndarray], halo: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `separable.returns` gave, those of columns averaged along rows and those of rows along columns.

    halo: `separable.reach` of the grid whose part the operator is; None: its own.
    """
    halo = separable.reach(operator) if halo is None else halo
    return along_rows(operator, returns[0], halo), along_columns(operator, returns[1], halo)


def averaged_in_volumes(operator: Diffusion3D, returns: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Return what `normalization3d.returns` gave, each averaged over the lines of both other directions."""
    found = [each.copy() for each in returns]
    for k in range(len(operator.sea)):
        level = operator.level(k)
        halo = separable.reach(level)
        found[0][k] = along_rows(level, found[0][k], halo)
        found[1][k] = along_columns(level, found[1][k], halo)
        found[2][k] = along_columns(level, along_rows(level, found[2][k], halo), halo)
    nz, cells = len(operator.sea), operator.sea[0].size
    top = operator.alpha_k.reshape(nz + 1, cells).T
    volume = operator.volume.reshape(nz, cells).T.copy()
    for direction in (0, 1):
        columns = np.moveaxis(found[direction].reshape(nz, cells, -1), 0, 1)
        columns = along_lines(columns, top, volume, operator.steps)
        found[direction] = np.moveaxis(columns, 1, 0).reshape(returns[direction].shape)
    return tuple(found)


def energy(operator: Diffusion, halo: int | None = None) -> np.ndarray:
    """w F_pp (ny, nx), dimensionless, 1 on land. halo: as of `averaged`."""
    return separable.energy(averaged(operator, separable.returns(operator, halo), halo), operator.steps)


def bridged(operator: Diffusion) -> np.ndarray:
    """gamma (ny, nx) in m, float64, NaN on land."""
    halo = reach(operator)
    return operator.in_windows(lambda one: np.sqrt(one.area / energy(one, halo // 2)), halo)


def bridged_implicit(operator: Diffusion3D) -> np.ndarray:
    """gamma (nz, ny, nx) in m^(3/2) of the form "implicit", float64, NaN in rock."""
    returns = averaged_in_volumes(operator, normalization3d.returns(operator))
    return normalization3d.from_energy(operator, separable.energy(returns, operator.steps))
