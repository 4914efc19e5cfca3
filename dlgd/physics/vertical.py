"""Levels of the ocean, the cells that a bottom cuts, and vertical length scales. Level 0 is at the surface."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from dlgd.core.errors import Refusal
from dlgd.physics.grids import Grid
from dlgd.physics.random_fields import smooth_field

# a0, a1, k_1, c_1, a2, k_2, c_2 of the thickness a0 + a1 tanh((k - k_1) / c_1) + a2 tanh((k - k_2) / c_2) in m: NEMO's
# reference configurations ORCA2 (31 levels) and ORCA025 (75)
STRETCH = {
    31: (255.58049070440, 245.58132232490, 21.43336197938, 3.0, 0.0, 0.0, 1.0),
    75: (103.95300960000, 2.41595126900, 15.35101370000, 7.0, 100.76092850000, 48.02989372000, 13.0),
}
THINNEST_M, THINNEST_SHARE = (
    25.0,
    0.2,
)  # a partial cell has at least the smaller one of the two (NEMO's e3zps_min, _rat)


def interfaces(levels: int) -> np.ndarray:
    """Depths (levels + 1,) in m of the interfaces between levels, from 0 at the surface.

    The thickness of a level is a hyperbolic tangent of its index (Madec and Imbard 1996, Clim. Dyn. 12, 381-388; NEMO
    ocean engine, chapter on the vertical coordinate), here in its integral. 31 levels are 10 m thick at the surface and
    500 m at the bottom; 75 are 1 m and 200 m thick. Any other number reads the curve of 31 levels at equal steps of its
    index. levels: at least 2.
    """
    if levels < 2:
        raise Refusal(f"an ocean needs at least 2 levels, not {levels}")
    a0, a1, k1, c1, a2, k2, c2 = STRETCH.get(levels, STRETCH[31])
    k = 1 + np.arange(levels + 1) * (1.0 if levels in STRETCH else 31 / levels)
    depth = a0 * k + a1 * c1 * np.log(np.cosh((k - k1) / c1)) + a2 * c2 * np.log(np.cosh((k - k2) / c2))
    return depth - depth[0]


def partial_cells(depth: np.ndarray, w_depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thickness e3 (nz, ny, nx) in m of each cell, and the sea (nz, ny, nx) bool, of a bottom depth (ny, nx) in m.

    w_depth: depths of the interfaces (nz + 1,). The deepest cell of a column ends at the bottom. If less than 25 m and
    less than 20 % of its level is left, it is rock, and the column ends at the interface above (Adcroft et al. 1997,
    MWR 125, 2293-2315; limits as in NEMO). Rock has the full thickness of its level.
    """
    full = np.diff(w_depth)[:, None, None]
    left = depth - w_depth[:-1, None, None]
    sea = left > np.minimum(THINNEST_M, THINNEST_SHARE * full)
    return np.where(sea, np.minimum(left, full), full), sea


def random_vertical_scales(
    grid: Grid, w_depth: np.ndarray, rng: np.random.Generator, *, least: float, most: float, smoothness: float
) -> np.ndarray:
    """Vertical length scales l_v (nz + 1, ny, nx) in m on the interfaces, smooth in all three directions.

    least, most: their range, in thicknesses of the full levels; log l_v is uniform in it. smoothness: degrees of arc.
    """
    points = grid.position_of_centres
    first, second = smooth_field(points, smoothness, rng), smooth_field(points, smoothness, rng)
    turn = np.linspace(0, np.pi, len(w_depth))[:, None, None]  # the surface and the deepest interface are opposite
    levels = least * (most / least) ** ndtr(np.cos(turn) * first + np.sin(turn) * second)
    full = np.diff(w_depth)
    between = np.concatenate([full[:1], (full[:-1] + full[1:]) / 2, full[-1:]])
    return levels * between[:, None, None]
