"""Figures of normalization coefficients of an ocean with levels: sections, and errors by height above the bottom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from dlgd.plotting.style import STYLE
from dlgd.problems.normalization.figures import MEAN_ERROR, TINY

if TYPE_CHECKING:
    import xarray as xr

BOTTOM = "0.45"


@matplotlib.rc_context(STYLE)
def section(truth: np.ndarray, errors: Mapping[str, np.ndarray], *, depth: xr.DataArray, row: int) -> Figure:
    """gamma / sqrt(V) (level, x), dimensionless, and |eps| of each method along one row; NaN in rock.

    depth: of the levels' centres (level,), m, or their numbers. Levels are drawn equally thick: else those of the
    surface are not seen.
    """
    figure = Figure(figsize=(12.4, 2.3 * (1 + len(errors)) + 0.6), layout="constrained")
    axes = figure.subplots(1 + len(errors), 1, sharex=True, sharey=True)
    panels = dict(zip(["exact", *errors], np.atleast_1d(axes).tolist(), strict=True))
    shown = truth[np.isfinite(truth)]
    _panel(
        panels["exact"], truth, LogNorm(*np.quantile(shown, (0.001, 0.999))), "viridis", r"exact $\gamma / \sqrt{V}$"
    )
    norm = LogNorm(1e-4, 1.0)
    for name, error in errors.items():
        _panel(panels[name], np.maximum(error, TINY), norm, "inferno", rf"$|\varepsilon|$ of {name}")
    ticks = np.linspace(0, len(depth) - 1, 6).astype(int)
    panels["exact"].set_yticks(ticks, [f"{float(depth[k]):.0f}" for k in ticks])
    panels["exact"].invert_yaxis()
    last = list(panels.values())[-1]
    last.set_xlabel(f"column (west to east) of row {row}")
    figure.supylabel("depth (m)" if depth.attrs.get("units") == "m" else "level")
    return figure


def _panel(axes: Axes, field: np.ndarray, norm: LogNorm, colours: str, title: str) -> None:
    axes.set_facecolor(BOTTOM)
    axes.set_title(title)
    image = axes.pcolormesh(np.ma.masked_invalid(field), norm=norm, cmap=colours, rasterized=True)
    axes.figure.colorbar(image, ax=axes, extend="both")


@matplotlib.rc_context(STYLE)
def above_bottom(curves: Mapping[str, np.ndarray]) -> Figure:
    """The mean |eps| of each method (height,) in the deepest cells of all columns, in those above, and so on."""
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        axes.plot(np.arange(len(curve)), np.maximum(curve, TINY), marker=".", label=name)
    axes.set(yscale="log", xlabel="levels above the bottom", ylabel=MEAN_ERROR)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    axes.grid(alpha=0.3)
    return figure
