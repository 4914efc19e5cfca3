"""The Chebyshev polynomial of the diffusion stencil, compiled for the CPU (numba) or batched on a device (torch).

p(A) x ~ A^-m x by Clenshaw's recurrence, b_k = c_k x + 2 S b_(k+1) - b_(k+2), where S is A mapped to
[-1, 1]: only stencil products, two arrays, updated in place.

Each compiled function is whole: all that it calls becomes part of it. One with numba's parallel=True, or one that calls
another, is optimized once more when it is stored, and then loaded code gives other numbers than what was compiled.
Threads share the tiles instead, each of which is computed alone. Of fast mathematics only contractions to fused
multiply-adds, so sums have the order in which they are written.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.polynomial import chebyshev

from dlgd.core.threads import share

LANES = 16  # right-hand sides treated together, innermost in memory: one coefficient serves them all


def chebyshev_coefficients(power: int, bound: float, tolerance: float) -> np.ndarray:
    """Chebyshev coefficients on [1, bound] of x^-power, max error below tolerance (absolute; x^-power <= 1).

    The shortest series whose neglected coefficients, which bound the error, add up to less than the tolerance.
    """
    bound = max(bound, 1 + 1e-6)
    degree = max(200, int(40 * np.sqrt(bound)))  # coefficients fall like exp(-2 k / sqrt(bound)): down to rounding

    def values(t: np.ndarray) -> np.ndarray:
        return (1 + (bound - 1) * (t + 1) / 2) ** float(-power)

    # NumPy's annotation wants one number from a function of many
    series = chebyshev.chebinterpolate(values, degree)  # pyright: ignore[reportArgumentType, reportCallIssue]
    neglected = np.cumsum(np.abs(series[::-1]))[::-1]
    enough = int(np.argmax(neglected < tolerance)) if neglected[-1] < tolerance else len(series)
    return series[: max(enough, 2)]


@numba.njit(fastmath={"contract"}, inline="always")
def _clenshaw_step(older, newer, local, area, factor):
    """older <- factor (S newer) - older, in place; arrays (rows + 2, columns + 2, LANES) with a boundary of zeros.

    area: first and last row (exclusive), first and last column of the cells to update.
    """
    centre, south, west = local
    one, two = np.uintp(1), np.uintp(2)  # without a sign, so that no index is looked at for being negative
    for y in range(np.uintp(area[0]), np.uintp(area[1])):
        for x in range(np.uintp(area[2]), np.uintp(area[3])):
            c = factor * centre[y, x]
            s = -factor * south[y, x]
            n = -factor * south[y + one, x]
            w = -factor * west[y, x]
            e = -factor * west[y, x + one]
            for k in range(LANES):  # south first: of two products that are added, the compiler fuses the first
                older[y + one, x + one, k] = (
                    s * newer[y, x + one, k]
                    + c * newer[y + one, x + one, k]
                    + n * newer[y + two, x + one, k]
                    + w * newer[y + one, x, k]
                    + e * newer[y + one, x + two, k]
                    - older[y + one, x + one, k]
                )


@numba.njit(fastmath={"contract"}, inline="always")
def _load_tile(stencil, top, left, rows, columns, bound):
    """The part of the stencil under a tile, mapped so that the spectrum [1, bound] becomes [-1, 1].

    What leaves the tile is lost (its boundary stays zero): the halo is wide enough for that not to matter.
    """
    diagonal, south, west = stencil
    scale = diagonal.dtype.type(2 / (bound - 1))
    shift = diagonal.dtype.type((bound + 1) / (bound - 1))
    centre = scale * diagonal[top : top + rows, left : left + columns] - shift
    s_faces = scale * south[top : top + rows + 1, left : left + columns]
    w_faces = scale * west[top : top + rows, left : left + columns + 1]
    return centre, s_faces, w_faces


def probe_tiles(stencil, wanted, padding, tiles, series, series_length, energy):
    """energy[p] = |p(A) e_p|^2 for the wanted cells, tile by tile, a lane for each cell.

    stencil: diagonal (NY, NX), south (NY + 1, NX), west (NY, NX + 1) couplings of A on the grid padded by `padding`.
    wanted, energy (NY - 2 padding, NX - 2 padding). tiles (n, 6 or more) int64: row, column, rows, columns of the tile
    in the grid, at most LANES cells; halo rows, halo columns. series (n, terms + 1): its Chebyshev series, then the
    bound of the spectrum.
    """

    def some(first: int, last: int) -> None:
        _probe_some(first, last, stencil, wanted, padding, tiles, series, series_length, energy)

    share(some, len(tiles))


@numba.njit(fastmath={"contract"}, cache=True, nogil=True)
def _probe_some(begin, end, stencil, wanted, padding, tiles, series, series_length, energy):
    """Do what `probe_tiles` does for the tiles begin, ..., end - 1."""
    dtype = stencil[0].dtype
    zero = dtype.type(0)
    of_row, total = np.zeros(LANES, dtype), np.zeros(LANES)
    for t in range(begin, end):
        y0, x0, ny, nx, hy, hx = tiles[t, :6]
        rows, columns = ny + 2 * hy, nx + 2 * hx
        local = _load_tile(stencil, y0 - hy + padding, x0 - hx + padding, rows, columns, series[t, -1])
        older = np.zeros((rows + 2, columns + 2, LANES), dtype)
        newer = np.zeros((rows + 2, columns + 2, LANES), dtype)
        for k in range(series_length[t] - 1, -1, -1):
            reach = series_length[t] - 1 - k  # a product carries a Dirac one cell farther
            area = (max(hy - reach, 0), min(hy + ny + reach, rows), max(hx - reach, 0), min(hx + nx + reach, columns))
            # the last step of Clenshaw's recurrence takes the product once
            _clenshaw_step(older, newer, local, area, dtype.type(2 if k else 1))
            coefficient = dtype.type(series[t, k])
            for lane in range(ny * nx):
                older[lane // nx + hy + 1, lane % nx + hx + 1, lane] += coefficient
            older, newer = newer, older
        total[:] = 0.0
        for y in range(rows):
            of_row[:] = zero
            for x in range(columns):
                for k in range(LANES):
                    of_row[k] += newer[y + 1, x + 1, k] ** 2
            for k in range(LANES):
                total[k] += of_row[k]
        for lane in range(ny * nx):
            y, x = y0 + lane // nx, x0 + lane % nx
            if wanted[y, x]:
                energy[y, x] = total[lane]


def add_random_energy(stencil, noise, padding, tiles, series, series_length, energy):
    """energy[p] += sum over the lanes of (p(A) z)_p^2 for noise z (NY, NX, LANES); see `probe_tiles`."""

    def some(first: int, last: int) -> None:
        _add_some(first, last, stencil, noise, padding, tiles, series, series_length, energy)

    share(some, len(tiles))


@numba.njit(fastmath={"contract"}, cache=True, nogil=True)
def _add_some(begin, end, stencil, noise, padding, tiles, series, series_length, energy):
    """Do what `add_random_energy` does for the tiles begin, ..., end - 1."""
    dtype = stencil[0].dtype
    for t in range(begin, end):
        y0, x0, ny, nx, hy, hx = tiles[t, :6]
        rows, columns = ny + 2 * hy, nx + 2 * hx
        top, left = y0 - hy + padding, x0 - hx + padding
        local = _load_tile(stencil, top, left, rows, columns, series[t, -1])
        older = np.zeros((rows + 2, columns + 2, LANES), dtype)
        newer = np.zeros((rows + 2, columns + 2, LANES), dtype)
        for k in range(series_length[t] - 1, -1, -1):
            _clenshaw_step(older, newer, local, (0, rows, 0, columns), dtype.type(2 if k else 1))
            coefficient = dtype.type(series[t, k])
            for y in range(rows):
                for x in range(columns):
                    for lane in range(LANES):
                        older[y + 1, x + 1, lane] += coefficient * noise[top + y, left + x, lane]
            older, newer = newer, older
        for y in range(ny):
            for x in range(nx):
                total = 0.0
                for lane in range(LANES):
                    total += newer[y + hy + 1, x + hx + 1, lane] ** 2
                energy[y0 + y, x0 + x] += total
