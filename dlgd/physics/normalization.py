"""Normalization coefficients gamma = 1 / sqrt(diag F) of a diffusion operator: exact, sampled, in closed form.

All of them return gamma (ny, nx) in m, float64, NaN on land. See `diffusion` for F, A and M. The file is longer than
others, because probing and randomization share the plan of their tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage
from scipy.sparse.linalg import splu

from dlgd.core.errors import Refusal
from dlgd.physics import stencil
from dlgd.physics.diffusion import STEPS, Diffusion
from dlgd.physics.halo import Topology, Window, pad_cells, pad_south_faces, pad_west_faces, windows


def brute_force(operator: Diffusion, cells: np.ndarray, block: int = 4) -> np.ndarray:
    """gamma (n,) in m at some sea cells, (n, 2) rows and columns, by M / 2 sparse LU solves for each: the reference for
    everything else here.

    F_pp = v' W v with v = L^(M/2) W^-1 e_p. block: cells solved together; 4 is fastest on a global grid, larger blocks
    leave the cache (measured: 5 ms a solve, with 32 it is 26 ms).
    """
    matrix, number = operator.matrix()
    area = operator.area[operator.sea]
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    chosen = number[cells[:, 0], cells[:, 1]]
    if (chosen < 0).any():
        raise ValueError("brute force was asked for cells on land")
    energy = np.empty(len(chosen))
    for start in range(0, len(chosen), block):
        columns = chosen[start : start + block]
        v = np.zeros((len(area), len(columns)))
        v[columns, np.arange(len(columns))] = 1 / area[columns]
        for _ in range(operator.steps // 2):
            v = factors.solve(area[:, None] * v)
        energy[start : start + block] = np.einsum("pc,p,pc->c", v, area, v)
    return 1 / np.sqrt(energy)


def _along_a_row(a: np.ndarray, r: np.ndarray, steps: int) -> np.ndarray:
    """(1 / pi) int_[0, pi] (a + 4 r sin^2(l/2))^-M dl for a >= 1, r >= 0.

    It is s^-M P_(M-1)((a + 2 r) / s) with s^2 = a (a + 4 r): Laplace's second integral for the Legendre
    polynomials P (Whittaker and Watson 1927, section 15.23). Their recurrence, here for s^-(n+1) P_n, is
    stable, since the argument is at least 1.
    """
    inverse = 1 / (a * (a + 4 * r))
    slope = (a + 2 * r) * inverse
    before, now = np.zeros_like(inverse), np.sqrt(inverse)
    for n in range(steps - 1):
        before, now = now, (2 * n + 1) / (n + 1) * slope * now - n / (n + 1) * inverse * before
    return now


def homogeneous_energy(r_i: np.ndarray, r_j: np.ndarray, steps: int = STEPS) -> np.ndarray:
    """w F_pp on an unbounded uniform grid with r = alpha / w (dimensionless), any shape; relative error about 1e-14.

    (1 / pi^2) int int_[0, pi]^2 (1 + 4 r_i sin^2(k/2) + 4 r_j sin^2(l/2))^-M dk dl: over l in closed form, over k
    by the midpoint rule, which converges geometrically on a periodic integrand. F is symmetric in its two
    numbers, so the smaller one goes under the rule, which then needs fewer nodes.
    """
    r_i, r_j = np.broadcast_arrays(np.asarray(r_i, float), np.asarray(r_j, float))
    small, large = np.minimum(r_i, r_j), np.maximum(r_i, r_j)
    # 2 m nodes on the circle leave out what F has at a distance of 2 m cells, about exp(-2 m decay)
    decay = 2 * np.arcsinh(0.5 / np.sqrt(small.max(initial=1e-2)))  # per cell
    nodes = int(np.ceil((30 + 3 * steps) / 2 / decay))
    total = np.zeros(small.shape)
    for k in (np.arange(nodes) + 0.5) * np.pi / nodes:
        total += _along_a_row(1 + 4 * np.sin(k / 2) ** 2 * small, large, steps)
    return total / nodes


def homogeneous(operator: Diffusion) -> np.ndarray:
    """gamma as if the grid were uniform, with each cell's diffusivities (the means over its two faces) everywhere."""
    return operator.in_windows(_homogeneous, halo=1)


def _homogeneous(operator: Diffusion) -> np.ndarray:
    east_alpha = pad_west_faces(operator.alpha_j, 0, operator.topology)[:, 1:]
    r_i = (operator.alpha_i[:-1] + operator.alpha_i[1:]) / 2 / operator.area
    r_j = (operator.alpha_j + east_alpha) / 2 / operator.area
    gamma = np.full(operator.sea.shape, np.nan)
    energy = homogeneous_energy(r_i[operator.sea], r_j[operator.sea], operator.steps)
    gamma[operator.sea] = np.sqrt(operator.area[operator.sea] / energy)
    return gamma


# --- exact, by probing ------------------------------------------------------------------------------------
#
# The response of a Dirac decays within a few length scales. On a CPU, small tiles of the grid are solved separately,
# with a halo and one Dirac in each right-hand side: each tile has the halo and the polynomial that its own length
# scales need, and stays in the cache of a core. On a device the grid is solved whole: many Diracs share one right-hand
# side, and each takes the energy of its own box. tests/benchmarks measures both.

TILE = 4  # cells on each side: as many Diracs as lanes; most work is in the halo, which Diracs of a tile have in common
PIECE = 512  # cells on each side of what is planned and solved at once, in the memory that it takes; a multiple of TILE
MARGIN = 12  # cells around a tile whose scales count for it
REACH = 130  # cells around a tile: the largest halo that `_spacing` can ask for
AROUND = 144  # cells around a piece that count for its tiles: more than REACH, and a multiple of TILE
TILE_OF_NOISE = 48  # where all cells of a tile have a source, of randomization
SINGLE_PRECISION_FROM = 3e-5  # tolerance above which float32 (rounding about 1e-5) is enough


