"""The correlation operator of MITgcm's package smooth (smooth_diff3D, smooth_diff2D), and its exact coefficients.

With cells of volume V = rA drF hFacC (rA in two dimensions), diffusivities K of unit time steps (m2), horizontal faces
of area S a distance d apart, the horizontal tendency G(x)_p = -(1 / V_p) sum over side faces of (S K / d) (x_p - x_q),
and the vertical exchange D_v between neighbouring levels, rA kappaR / drC, a step n = 0, 1, ... is

    y       = x_n + G(x_n) + b (G(x_n) - G(x_n-1)),  b = 0 at n = 0, then 1/2 + abEps    Adams-Bashforth, explicit
    x_(n+1) = (V + D_v)^-1 V y                                                            implicit, in three dimensions

The square root L takes half of the nbt steps on N(0, I) over the square root of rA drF, without hFacC (of rA in two
dimensions); F = L diag(1 / (rA drF)) L', gamma = F_pp^-1/2. As the two kinds of steps alternate, no sum over columns
serves: each Dirac is carried back through all steps, with those of the cells next to it, in the columns that it
reaches. Cells that it cannot reach within the steps, or only by less than the tolerance, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from scipy import sparse, special
from scipy.linalg import get_lapack_funcs

from dlgd.core.errors import Refusal
from dlgd.core.threads import share
from dlgd.physics import edges

LANES = 16  # Diracs that are carried back together, innermost in memory
TILE = 4  # columns on each side, whose Diracs share the columns around
LEFT_OUT = 1e-13  # of what a Dirac holds may come back from columns that are left out
AB_EPS = 0.01  # MITgcm's abEps unless its namelist says another


@dataclass(frozen=True)
class Smoothing:
    """one, other (e,): columns (of n) that share a face. conductance (nz, e): S K / d, m3 (m2 in two dimensions), 0
    where closed. exchange (nz - 1, n): rA kappaR / drC, m3. volume (nz, n): V, 0 in rock. variance (nz, n):
    1 / (rA drF). steps: nbt / 2. shape: (ny, nx) of the columns.
    """

    one: np.ndarray
    other: np.ndarray
    conductance: np.ndarray
    exchange: np.ndarray
    volume: np.ndarray
    variance: np.ndarray
    steps: int
    shape: tuple[int, int]
    ab_eps: float = AB_EPS

    def __post_init__(self) -> None:
        worst = float(self._leaving.max(initial=0))
        # on the axis of negative numbers, Adams-Bashforth is stable up to 1 / (1 + 2 b) of what leaves twice
        if worst > 1 / (2 + 2 * self.ab_eps):
            least = int(np.ceil(2 * self.steps * worst * (2 + 2 * self.ab_eps)))
            raise Refusal(
                f"with {2 * self.steps} steps, one moves {worst:.2f} of what a cell holds to its neighbours, and "
                f"MITgcm's scheme is unstable: it needs {least} steps"
            )

    @cached_property
    def _number(self) -> np.ndarray:
        """(nz, n): the number of each wet cell, column after column; -1 in rock."""
        wet = (self.volume > 0).T
        return np.where(wet, np.cumsum(wet.ravel()).reshape(wet.shape) - 1, -1).T

    @cached_property
    def _leaving(self) -> np.ndarray:
        """(nz, n): the share of a cell's content that a step of G moves to its neighbours."""
        leaving = np.zeros(self.volume.shape)
        for end in (self.one, self.other):
            for level, conductance in zip(leaving, self.conductance, strict=True):
                np.add.at(level, end, conductance)
        return np.divide(leaving, self.volume, out=np.zeros_like(leaving), where=self.volume > 0)

    @cached_property
    def _tendency(self) -> sparse.csr_array:
        """The transpose of G over the wet cells, column after column."""
        number = self._number
        k, e = np.nonzero(self.conductance)
        one, other = number[k, self.one[e]], number[k, self.other[e]]
        if (one < 0).any() or (other < 0).any():
            raise Refusal("a face of a dry cell is open: hFacW and hFacS must be 0 where hFacC is 0 on either side")
        wet = (self.volume > 0).T
        d = edges.laplacian(one, other, self.conductance[k, e], int(wet.sum()))
        return sparse.csr_array(-d @ sparse.diags_array(1 / self.volume.T[wet]))

    @cached_property
    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """V, and the diagonal and the elements beside it of V + D_v, over the wet cells."""
        wet = (self.volume > 0).T
        exchange = np.where(wet[:, :-1] & wet[:, 1:], self.exchange.T, 0.0)
        below = np.pad(exchange, ((0, 0), (0, 1)))
        diagonal = self.volume.T + below + np.pad(exchange, ((0, 0), (1, 0)))
        # the wet cells of a column follow one another, so that the next wet cell is the one below, or none exchanges
        return self.volume.T[wet], diagonal[wet], -below[wet]

    def gamma(self) -> np.ndarray:
        """The coefficients (nz, n), NaN in rock."""
        energy = np.full(self.volume.shape, np.nan)
        tiles = self._tiles
        factors = _factors(self.volume, self.exchange)

        def some(first: int, last: int) -> None:
            for tile in tiles[first:last]:
                around = self._reached(tile)
                inside = np.full(len(around), -1)
                columns = np.flatnonzero(around)
                inside[columns] = np.arange(len(columns))
                one, other = inside[self.one], inside[self.other]
                joined = (one >= 0) & (other >= 0) & self._open
                levels, place = np.nonzero(self.volume[:, tile] > 0)
                energy[levels, tile[place]] = _carried_back(
                    inside[tile[place]],
                    levels,
                    (one[joined], other[joined], np.ascontiguousarray(self.conductance[:, joined].T)),
                    tuple(np.ascontiguousarray(each[:, columns].T) for each in (*factors, self.volume, self.variance)),
                    self.steps,
                    self.ab_eps,
                )

        share(some, len(tiles))
        return energy**-0.5

    def brute_force(self, cells: np.ndarray) -> np.ndarray:
        """gamma (c,) at wet cells (c, 2), level and column, by sparse matrices of all cells of the grid."""
        numbers = self._number[tuple(cells.T)]
        volume, diagonal, beside = self._columns
        pttrf, pttrs = get_lapack_funcs(("pttrf", "pttrs"), (volume,))
        *factors, info = pttrf(diagonal, beside[:-1])
        assert info == 0, "a diffusion operator is positive definite"
        variance = self.variance.T[(self.volume > 0).T]
        energy = np.empty(len(cells))
        for first in range(0, len(cells), LANES):
            some = numbers[first : first + LANES]
            x = np.zeros((len(volume), len(some)), order="F")
            x[some, np.arange(len(some))] = 1
            later = np.zeros_like(x)
            for n in reversed(range(self.steps)):
                now, _ = pttrs(*factors, x)
                now *= volume[:, None]
                b = 0.5 + self.ab_eps if n else 0.0
                later *= -(0.5 + self.ab_eps)  # of G(x_n), in the step after
                later += (1 + b) * now
                x = np.asfortranarray(now + self._tendency @ later)
                later = now
            energy[first : first + LANES] = variance @ x**2
        return energy**-0.5

    @cached_property
    def _open(self) -> np.ndarray:
        """(e,) bool: edges that are open in any level."""
        return np.asarray(np.any(self.conductance > 0, axis=0))

    @cached_property
    def _near(self) -> sparse.csr_array:
        """(n, n) bool: columns that share an open face."""
        one, other = self.one[self._open], self.other[self._open]
        ends = np.concatenate([one, other]), np.concatenate([other, one])
        size = self.volume.shape[1]
        return sparse.csr_array(sparse.coo_array((np.ones(len(ends[0]), bool), ends), shape=(size, size)))

    @cached_property
    def _tiles(self) -> list[np.ndarray]:
        """Columns that are near to one another, those with water."""
        wet, nx = np.asarray(np.any(self.volume > 0, axis=0)), self.shape[1]
        number = np.arange(len(wet))
        tile = np.where(wet, number // nx // TILE * nx + number % nx // TILE, -1)
        order = np.argsort(tile, kind="stable")[int((~wet).sum()) :]
        return np.split(order, np.flatnonzero(np.diff(tile[order])) + 1) if len(order) else []

    def _reached(self, columns: np.ndarray) -> np.ndarray:
        """(n,) bool: all columns that Diracs in some of them may reach."""
        most = self._leaving.max(axis=0)
        reached = np.zeros(self.volume.shape[1], bool)
        reached[columns] = True
        rings, fastest = 0, most[columns].max()
        while rings < _reach(float(fastest), self.steps):
            grown = reached | (self._near @ reached)
            if (grown == reached).all():
                break
            reached, rings = grown, rings + 1
            fastest = max(fastest, most[reached].max())
        return reached


def _factors(volume: np.ndarray, exchange: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """D (nz, n) and the elements (nz, n) of L below its diagonal of V + D_v = L D L'; 1 and 0 in rock."""
    wet = volume > 0
    between = np.where(wet[:-1] & wet[1:], exchange, 0.0)
    diagonal = np.where(wet, volume, 1.0)
    diagonal[:-1] += between
    diagonal[1:] += between
    below = np.zeros(volume.shape)
    for k, one in enumerate(between):
        below[k] = -one / diagonal[k]
        diagonal[k + 1] += below[k] * one
    return diagonal, below


@numba.njit(fastmath={"contract"}, cache=True, nogil=True)
def _carried_back(
    columns: np.ndarray,
    levels: np.ndarray,
    faces: tuple[np.ndarray, ...],
    window: tuple[np.ndarray, ...],
    steps: int,
    ab_eps: float,
) -> np.ndarray:
    """F_pp (c,) of Diracs at columns, levels (c,), by the columns of a window alone.

    faces: one, other (e,), conductance (e, nz). window: D and L as in `_factors`, V and variance, (columns, nz).
    """
    one, other, conductance = faces
    diagonal, below, volume, variance = window
    width, nz = volume.shape
    shape = (width, nz, LANES)
    x, later, content = np.empty(shape), np.empty(shape), np.empty(shape)
    energy = np.zeros(len(columns))
    beta = 0.5 + ab_eps
    for first in range(0, len(columns), LANES):
        lanes = min(LANES, len(columns) - first)
        x[:], later[:] = 0.0, 0.0
        for lane in range(lanes):
            x[columns[first + lane], levels[first + lane], lane] = 1.0
        for n in range(steps - 1, -1, -1):
            weight = 1.0 + beta if n > 0 else 1.0
            for c in range(width):
                for k in range(1, nz):
                    for lane in range(LANES):
                        x[c, k, lane] -= below[c, k - 1] * x[c, k - 1, lane]
                for k in range(nz):
                    inverse = 1.0 / diagonal[c, k]
                    for lane in range(LANES):
                        x[c, k, lane] *= inverse
                for k in range(nz - 2, -1, -1):
                    for lane in range(LANES):
                        x[c, k, lane] -= below[c, k] * x[c, k + 1, lane]
                for k in range(nz):
                    v = volume[c, k]
                    share_of_later = beta / v if v > 0 else 0.0
                    for lane in range(LANES):
                        solved = x[c, k, lane]
                        content[c, k, lane] = weight * solved - share_of_later * later[c, k, lane]
                        x[c, k, lane] = solved * v
                        later[c, k, lane] = solved * v
            for e in range(len(one)):
                a, b = one[e], other[e]
                for k in range(nz):
                    amount = conductance[e, k]
                    if amount > 0:
                        for lane in range(LANES):
                            flux = amount * (content[a, k, lane] - content[b, k, lane])
                            x[a, k, lane] -= flux
                            x[b, k, lane] += flux
        for c in range(width):
            for k in range(nz):
                for lane in range(lanes):
                    energy[first + lane] += variance[c, k] * x[c, k, lane] ** 2
    return energy


def _reach(leaving: float, steps: int) -> int:
    """Cells each way, from beyond which less than LEFT_OUT of a Dirac comes back in so many steps that move a share
    `leaving` of each cell's content to its neighbours."""
    spread = leaving * steps / 2  # along one axis: the heat kernel exp(-2 t) I_d(2 t) of cells at the time t
    distance = np.arange(2, 2 * steps + 4, 2)
    small = special.ive(distance, 2 * spread) < LEFT_OUT
    return min(steps, int(np.argmax(small)) + 1) if small.any() else steps
