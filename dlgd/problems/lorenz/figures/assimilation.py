"""Figures of trajectories that were estimated from observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from dlgd.plotting.style import STYLE
from dlgd.plotting.trajectories import draw_lines, hovmoller

STEPS = 400  # of a window that are drawn at most
BLOCKS = 250  # points of a curve across a longer window, each the mean of some steps
FEW = 3  # variables that are drawn as lines
LEAST = 1e-5  # of the largest error: smaller ones are not shown


def window(
    time: np.ndarray,
    *,
    truth: np.ndarray,
    observations: np.ndarray,
    estimates: Mapping[str, np.ndarray],
    names: Sequence[str],
    first: int = 0,
) -> Figure:
    """Truth, observations and estimates of one window, from step `first` on: lines of few variables, else fields.

    All (sample, time, variable); the window is that of median error of the first method.
    """
    error = ((next(iter(estimates.values())) - truth) ** 2).mean(axis=(1, 2))
    sample = int(np.argsort(error)[len(error) // 2])
    steps = slice(first, first + STEPS)
    seen, true = observations[sample, steps], truth[sample, steps]
    shown = {name: each[sample, steps] for name, each in estimates.items()}
    if len(names) > FEW:
        return hovmoller(time[steps], true, ("observations", seen), shown)
    return _lines(time[steps], true, seen, shown, names)


@matplotlib.rc_context(STYLE)
def _lines(
    time: np.ndarray, truth: np.ndarray, seen: np.ndarray, estimates: Mapping[str, np.ndarray], names: Sequence[str]
) -> Figure:
    """A panel for each variable, (time, variable)."""
    figure = Figure(figsize=(11, 2.5 * len(names) + 1), layout="constrained")
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for number, (axes, name) in enumerate(zip(panels, names, strict=True)):
        axes.plot(time, truth[:, number], color="0.6", linewidth=4, label="truth")
        draw_lines(axes, time, {method: each[:, number] for method, each in estimates.items()}, linewidth=1.3)
        axes.plot(time, seen[:, number], "k.", markersize=7, label="observations", zorder=5)
        axes.set_ylabel(name)
    panels[-1].set_xlabel("time (time units)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


@matplotlib.rc_context(STYLE)
def across_window(
    time: np.ndarray, curves: Mapping[str, np.ndarray], observed_at: np.ndarray, *, burn_in: float
) -> Figure:
    """Root mean square error over samples and variables of every method at each position, with the times at which
    there are observations."""
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    axes = figure.subplots()
    width = max(1, len(time) // BLOCKS)
    draw_lines(axes, _blocks(time, width), {name: _blocks(curve, width) for name, curve in curves.items()})
    if len(observed_at) <= BLOCKS:
        axes.plot(observed_at, np.zeros(len(observed_at)), "k|", transform=axes.get_xaxis_transform(), markersize=12)
    if burn_in > 0:
        axes.axvspan(time[0], burn_in, color="0.9", zorder=0)
    mean = f", mean of {width} steps" if width > 1 else ""
    ticks = "; ticks: times of observations" if len(observed_at) <= BLOCKS else ""
    grey = "; grey: left out of scores" if burn_in > 0 else ""
    axes.set(xlabel=f"time (time units{ticks}{grey})", ylabel=f"RMSE{mean}", xlim=(time[0], time[-1]), yscale="log")
    low, high = axes.get_ylim()
    low = max(low, LEAST * high)  # interpolation has rounding errors where all is observed without noise
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if high < 1e3 * low else (1,)))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def _blocks(values: np.ndarray, width: int) -> np.ndarray:
    """Return means of `width` values each; the last values, too few for a block, are left out."""
    return values[: len(values) // width * width].reshape(-1, width).mean(axis=1)