@lru_cache(maxsize=4096)
def _spacing(r_along: float, r_across: float, steps: int, level: float) -> int:
    """Cells along one axis beyond which the homogeneous correlation F_pq / F_pp stays below the level."""
    n = 512
    s = 4 * np.sin(np.pi * np.arange(n) / n) ** 2
    spectrum = _along_a_row(1 + r_along * s, np.asarray(r_across), steps)
    correlation = np.fft.irfft(spectrum[: n // 2 + 1], n)[: n // 2]
    below = np.flatnonzero(correlation <= level * correlation[0])
    if not len(below):
        raise Refusal(f"length scales of {np.sqrt(max(r_along, r_across)):.0f} cells are too large to be probed")
    return int(below[0])


@lru_cache(maxsize=4096)
def _polynomial(r_i: float, r_j: float, bound: float, steps: int, tolerance: float) -> np.ndarray:
    """Series of A^(-M/2). The energy (A^-M)_pp is a mean of x^-M over a spectral measure, so an error d of the
    polynomial on the spectrum is an error of at most 2 d (A^-M/2)_pp of it; both here as on a homogeneous grid."""
    whole, half = (float(homogeneous_energy(np.asarray(r_i), np.asarray(r_j), m)) for m in (steps, steps // 2))
    return stencil.chebyshev_coefficients(steps // 2, bound, tolerance / 2 * whole / half)


def _round_up(values: np.ndarray, per_octave: int) -> np.ndarray:
    """Round up to the next power of 2^(1 / per_octave), so that only few distinct values are ever computed."""
    return 2 ** (np.ceil(per_octave * np.log2(np.maximum(values, 1e-3))) / per_octave)


def _largest_near(field: np.ndarray, margin: int, tile: int, topology: Topology) -> np.ndarray:
    """The largest value of (ny, nx) within `margin` cells of each tile, (rows of tiles, columns of tiles)."""
    padded, size = pad_cells(field, margin, topology), tile + 2 * margin
    for axis in (0, 1):
        padded = ndimage.maximum_filter1d(padded, size, axis, mode="nearest", origin=-(size // 2))
    return padded[: field.shape[0] : tile, : field.shape[1] : tile]


@dataclass(frozen=True)
class _Plan:
    """The arguments of `stencil.probe_tiles`; tiles (n, 8) have the spacing of Diracs in rows and columns besides."""

    stencil: tuple[np.ndarray, np.ndarray, np.ndarray]
    padding: int  # cells around the grid: the largest halo of a tile
    tiles: np.ndarray
    series: np.ndarray
    lengths: np.ndarray


def _plan(
    operator: Diffusion, tolerance: float, tile: int, dtype: type, *, wanted: np.ndarray, alone: bool = True
) -> _Plan:
    """Tiles with wanted cells, their halo, spacing and Chebyshev series, chosen from the largest alpha / w near each.

    Cross-talk of each of the four nearest Diracs is at most a quarter of the tolerance on a homogeneous grid. What
    comes back from a tile's boundary has gone twice through the halo: as far, or, where a right-hand side has one Dirac
    (`alone`), so far that it is at most the tolerance.
    """
    ny, nx = operator.sea.shape
    topology, steps = operator.topology, operator.steps
    diagonal, south, west = operator.couplings()
    big_i, big_j = (
        _round_up(_largest_near(alpha / operator.area, MARGIN, tile, topology), 4)
        for alpha in (np.maximum(operator.alpha_i[:-1], operator.alpha_i[1:]), operator.alpha_j)
    )
    bounds = pad_cells(_round_up(2 * diagonal - 2, 16), REACH, topology)  # Gershgorin, above 1
    tiles, series = [], []
    for y in range(0, ny, tile):
        for x in range(0, nx, tile):
            rows, columns = min(tile, ny - y), min(tile, nx - x)
            if not wanted[y : y + rows, x : x + columns].any():
                continue
            along = float(big_i[y // tile, x // tile]), float(big_j[y // tile, x // tile])
            spacing = [_spacing(a, b, steps, tolerance / 4) for a, b in (along, along[::-1])]
            level = tolerance if alone else tolerance / 4
            halo = [_spacing(a, b, steps, level) // 2 + 1 for a, b in (along, along[::-1])]
            low_y, low_x = y + REACH - halo[0], x + REACH - halo[1]
            # no response may outgrow the polynomial, in the halo neither
            bound = 1 + float(bounds[low_y : low_y + rows + 2 * halo[0], low_x : low_x + columns + 2 * halo[1]].max())
            tiles.append((y, x, rows, columns, *halo, *spacing))
            series.append((*_polynomial(*along, bound, steps, tolerance), bound))
    table = np.zeros((len(tiles), max(map(len, series), default=1)))
    for row, values in zip(table, series, strict=True):
        row[: len(values) - 1], row[-1] = values[:-1], values[-1]
    work = np.array(tiles, dtype=np.int64).reshape(-1, 8)
    padding = int(work[:, 4:6].max(initial=0))
    padded = (
        pad_cells(diagonal, padding, topology, "nearest").astype(dtype),
        pad_south_faces(south, padding, topology).astype(dtype),
        pad_west_faces(west, padding, topology).astype(dtype),
    )
    return _Plan(padded, padding, work, table, np.array([len(s) - 1 for s in series], dtype=np.int64))


def _meets_itself(operator: Diffusion, spacing: np.ndarray) -> np.ndarray:
    """Return (ny, nx) bool: sea cells whose response meets itself, around a small periodic grid or around a pole of
    the fold that stands at sea. Each is one cell of the grid, but two or more cells of the padded grid.

    spacing: of Diracs in rows and columns, the largest of all tiles.
    """
    sea, topology = operator.sea, operator.topology
    ny, nx = sea.shape
    rows, columns = 5 * spacing // 4  # images on two sides count, and twice each: a quarter more than the spacing
    if (topology.south_north == "periodic" and rows > ny) or (topology.west_east == "periodic" and columns > nx):
        return sea
    meets = np.zeros_like(sea)
    if topology.south_north == "fold":
        half_y, half_x = rows // 2 + 1, columns // 2 + 1
        numbers = [np.broadcast_to(n, sea.shape) for n in np.ogrid[:ny, :nx]]
        for pole in (0, nx // 2):
            window = ny - half_y, ny + half_y, pole - half_x, pole + half_x
            at_sea = pad_cells(sea, 0, topology, window=window)
            y, x = (pad_cells(n, 0, topology, window=window) for n in numbers)
            basin = np.zeros(at_sea.shape, np.int32)
            ndimage.label(at_sea, output=basin)  # a cell and its image on one sea, half a turn away
            chosen = (basin > 0) & (basin == basin[::-1, ::-1])
            meets[y[chosen], x[chosen]] = True
    return meets


def _gamma(operator: Diffusion, energy: np.ndarray) -> np.ndarray:
    return np.sqrt(operator.area / np.where(operator.sea, energy, np.nan))


def exact(
    operator: Diffusion, tolerance: float = 1e-6, device: str = "cpu", *, cells: np.ndarray | None = None
) -> np.ndarray:
    """gamma by probing.

    tolerance: the largest relative error of gamma^2, 1e-8 to 1e-2. device: on "cpu" all cores work on compiled tiles;
    another device works on the whole grid, in batches of right-hand sides. cells: bool (ny, nx), those that are asked
    for; all others are NaN. None: all.
    """
    if not 1e-8 <= tolerance <= 1e-2:
        raise ValueError(f"the tolerance of exact coefficients must lie between 1e-8 and 1e-2, not {tolerance:g}")
    wanted = operator.sea if cells is None else operator.sea & cells
    gamma = np.full(wanted.shape, np.nan)
    for window in windows(wanted.shape, PIECE if device == "cpu" else max(wanted.shape)):
        south, north, west, east = window
        inside = wanted[south:north, west:east]
        if inside.any():
            gamma[south:north, west:east] = _of_window(operator, window, inside, tolerance, device)
    return gamma


def _of_window(whole: Diffusion, window: Window, wanted: np.ndarray, tolerance: float, device: str) -> np.ndarray:
    """gamma (rows, columns) in m of the wanted cells of a window, NaN elsewhere, in the memory of what is around it."""
    (south, north, west, east), on_cpu = window, device == "cpu"
    halo = 0 if wanted.shape == whole.sea.shape else AROUND
    operator = whole.around(window, halo) if halo else whole
    inner = np.s_[halo : halo + north - south, halo : halo + east - west]
    dtype = np.float32 if tolerance >= SINGLE_PRECISION_FROM else np.float64
    tile = TILE if on_cpu else max(wanted.shape)
    plan = _plan(operator, tolerance, tile, dtype, wanted=np.pad(wanted, halo), alone=on_cpu)
    meets = _meets_itself(whole, plan.tiles[:, 6:8].max(axis=0, initial=0))[south:north, west:east]
    alone, probed = wanted & meets, np.pad(wanted & ~meets, halo)  # no cell of a global ocean grid is alone
    energy = np.zeros(probed.shape)
    if probed.any() and on_cpu:
        stencil.probe_tiles(plan.stencil, probed, plan.padding, plan.tiles, plan.series, plan.lengths, energy)
    elif probed.any():
        energy = _probe_on_device(plan, probed, device)
    gamma = np.where(probed, np.sqrt(operator.area / np.where(probed, energy, 1.0)), np.nan)[inner]
    if alone.any():
        gamma[alone] = brute_force(whole, np.argwhere(alone) + np.array([south, west]))
    return gamma


def _probe_on_device(plan: _Plan, wanted: np.ndarray, device: str) -> np.ndarray:
    """|A^-M/2 e_p|^2 of the wanted cells from a plan of one tile, the whole grid."""
    from dlgd.physics import stencil_torch

    halo, spacing = plan.tiles[0, 4:6], plan.tiles[0, 6:8]
    y, x = plan.padding - halo[0], plan.padding - halo[1]
    diagonal, south, west = (a[y : len(a) - y, x : a.shape[1] - x] for a in plan.stencil)
    series, bound = plan.series[0, : plan.lengths[0]], float(plan.series[0, -1])
    inner = (diagonal, south, west)
    return stencil_torch.probe(inner, wanted, tuple(halo), tuple(spacing), series, bound, device)


def randomization(operator: Diffusion, vectors: int, rng: np.random.Generator) -> np.ndarray:
    """gamma from the sample variance of `vectors` random fields of covariance F; error about sqrt(2 / vectors).

    z ~ N(0, I), x = L^(M/2) W^-1/2 z, gamma_p^2 = 1 / mean(x_p^2). The solver's own error, 1e-3, is far below.
    """
    if vectors < 1:
        raise ValueError(f"randomization needs at least one vector, not {vectors}")
    # in windows a cell and its image beyond a fold or around a small grid would have noise of their own
    whole = operator.topology.south_north == "fold" or min(operator.sea.shape) < PIECE + 2 * AROUND
    halo = 0 if whole else AROUND

    def solve(part: Diffusion) -> np.ndarray:
        wanted = np.pad(part.sea[halo : len(part.sea) - halo, halo : part.sea.shape[1] - halo], halo)
        plan = _plan(part, 1e-3, TILE_OF_NOISE, np.float32, wanted=wanted)
        cells = part.sea.size
        source = pad_cells(np.arange(1, cells + 1).reshape(part.sea.shape), plan.padding, part.topology)  # 0: none
        energy = np.zeros(part.sea.shape)
        for first in range(0, vectors if wanted.any() else 0, stencil.LANES):
            z = np.zeros((cells + 1, stencil.LANES), np.float32)
            lanes = min(stencil.LANES, vectors - first)
            z[1:, :lanes] = rng.standard_normal((cells, lanes), dtype=np.float32)
            work = plan.padding, plan.tiles, plan.series, plan.lengths
            stencil.add_random_energy(plan.stencil, z[source], *work, energy)
        return _gamma(part, np.where(wanted, energy / vectors, np.nan))

    return solve(operator) if whole else operator.in_windows(solve, halo)
