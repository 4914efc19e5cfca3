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

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse, special
from scipy.linalg import get_lapack_funcs

from dlgd.core.errors import Refusal
from dlgd.physics import edges

LANES = 64  # Diracs that are carried back together
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

    def _energy(self, cells: np.ndarray, among: np.ndarray) -> np.ndarray:
        """F_pp (c,) of wet cells (by number), from the wet cells `among` alone, whole columns in order."""
        volume, diagonal, beside = (each[among] for each in self._columns)
        pttrf, pttrs = get_lapack_funcs(("pttrf", "pttrs"), (volume,))
        *factors, info = pttrf(diagonal, beside[:-1])
        assert info == 0, "a diffusion operator is positive definite"
        tendency = self._tendency[among][:, among]
        x = np.zeros((len(among), len(cells)), order="F")
        x[np.searchsorted(among, cells), np.arange(len(cells))] = 1
        later = np.zeros_like(x)
        for n in reversed(range(self.steps)):
            now, _ = pttrs(*factors, x)
            now *= volume[:, None]
            b = 0.5 + self.ab_eps if n else 0.0
            later *= -(0.5 + self.ab_eps)  # of G(x_n), in the step after
            later += (1 + b) * now
            x = np.asfortranarray(now + tendency @ later)
            later = now
        wet = (self.volume > 0).T
        return self.variance.T[wet][among] @ x**2

    def gamma(self) -> np.ndarray:
        """The coefficients (nz, n), NaN in rock."""
        energy = np.full(int((self._number >= 0).sum()), np.nan)
        for columns, around in self._tiles():
            among = self._cells(around)
            mine = self._cells(columns)
            for first in range(0, len(mine), LANES):
                some = mine[first : first + LANES]
                energy[some] = self._energy(some, among)
        return np.where(self._number >= 0, energy[self._number] ** -0.5, np.nan)

    def brute_force(self, cells: np.ndarray) -> np.ndarray:
        """gamma (c,) at wet cells (c, 2), level and column, from all cells of the grid."""
        everything = np.arange(int((self._number >= 0).sum()))
        numbers = self._number[tuple(cells.T)]
        parts = [self._energy(numbers[i : i + LANES], everything) for i in range(0, len(cells), LANES)]
        return np.concatenate([np.empty(0), *parts]) ** -0.5

    def _cells(self, columns: np.ndarray) -> np.ndarray:
        """The numbers of the wet cells of some columns, in order."""
        numbers = self._number[:, np.sort(columns)].T
        return numbers[numbers >= 0]

    def _tiles(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Columns that are near to one another, and all the columns that their Diracs may reach."""
        nx = self.shape[1]
        wet = (self.volume > 0).any(axis=0)
        open_edges = (self.conductance > 0).any(axis=0)
        pairs = self.one[open_edges], self.other[open_edges]
        size = len(wet)
        ones = np.ones(2 * len(pairs[0]), bool)
        ends = np.concatenate(pairs), np.concatenate(pairs[::-1])
        near = sparse.csr_array(sparse.coo_array((ones, ends), shape=(size, size)))
        most = self._leaving.max(axis=0)
        tile = np.arange(size) // nx // TILE * nx + np.arange(size) % nx // TILE
        for one in np.unique(tile[wet]):
            columns = np.flatnonzero(wet & (tile == one))
            reached = np.zeros(size, bool)
            reached[columns] = True
            rings, fastest = 0, most[columns].max()
            while rings < _reach(float(fastest), self.steps):
                grown = reached | (near @ reached)
                if (grown == reached).all():
                    break
                reached, rings = grown, rings + 1
                fastest = max(fastest, most[reached].max())
            yield columns, np.flatnonzero(reached)


def _reach(leaving: float, steps: int) -> int:
    """Cells each way, from beyond which less than LEFT_OUT of a Dirac comes back in so many steps that move a share
    `leaving` of each cell's content to its neighbours."""
    spread = leaving * steps / 2  # along one axis: the heat kernel exp(-2 t) I_d(2 t) of cells at the time t
    distance = np.arange(2, 2 * steps + 4, 2)
    small = special.ive(distance, 2 * spread) < LEFT_OUT
    return min(steps, int(np.argmax(small)) + 1) if small.any() else steps
