"""gamma in nearly closed form: as if diffusion along rows and along columns did not disturb each other.

A^-M averages heat kernels over a Gamma distribution of times, A = 1 + A_i + A_j (columns and rows):

    A^-M = int_0^inf t^(M-1) e^-t / (M-1)! exp(-t A_i) exp(-t A_j) dt      where A_i and A_j commute

and then the diagonal of exp(-t (A_i + A_j)) is a product of two numbers, each of one line of cells. They do
commute on a uniform grid, at straight coasts, and in channels and rectangular basins along its lines. They do not at
headlands, at islands and where length scales change: there lies the error, which a network can learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce

import numba
import numpy as np
from scipy import ndimage, special

from dlgd.core.threads import share
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.halo import pad_cells, pad_south_faces, pad_west_faces

TIMES = 10  # nodes of the Gauss-Laguerre rule: 1.7e-5 of gamma^2 on uniform grids, where 6 nodes give 2.5e-4
TOLERANCE = 1e-6  # of exp(-t A_i), absolute
STEPS_AT_MOST = 120  # of a series: length scales of about 8 cells


@lru_cache(maxsize=16)
def times(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights (TIMES,) of the mean over the Gamma distribution of shape `steps`."""
    nodes, weights = special.roots_genlaguerre(TIMES, steps - 1)
    return nodes, weights / weights.sum()


@lru_cache(maxsize=1024)
def _series(bound: float, steps: int) -> np.ndarray:
    """Chebyshev coefficients (TIMES, 2 K) of exp(-t x) on [0, bound] (Abramowitz and Stegun 1964, 9.6.34)."""
    z = times(steps)[0][:, None] * bound / 2
    degrees = np.arange(2 * STEPS_AT_MOST)
    series = np.where(degrees == 0, 1, 2) * (-1.0) ** degrees * special.ive(degrees, z)
    neglected = np.abs(series).max(axis=0)[::-1].cumsum()[::-1]
    enough = int(np.argmax(neglected < TOLERANCE)) if neglected[-1] < TOLERANCE else len(degrees)
    return series[:, : enough + enough % 2]


@numba.njit(fastmath=True, cache=True, nogil=True)
def _returns(
    begin: int,
    end: int,
    diagonal: np.ndarray,
    coupling: np.ndarray,
    wanted: np.ndarray,
    kind: np.ndarray,
    series: np.ndarray,
    lengths: np.ndarray,
    bounds: np.ndarray,
    halo: int,
    answer: np.ndarray,
) -> None:
    """answer[line, cell, :] <- [exp(-t A)]_pp, A tridiagonal along each line; coupling[k] joins cells k - 1 and k.

    For the lines begin, ..., end - 1; as in `stencil`, the function is whole and calls no other.

    The moments e_p' T_k(B) e_p of B = 2 A / bound - 1 come two for each product with B, since
    2 T_m T_n = T_(m+n) + T_(m-n); a Dirac spreads by one cell at each.
    """
    for line in range(begin, end):
        older = np.zeros(diagonal.shape[1] + 2)
        newer = np.zeros(diagonal.shape[1] + 2)
        for cell in range(wanted.shape[1]):
            if not wanted[line, cell]:
                continue
            k, p = kind[line, cell], halo + cell
            scale, half = 2 / bounds[k], lengths[k] // 2
            older[p - half : p + half + 3] = 0
            newer[p - half : p + half + 3] = 0
            older[p + 1] = 1  # cell q stands at q + 1: nothing beyond the ends
            newer[p] = -scale * coupling[line, p]
            newer[p + 1] = scale * diagonal[line, p] - 1
            newer[p + 2] = -scale * coupling[line, p + 1]
            first = newer[p + 1]
            for t in range(answer.shape[2]):
                answer[line, cell, t] = series[k, t, 0] + series[k, t, 1] * first
            for n in range(1, half):
                squares, products = 0.0, 0.0
                for q in range(p - n, p + n + 1):
                    squares += newer[q + 1] * newer[q + 1]
                low, high = p - n - 1, p + n + 1
                for q in range(low, high + 1):
                    older[q + 1] = (
                        2
                        * (
                            (scale * diagonal[line, q] - 1) * newer[q + 1]
                            - scale * (coupling[line, q] * newer[q] + coupling[line, q + 1] * newer[q + 2])
                        )
                        - older[q + 1]
                    )
                    products += older[q + 1] * newer[q + 1]
                even, odd = 2 * squares - 1, 2 * products - first
                for t in range(answer.shape[2]):
                    answer[line, cell, t] += series[k, t, 2 * n] * even + series[k, t, 2 * n + 1] * odd
                older, newer = newer, older


def _along_rows(alpha: np.ndarray, area: np.ndarray, wanted: np.ndarray, halo: int, steps: int) -> np.ndarray:
    """(rows, columns, TIMES) of the wanted cells; alpha on west faces, one more than the cells; padded by halo."""
    root = np.sqrt(area)
    coupling = np.zeros_like(alpha)
    coupling[:, 1:-1] = alpha[:, 1:-1] / (root[:, :-1] * root[:, 1:])
    diagonal = (alpha[:, :-1] + alpha[:, 1:]) / area
    # Gershgorin: no eigenvalue of what a Dirac can reach is larger
    bound = ndimage.maximum_filter1d(2 * diagonal, 2 * halo + 1, axis=1, mode="nearest")[:, halo:-halo]
    bound = 2.0 ** (np.ceil(8 * np.log2(np.maximum(bound, 1e-3))) / 8)  # few distinct series
    bounds, kind = np.unique(bound, return_inverse=True)
    table = [_series(float(b), steps) for b in bounds]
    lengths = np.array([series.shape[1] for series in table])
    padded = np.zeros((len(table), TIMES, lengths.max()))
    for row, series in zip(padded, table, strict=True):
        row[:, : series.shape[1]] = series
    answer = np.ones((*wanted.shape, TIMES))
    kind = kind.reshape(wanted.shape)

    def some(first: int, last: int) -> None:
        _returns(first, last, diagonal, coupling, wanted, kind, padded, lengths, bounds, halo, answer)

    share(some, len(wanted))
    return answer


def reach(operator: Diffusion) -> int:
    """Cells along its row and its column that the form of a cell depends on, at most."""
    largest = max((operator.alpha_i[:-1] / operator.area).max(), (operator.alpha_j / operator.area).max())
    return _series(2.0 ** (np.ceil(8 * np.log2(max(8 * largest, 1e-3))) / 8), operator.steps).shape[1] // 2 + 1


def returns(operator: Diffusion, halo: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """[exp(-t A_i)]_pp and [exp(-t A_j)]_pp, (ny, nx, TIMES) each, dimensionless, 1 on land; t as in `times`.

    halo: `reach` of the grid whose part the operator is; None: its own.
    """
    halo = reach(operator) if halo is None else halo
    topology, sea = operator.topology, operator.sea
    inner = np.s_[halo:-halo]
    area = pad_cells(operator.area, halo, topology, "nearest")
    south, west = pad_south_faces(operator.alpha_i, halo, topology), pad_west_faces(operator.alpha_j, halo, topology)
    columns = _along_rows(south[:, inner].T.copy(), area[:, inner].T.copy(), sea.T.copy(), halo, operator.steps)
    rows = _along_rows(west[inner].copy(), area[inner].copy(), sea, halo, operator.steps)
    return columns.transpose(1, 0, 2), rows


def energy(returns: Sequence[np.ndarray], steps: int) -> np.ndarray:
    """w F_pp (ny, nx), dimensionless, from what `returns` gives; with levels (nz, ny, nx) likewise."""
    return reduce(np.multiply, returns) @ times(steps)[1]  # without a copy of all of them


def separable(operator: Diffusion) -> np.ndarray:
    """gamma (ny, nx) in m, float64, NaN on land."""
    halo = reach(operator)
    return operator.in_windows(lambda one: np.sqrt(one.area / energy(returns(one, halo), one.steps)), halo)
