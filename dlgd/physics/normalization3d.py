"""Normalization coefficients gamma = 1 / sqrt(diag F) in three dimensions; see `diffusion3d` for F, A, A_h, A_v and M.

Where vertical diffusion stands outermost, a Dirac spreads within its column first, and levels do not mix afterwards:

    V F_pp = sum over k1 of (A_v^-M/2)[k, k1]^2 (A_h^-M)[x, x; level k1]          p = (x, level k)

so that the exact coefficients follow from the two-dimensional ones of every level, by a sum over the column. The usual
product of gamma_h and gamma_v takes the two-dimensional variance of the cell's own level out of the sum: it is exact
where all levels have the same one, over a flat bottom.

All functions return gamma (nz, ny, nx) in m^(3/2), float64, NaN in rock.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse, special
from scipy.linalg import get_lapack_funcs
from scipy.sparse.linalg import splu

from dlgd.core.errors import Refusal
from dlgd.core.threads import share
from dlgd.physics import normalization, separable, stencil
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.diffusion3d import Diffusion3D
from dlgd.physics.halo import pad_west_faces

COLUMNS = 64  # solved together: 31 levels of them stay in the cache of a core
VECTORS = 16  # random fields that are treated together


def level_energies(operator: Diffusion3D, gamma: Callable[[Diffusion], np.ndarray]) -> np.ndarray:
    """V F_pp = (A_h^-M)_pp (nz, ny, nx) of the horizontal operators, dimensionless, 1 in rock.

    gamma: any method for two dimensions, such as `normalization.exact` or `separable.separable`.
    """
    energy = np.ones(operator.sea.shape)
    for k, sea in enumerate(operator.sea):
        if sea.any():
            energy[k][sea] = operator.volume[k][sea] / gamma(operator.level(k))[sea] ** 2
    return energy


def column_sums(operator: Diffusion3D, energy: np.ndarray) -> np.ndarray:
    """The sum over k1 of (A_v^-M/2)[k, k1]^2 energy[k1] (nz, ny, nx), for an energy (nz, ny, nx) of every level."""
    diagonal, coupling = (each.reshape(len(each), energy[0].size) for each in operator.columns())
    total = tridiagonal_sums(diagonal, coupling, energy.reshape(len(energy), -1), operator.steps // 2)
    return total.reshape(energy.shape)


def tridiagonal_sums(diagonal: np.ndarray, coupling: np.ndarray, energy: np.ndarray, power: int) -> np.ndarray:
    """The sum over k1 of (A^-power)[k, k1]^2 energy[k1] (nz, n), of positive definite tridiagonal A for n columns.

    diagonal, energy (nz, n), coupling (nz - 1, n), the elements beside the diagonal. `power` solves (LAPACK's pttrf and
    pttrs) of one right-hand side for each level, a Dirac in every column.
    """
    nz = len(energy)
    pttrf, pttrs = get_lapack_funcs(("pttrf", "pttrs"), (diagonal,))
    by_column = energy.T
    total = np.empty(by_column.shape)

    def some(first: int, last: int) -> None:
        for block in range(first, last):
            these = slice(block * COLUMNS, min((block + 1) * COLUMNS, len(total)))
            d = diagonal[:, these].T.ravel()  # one matrix, column after column, without coupling between them
            e = np.pad(coupling[:, these].T, ((0, 0), (0, 1))).ravel()[:-1]
            *factors, info = pttrf(d, e)
            assert info == 0, "a diffusion operator is positive definite"
            response = np.asfortranarray(np.tile(np.eye(nz), (these.stop - these.start, 1)))
            for _ in range(power):
                response, _ = pttrs(*factors, response, overwrite_b=True)
            squares = response.reshape(-1, nz, nz) ** 2  # column, level, level of the Dirac
            total[these] = np.einsum("xik,xi->xk", squares, by_column[these])

    share(some, -(-len(total) // COLUMNS))
    return total.T


def from_energy(operator: Diffusion3D, energy: np.ndarray) -> np.ndarray:
    """gamma of V F_pp (nz, ny, nx)."""
    return np.sqrt(operator.volume / np.where(operator.sea, energy, np.nan))


def vertical_outermost(operator: Diffusion3D, gamma: Callable[[Diffusion], np.ndarray]) -> np.ndarray:
    """gamma of the form "vertical_outermost", as exact as the two-dimensional method; see `level_energies`."""
    return from_energy(operator, column_sums(operator, level_energies(operator, gamma)))


def usual_product(operator: Diffusion3D, gamma: Callable[[Diffusion], np.ndarray]) -> np.ndarray:
    """gamma_h gamma_v: the two-dimensional coefficient of the cell's level times that of its column.

    As ocean data assimilation uses it (JEDI's block `diffusion`, for instance).
    """
    return from_energy(operator, level_energies(operator, gamma) * column_sums(operator, np.ones(operator.sea.shape)))


# --- homogeneous closed forms ---------------------------------------------------------------------------------


def homogeneous_energy(r_i: np.ndarray, r_j: np.ndarray, r_k: np.ndarray, steps: int) -> np.ndarray:
    """V F_pp of the implicit form on an unbounded uniform grid with r = alpha / V in three directions, any shape.

    (2 pi)^-3 int (1 + 4 sum r sin^2(k/2))^-M dk, as a mean over the times t of the Gamma distribution of shape M, of
    the probabilities of return exp(-2 r t) I_0(2 r t) of the three directions; see `separable`. Relative error below
    1e-3 for length scales up to 3 cells.
    """
    nodes, weights = separable.times(steps)
    total = np.zeros(np.broadcast_shapes(*(np.shape(r) for r in (r_i, r_j, r_k))))
    for t, weight in zip(nodes, weights, strict=True):
        total += weight * special.ive(0, 2 * r_i * t) * special.ive(0, 2 * r_j * t) * special.ive(0, 2 * r_k * t)
    return total


def ratios(operator: Diffusion3D) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """alpha / V (nz, ny, nx) along columns of the plane, along its rows and vertically, the means over two faces."""
    east = np.stack([pad_west_faces(each, 0, operator.topology)[:, 1:] for each in operator.alpha_j])
    r_i = (operator.alpha_i[:, :-1] + operator.alpha_i[:, 1:]) / 2 / operator.volume
    r_j = (operator.alpha_j + east) / 2 / operator.volume
    return r_i, r_j, (operator.columns()[0] - 1) / 2


def homogeneous(operator: Diffusion3D, form: str = "vertical_outermost") -> np.ndarray:
    """gamma as if the grid were uniform, with each cell's diffusivities everywhere; both products are then the same."""
    r_i, r_j, r_k = (r[operator.sea] for r in ratios(operator))
    if form == "implicit":
        found = homogeneous_energy(r_i, r_j, r_k, operator.steps)
    else:
        zero = np.zeros_like(r_k)
        found = normalization.homogeneous_energy(r_i, r_j, operator.steps)
        found = found * normalization.homogeneous_energy(zero, r_k, operator.steps)
    energy = np.ones(operator.sea.shape)
    energy[operator.sea] = found
    return from_energy(operator, energy)


def returns(operator: Diffusion3D) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of return along columns of the plane, along its rows and vertically, (nz, ny, nx, TIMES) each; see
    `separable`. Vertical ones are of eigenvectors, since thin cells at the bottom make the spectrum wide."""
    planes = [separable.returns(operator.level(k)) for k in range(len(operator.sea))]
    diagonal, coupling = (np.moveaxis(each, 0, -1) for each in operator.columns())
    columns = np.zeros((*diagonal.shape, len(operator.sea)))
    k = np.arange(len(operator.sea))
    columns[..., k, k] = diagonal - 1
    columns[..., k[1:], k[:-1]] = coupling  # of symmetric matrices eigh reads the lower part
    values, vectors = np.linalg.eigh(columns)
    decay = np.exp(-values[..., None] * separable.times(operator.steps)[0])
    vertical = np.moveaxis(vectors**2 @ decay, 2, 0)
    return np.stack([i for i, _ in planes]), np.stack([j for _, j in planes]), vertical


def separable_implicit(operator: Diffusion3D) -> np.ndarray:
    """gamma of the form "implicit" as if diffusion along the three directions did not disturb each other."""
    return from_energy(operator, separable.energy(returns(operator), operator.steps))


# --- references: any form -------------------------------------------------------------------------------------


def _order(form: str) -> tuple[str, ...]:
    """The parts of A whose powers A^-M/2 meet a Dirac, in order."""
    orders = {
        "implicit": ("both",),
        "vertical_outermost": ("vertical", "horizontal"),
        "horizontal_outermost": ("horizontal", "vertical"),
    }
    return orders[form]


def brute_force(operator: Diffusion3D, form: str, cells: np.ndarray) -> np.ndarray:
    """gamma (n,) at some sea cells, (n, 3) levels, rows and columns, by M / 2 sparse LU solves with each part of A."""
    number = np.where(operator.sea.ravel(), np.cumsum(operator.sea.ravel()) - 1, -1).reshape(operator.sea.shape)
    chosen = number[tuple(cells.T)]
    if (chosen < 0).any():
        raise ValueError("brute force was asked for cells in rock")
    factors = [splu(operator.matrix(part)) for part in _order(form)]
    energy = np.empty(len(chosen))
    for place, one in enumerate(chosen):
        v = np.zeros(int(operator.sea.sum()))
        v[one] = 1
        for factor in factors:
            for _ in range(operator.steps // 2):
                v = factor.solve(v)
        energy[place] = v @ v
    return np.sqrt(operator.volume[tuple(cells.T)] / energy)


def probing(operator: Diffusion3D, *, reach: float = 22.0, tolerance: float = 1e-4) -> np.ndarray:
    """gamma of the form "implicit": many Diracs in one right-hand side, far enough apart, and a polynomial for A^-M.

    The diagonal is read where the Diracs stand (Tang and Saad 2012, Numer. Linear Algebra Appl. 19, 485-501); they have
    random signs. reach: their distance in length scales, the longest of each direction (measured, M = 10, errors of
    gamma^2: 14 to 20: 1e-2; 20 to 24: 2e-4). tolerance: of the polynomial, relative to gamma^2. Refuses a grid with a
    north fold, across which Diracs would meet.
    """
    if operator.topology.south_north == "fold":
        raise Refusal(
            "probing in three dimensions serves no grid with a north fold: use a product of the two directions"
        )
    nz, ny, nx = operator.sea.shape
    r = [each[operator.sea].max() for each in ratios(operator)]
    distance = [int(np.ceil(reach * np.sqrt(each))) for each in (r[2], r[0], r[1])]
    closed = operator.topology.south_north == "closed", operator.topology.west_east == "closed"
    classes = np.meshgrid(
        _classes(nz, distance[0], closed=True),
        *(_classes(n, d, closed=c) for n, d, c in zip((ny, nx), distance[1:], closed, strict=True)),
        indexing="ij",
    )
    _, number = np.unique(np.stack([c[operator.sea] for c in classes]), axis=1, return_inverse=True)
    least = float(homogeneous_energy(r[0], r[1], r[2], operator.steps))
    power = _Power(operator, "both", operator.steps, tolerance * least)
    sign = np.random.default_rng(0).choice([-1.0, 1.0], len(number))
    found = np.empty(len(number))
    for first in range(0, int(number.max()) + 1, VECTORS):
        lane = number - first
        here = np.flatnonzero((lane >= 0) & (lane < VECTORS))
        diracs = np.zeros((len(number), VECTORS))
        diracs[here, lane[here]] = sign[here]
        found[here] = sign[here] * power(diracs)[here, lane[here]]
    energy = np.ones(operator.sea.shape)
    energy[operator.sea] = found
    return from_energy(operator, energy)


def _classes(cells: int, distance: int, *, closed: bool) -> np.ndarray:
    """The class (cells,) of each place along an axis: places of one class are at least `distance` apart, around a
    periodic axis too."""
    if closed:
        return np.arange(cells) % distance
    ends = np.arange(max(1, cells // distance) + 1) * cells // max(1, cells // distance)
    return np.arange(cells) - np.repeat(ends[:-1], np.diff(ends))


def randomization(operator: Diffusion3D, form: str, vectors: int, rng: np.random.Generator) -> np.ndarray:
    """gamma from the variance of random fields F^1/2 z, z ~ N(0, I); error of gamma^2 about sqrt(2 / vectors).

    The solver's own error, 1e-3, is far below.
    """
    if vectors < 1:
        raise ValueError(f"randomization needs at least one vector, not {vectors}")
    half = operator.steps // 2
    parts = [_Columns(operator, half) if part == "vertical" else _Power(operator, part, half, 1e-3)
             for part in reversed(_order(form))]  # fmt: skip
    total = np.zeros(int(operator.sea.sum()))
    for first in range(0, vectors, VECTORS):
        x = rng.standard_normal((len(total), min(VECTORS, vectors - first)), dtype=np.float32)
        for part in parts:
            x = part(x)
        total += np.einsum("pv,pv->p", x, x)
    energy = np.ones(operator.sea.shape)
    energy[operator.sea] = total / vectors
    return from_energy(operator, energy)


class _Columns:
    """A_v^-power, exact, on fields (cell, vector) over the sea cells."""

    def __init__(self, operator: Diffusion3D, power: int) -> None:
        self._factors, self._power = splu(operator.matrix("vertical")), power

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """As many solves as the power says."""
        x = x.astype(np.float64)
        for _ in range(self._power):
            x = self._factors.solve(x)
        return x


class _Power:
    """A^-power by a Chebyshev polynomial of a part of A, on fields (cell, vector) over the sea cells.

    tolerance: of x^-power on the spectrum, absolute. float32 where rounding does not matter.
    """

    def __init__(self, operator: Diffusion3D, part: str, power: int, tolerance: float) -> None:
        a = operator.matrix(part)
        bound = float(2 * a.diagonal().max() - 1)  # Gershgorin, of W^-1 (W + D), which has the same spectrum
        self._series = stencil.chebyshev_coefficients(power, bound, tolerance)
        dtype = np.float32 if tolerance >= normalization.SINGLE_PRECISION_FROM else np.float64
        unit = sparse.eye_array(int(operator.sea.sum()))
        self._mapped = sparse.csr_array((2 * a - (bound + 1) * unit) / (bound - 1)).astype(dtype)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Clenshaw's recurrence."""
        x = x.astype(self._mapped.dtype)
        older, newer = np.zeros_like(x), np.zeros_like(x)
        for k in range(len(self._series) - 1, -1, -1):
            product = self._mapped @ newer
            product *= 2 if k else 1
            product -= older
            product += self._series[k] * x
            older, newer = newer, product
        return newer
