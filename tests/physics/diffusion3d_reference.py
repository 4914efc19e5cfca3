"""The three-dimensional operator once more, face by face, as dense matrices; and a small ocean with a rough bottom."""

import numpy as np

from dlgd.physics import vertical
from dlgd.physics.diffusion3d import from_levels
from dlgd.physics.grids import mercator
from dlgd.physics.length_scales import LengthScales, random_diffusion

SHAPE = (8, 12, 14)


def small_ocean(shape=SHAPE, *, steps=10, scales=(0.5, 1.5), vertical_scales=(0.7, 1.5), seed=0, bottom="rough"):
    """An operator on a periodic channel with an island and partial cells.

    bottom: "rough", a slope and a seamount, horizontal scales differ from level to level; "slope", the same with one
    choice of horizontal scales for all levels; "flat", the latter without any bottom above the deepest interface.
    """
    nz, ny, nx = shape
    grid, rng = mercator(ny, nx), np.random.default_rng(seed)
    sea = np.ones((ny, nx), bool)
    sea[ny // 2, 1] = False
    w_depth = vertical.interfaces(nz)
    y, x = np.mgrid[:ny, :nx]
    depth = 5200 * np.minimum(1, (y + 1) / (0.7 * ny)) - 3500 * np.exp(-((y - 0.7 * ny) ** 2 + (x - 0.6 * nx) ** 2) / 2)
    depth = np.full((ny, nx), w_depth[-1]) if bottom == "flat" else np.maximum(depth, w_depth[2])
    thickness, wet = vertical.partial_cells(np.where(sea, depth, 0), w_depth)
    choice = LengthScales(scale_min=scales[0], scale_max=scales[1])
    levels = [random_diffusion(grid, sea, rng, choice, steps) for _ in range(nz if bottom == "rough" else 1)]
    least, most = vertical_scales
    l_v = vertical.random_vertical_scales(grid, w_depth, rng, least=least, most=most, smoothness=40.0)
    return from_levels(levels * (nz // len(levels)), grid.area, thickness, wet, l_v)


def dense(operator, part):
    """A, A_h or A_v ("both", "horizontal", "vertical") over all cells of a channel that is periodic west-east."""
    nz, ny, nx = operator.volume.shape
    number = np.arange(nz * ny * nx).reshape(nz, ny, nx)
    matrix = np.diag(operator.volume.ravel())

    def exchange(alpha, one, other):
        p, q = number[one], number[other]
        matrix[p, p] += alpha
        matrix[q, q] += alpha
        matrix[p, q] -= alpha
        matrix[q, p] -= alpha

    for k, y, x in np.ndindex(nz, ny, nx):
        if part != "vertical":
            exchange(operator.alpha_j[k, y, x], (k, y, x), (k, y, (x - 1) % nx))
            if y:
                exchange(operator.alpha_i[k, y, x], (k, y, x), (k, y - 1, x))
        if part != "horizontal" and k:
            exchange(operator.alpha_k[k, y, x], (k, y, x), (k - 1, y, x))
    root = np.sqrt(operator.volume.ravel())
    return matrix / np.outer(root, root)


def dense_gamma(operator, form):
    """gamma (nz, ny, nx), NaN in rock."""
    half = {part: np.linalg.matrix_power(np.linalg.inv(dense(operator, part)), operator.steps // 2)
            for part in ("both", "horizontal", "vertical")}  # fmt: skip
    root = {
        "implicit": half["both"],
        "vertical_outermost": half["vertical"] @ half["horizontal"],
        "horizontal_outermost": half["horizontal"] @ half["vertical"],
    }[form]
    energy = np.einsum("pq,pq->p", root, root).reshape(operator.sea.shape)
    return np.where(operator.sea, np.sqrt(operator.volume / energy), np.nan)
