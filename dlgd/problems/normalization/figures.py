"""Figures of normalization coefficients. Maps (y, x) are NaN on land.

Axes are rows and columns of the grid and not longitudes, because a tripolar grid folds back on itself in the north. A
value stands for `block` rows and columns of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatterSciNotation, LogLocator

from dlgd.plotting.style import STYLE

if TYPE_CHECKING:
    from dlgd.problems.normalization.scores import ErrorByDistance

LAND = "0.72"
TINY = 1e-8  # smaller |eps| are drawn as this: the truth itself is no more accurate
DECADES = 5  # at most, of a colour scale, so that one perfect method does not flatten the others
MEAN_ERROR = r"mean $|\varepsilon|$"
SIGNED_ERROR = r"$\varepsilon = (\hat\gamma^2 - \gamma^2) / \gamma^2$"


@matplotlib.rc_context(STYLE)
def sample(truth: np.ndarray, predicted: np.ndarray, error: np.ndarray, *, method: str, block: int = 1) -> Figure:
    """One sample: gamma (m), its prediction (m) and the signed error eps."""
    figure = Figure(figsize=(14.7, 5.7), layout="compressed")
    axes = figure.subplots(1, 3, sharey=True)
    norm = _log_norm(truth, low=0.001)
    _map(axes[0], truth, norm, "viridis", r"exact $\gamma$", block)
    image = _map(axes[1], predicted, norm, "viridis", rf"$\hat\gamma$ of {method}", block)
    _colour_bar(figure, image, axes[:2], r"$\gamma$ (m)", location="bottom", shrink=0.6)
    limit = max(float(np.nanquantile(np.abs(error), 0.9999)), TINY)
    signed = SymLogNorm(linthresh=limit / 10, vmin=-limit, vmax=limit)
    image = _map(axes[2], error, signed, "RdBu_r", f"error of {method}", block)
    _colour_bar(figure, image, axes[2], SIGNED_ERROR, location="bottom")
    for each in axes:
        each.label_outer()
    return figure


@matplotlib.rc_context(STYLE)
def mean_error(maps: Mapping[str, np.ndarray], *, samples: int, block: int = 1) -> Figure:
    """The mean |eps| of each method over `samples` samples, on one colour scale."""
    columns = 2 if len(maps) == 4 else min(len(maps), 3)
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(4.8 * columns + 1, 4.4 * rows), layout="compressed")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    norm = _log_norm(np.stack(list(maps.values())))
    images = [
        _map(axes, np.maximum(field, TINY), norm, "inferno", name, block)
        for axes, (name, field) in zip(grid.flat, maps.items(), strict=False)
    ]
    for axes in grid.flat[: len(maps)]:
        axes.label_outer()
    for axes in grid.flat[len(maps) :]:
        axes.remove()
    _colour_bar(figure, images[-1], figure.axes, f"{MEAN_ERROR} over {samples} samples", shrink=0.9)
    return figure


@matplotlib.rc_context(STYLE)
def distance(curves: Mapping[str, ErrorByDistance]) -> Figure:
    """|eps| of every method against the distance to the coast, over the number of sea cells there."""
    figure = Figure(figsize=(8.2, 7.3), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    _error_lines(above, curves)
    above.set_xlabel("")
    bins = next(iter(curves.values()))
    below.bar(bins.distance - 0.5, bins.cells, width=0.9, color="C0")
    below.set(xlabel="distance to the coast (cells)", ylabel="sea cells")
    below.grid(alpha=0.3, axis="y")
    return figure


@matplotlib.rc_context(STYLE)
def overview(
    truth: np.ndarray,
    maps: Mapping[str, np.ndarray],
    curves: Mapping[str, ErrorByDistance],
    *,
    samples: int,
    block: int = 1,
) -> Figure:
    """All in one: one sample's gamma, |eps| by distance, and maps of the mean |eps| of the first two methods."""
    height = 9.7 * truth.shape[0] / truth.shape[1] + 1.7  # two rows of maps, with their axes
    figure = Figure(figsize=(12.4, max(height, 6.5)), layout="constrained")
    grid = figure.subplots(2, 2)
    image = _map(grid[0, 0], truth, _log_norm(truth, low=0.001), "viridis", "exact coefficients, one sample", block)
    _colour_bar(figure, image, grid[0, 0], r"$\gamma$ (m)", shrink=0.85)
    _error_lines(grid[0, 1], curves)
    shown = list(maps.items())[:2]
    norm = _log_norm(np.stack([field for _, field in shown]))
    for axes, (name, field) in zip(grid[1], shown, strict=False):
        image = _map(axes, np.maximum(field, TINY), norm, "inferno", f"error of {name}", block)
        _colour_bar(figure, image, axes, f"{MEAN_ERROR} over {samples} samples", shrink=0.85)
    if len(shown) < 2:
        grid[1, 1].remove()
    return figure


def _map(axes: Axes, field: np.ndarray, norm: Normalize, colours: str, title: str, block: int) -> AxesImage:
    axes.set_facecolor(LAND)  # seen where a field is NaN
    rows, columns = (block * size - 0.5 for size in field.shape)
    axes.set(title=title, xlabel="column (west to east)", ylabel="row (south to north)")
    extent = (-0.5, columns, -0.5, rows)
    return axes.imshow(field, origin="lower", norm=norm, cmap=colours, interpolation="nearest", extent=extent)


def _colour_bar(
    figure: Figure,
    image: AxesImage,
    axes: Axes | Sequence[Axes],
    label: str,
    *,
    location: str = "right",
    shrink: float = 1.0,
) -> None:
    bar = figure.colorbar(image, ax=axes, extend="both", label=label, location=location, shrink=shrink)
    norm, (low, high) = image.norm, image.get_clim()
    if isinstance(norm, LogNorm) and high < 100 * low:
        bar.locator = LogLocator(subs=(1, 2, 5))  # one or two powers of ten alone are too few labels
        bar.formatter = LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(np.inf, np.inf))
        bar.minorticks_off()
    if isinstance(norm, SymLogNorm):
        power = 10.0 ** math.floor(math.log10(high))
        bar.set_ticks([-power, 0, power])  # smaller powers would run into the zero
        bar.minorticks_off()


def _log_norm(fields: np.ndarray, low: float = 0.01, high: float = 0.999) -> LogNorm:
    """A log scale between two quantiles of the positive values."""
    values = np.maximum(fields[np.isfinite(fields)], TINY)
    lowest, highest = np.quantile(values, (low, high))
    return LogNorm(max(lowest, highest / 10**DECADES), max(highest, 1.01 * lowest))


def _error_lines(axes: Axes, curves: Mapping[str, ErrorByDistance]) -> None:
    for number, curve in enumerate(curves.values()):
        middle = curve.distance - 0.5
        axes.plot(middle, np.maximum(curve.mean, TINY), color=f"C{number}", marker=".")
        axes.plot(middle, np.maximum(curve.q99, TINY), color=f"C{number}", linestyle="--", linewidth=1.2)
    handles = [Line2D([], [], color=f"C{number}", marker=".", label=name) for number, name in enumerate(curves)]
    handles += [Line2D([], [], color="0.3", label="mean"), Line2D([], [], color="0.3", ls="--", label="99 % quantile")]
    axes.set(yscale="log", xlabel="distance to the coast (cells)", ylabel=r"$|\varepsilon|$")
    # above the axes, where it hides no line
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    axes.grid(alpha=0.3)
