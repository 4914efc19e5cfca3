"""gamma in closed form where length scales change: each line's probability of return, averaged over the lines that a
returning walk visits.

`separable` reads the probability of return along a row in the cell's own row. A walk that comes back after a time t has
meanwhile wandered to other rows: along its column it is a Brownian bridge, which spends its time around the cell with the
mean variance t r / 3, a sixth of that of the free walk (r is the coupling over the area; Revuz and Yor 1999, Continuous
Martingales and Brownian Motion, I.3). To first order in the changes across rows, the logarithm of the probability is its mean
over these places, and likewise for columns. Two implicit steps of diffusion along the line take this mean: their kernel has
the variance of a bridge's places and nearly its shape (kurtosis 4.5, 3.6 of a bridge; one step has 6).
"""

from __future__ import annotations

import numba
import numpy as np

from dlgd.core.threads import share
from dlgd.physics import separable
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.halo import pad_cells, pad_south_faces, pad_west_faces

SHARE = 1 / 6  # of the variance of the free walk
IMPLICIT_STEPS = 2
# The mean is taken of this power: of -2 where a walk visits all places (diffusivities add), of 1 where it stays at one.
# Measured on data=latlon between -1 and 0 (logarithm), and the same for both directions.
POWER = -0.5


@numba.njit(fastmath=True, cache=True, nogil=True)
def _smooth(
    begin: int, end: int, coupling: np.ndarray, area: np.ndarray, times: np.ndarray, values: np.ndarray
) -> None:
    """values[line, :, time] <- (1 + time W^-1 D)^-1 values, D tridiagonal along each line; coupling[k] joins cells k - 1
    and k. For the lines begin, ..., end - 1; the algorithm of Thomas, all times at once."""
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
    """Means over the places of bridges along each line, (lines, cells, TIMES) in and out; alpha (lines, cells + 1) joins
    neighbours, and is closed at both ends of a line. steps: M."""
    coupling = np.ascontiguousarray(alpha)
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


def averaged(
    operator: Diffusion, returns: tuple[np.ndarray, np.ndarray], halo: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `separable.returns` gave, those of columns averaged along rows and those of rows along columns.

    halo: `separable.reach` of the grid whose part the operator is; None: its own.
    """
    halo = separable.reach(operator) if halo is None else halo
    topology, inner = operator.topology, np.s_[halo:-halo]

    def padded(values: np.ndarray) -> np.ndarray:
        return np.moveaxis(pad_cells(np.moveaxis(values, -1, 0), halo, topology, "nearest"), 0, -1)

    area = pad_cells(operator.area, halo, topology, "nearest")
    south, west = pad_south_faces(operator.alpha_i, halo, topology), pad_west_faces(operator.alpha_j, halo, topology)
    columns, rows = (padded(each) for each in returns)
    columns = along_lines(columns[inner], west[inner], area[inner], operator.steps)[:, inner]
    rows = along_lines(rows[:, inner].swapaxes(0, 1), south[:, inner].T, area[:, inner].T.copy(), operator.steps)
    return columns, rows.swapaxes(0, 1)[inner]


def energy(operator: Diffusion, halo: int | None = None) -> np.ndarray:
    """w F_pp (ny, nx), dimensionless, 1 on land. halo: as of `averaged`."""
    return separable.energy(averaged(operator, separable.returns(operator, halo), halo), operator.steps)


def bridged(operator: Diffusion) -> np.ndarray:
    """gamma (ny, nx) in m, float64, NaN on land."""
    halo = reach(operator)
    return operator.in_windows(lambda one: np.sqrt(one.area / energy(one, halo // 2)), halo)
