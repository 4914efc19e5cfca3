"""Figures of forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from dlgd.plotting.style import STYLE
from dlgd.plotting.trajectories import draw_lines, hovmoller

FEW = 3  # variables that are drawn as lines
SAMPLES = 4  # in a figure of lines


@matplotlib.rc_context(STYLE)
def by_lead(
    time: np.ndarray, errors: Mapping[str, np.ndarray], skills: Mapping[str, np.ndarray], *, limit: float
) -> Figure:
    """Root mean square error and 1 - skill against persistence of every method, by lead (lead,), and the error `limit`
    from which on a forecast is of no use. A method without any error has no line, only its name."""
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_lines(left, time, {name if error.any() else f"{name}: no error": error for name, error in errors.items()})
    left.axhline(limit, color="0.5", linestyle=":", linewidth=1.2)
    note = {"textcoords": "offset points", "fontsize": 9, "ha": "right", "va": "top"}
    left.annotate("0.4 of the climatological spread", (time[-1], limit), (0, -4), **note)
    left.set(yscale="log", xlabel="lead (time units)", ylabel="RMSE")
    draw_lines(right, time, {name: 1 - skill for name, skill in skills.items()})
    right.axhline(1, color="0.5", linestyle=":", linewidth=1.2)
    right.set(yscale="log", xlabel="lead (time units)", ylabel="1 - skill against persistence")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def trajectories(
    time: np.ndarray, truth: np.ndarray, forecasts: Mapping[str, np.ndarray], names: Sequence[str]
) -> Figure:
    """Truth and forecasts (sample, lead, variable) of some samples as lines; of many variables, of one as fields."""
    if len(names) > FEW:
        return hovmoller(time, truth[0], None, {name: each[0] for name, each in forecasts.items()})
    shown = np.unique(np.linspace(0, len(truth) - 1, SAMPLES).round().astype(int))
    return _lines(time, truth[shown], {name: each[shown] for name, each in forecasts.items()}, names)


@matplotlib.rc_context(STYLE)
def _lines(time: np.ndarray, truth: np.ndarray, forecasts: Mapping[str, np.ndarray], names: Sequence[str]) -> Figure:
    """A row for each variable, a column for each sample; the axes are those of the truth."""
    figure = Figure(figsize=(3.1 * len(truth) + 0.6, 2.3 * len(names) + 1), layout="constrained")
    grid = figure.subplots(len(names), len(truth), sharex=True, sharey="row", squeeze=False)
    for row, name in enumerate(names):
        low, high = truth[..., row].min(), truth[..., row].max()
        for column, axes in enumerate(grid[row]):
            axes.plot(time, truth[column, :, row], color="0.6", linewidth=4, label="truth")
            draw_lines(axes, time, {method: each[column, :, row] for method, each in forecasts.items()}, linewidth=1.3)
            axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
        grid[row, 0].set_ylabel(name)
    for axes in grid[-1]:
        axes.set_xlabel("lead (time units)")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure
