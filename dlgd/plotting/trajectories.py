"""Figures of sequences: trajectories in three dimensions, and fields of time and place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from dlgd.plotting.style import COLOURS, STYLE

WINDOWS = 20  # in a figure of the attractor
POINTS = 4000  # in a line at most
PANELS = 8  # methods in a figure with a panel for each
TRUTH = "0.25"


@matplotlib.rc_context(STYLE)
def attractor(runs: Mapping[str, np.ndarray], names: Sequence[str], title: str = "") -> Figure:
    """Draw a panel with some trajectories (sample, step, 3) for each name; all panels have the axes of the first."""
    shown = dict(list(runs.items())[: PANELS + 1])
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(4.3 * columns, 3.9 * rows + 0.3 * bool(title)), layout="constrained")
    first = next(iter(shown.values()))
    low, high = first.min(axis=(0, 1)), first.max(axis=(0, 1))
    margin = 0.05 * (high - low)
    limits = list(zip(low - margin, high + margin, strict=True))
    for number, (name, states) in enumerate(shown.items()):
        axes = figure.add_subplot(rows, columns, number + 1, projection="3d")
        colour = TRUTH if number == 0 else COLOURS[(number - 1) % len(COLOURS)]
        axes.plot(*_line(states, limits).T, color=colour, linewidth=0.6, alpha=0.8)
        if np.ptp(states[0], axis=0).max() == 0:  # a state at rest has no line
            axes.plot(*_line(states, limits).T, color=colour, marker="o", linestyle="none")
        axes.set(xlabel=names[0], ylabel=names[1], xlim=limits[0], ylim=limits[1], zlim=limits[2])
        axes.set_zlabel(names[2])
        axes.set_title(name, y=0.94)
        axes.view_init(elev=18, azim=-60)
        axes.tick_params(labelsize=8, pad=0)
        axes.set_box_aspect(None, zoom=1.1)  # pyright: ignore[reportArgumentType] # Matplotlib infers int from its default
    if title:
        figure.suptitle(title)
    return figure


def _line(states: np.ndarray, limits: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return trajectories in sequence, (point, 3), with gaps between them and where they leave the axes."""
    states = states[:WINDOWS]
    states = states[:, :: max(1, states.shape[0] * states.shape[1] // POINTS)]
    low, high = np.array(limits).T
    inside = ((states >= low) & (states <= high)).all(axis=-1, keepdims=True)
    states = np.where(inside, states, np.nan)
    return np.concatenate((states, np.full_like(states[:, :1], np.nan)), axis=1).reshape(-1, 3)


@matplotlib.rc_context(STYLE)
def hovmoller(
    time: np.ndarray, truth: np.ndarray, beside: tuple[str, np.ndarray] | None, estimates: Mapping[str, np.ndarray]
) -> Figure:
    """Draw fields (time, variable) of a system on a circle: the truth, and then each estimate beside its error.

    beside: title and field beside the truth, such as observations, NaN where there are none.
    """
    shown = dict(list(estimates.items())[:PANELS])
    figure = Figure(figsize=(11, 1.75 * (len(shown) + 1) + 0.9), layout="constrained")
    grid = figure.subplots(len(shown) + 1, 2, sharex=True, sharey=True, squeeze=False)
    limit = float(np.abs(truth).max())
    image = _field(grid[0, 0], time, truth, limit, "RdBu_r", "truth")
    if beside is None:
        grid[0, 1].remove()
    else:
        _field(grid[0, 1], time, beside[1], limit, "RdBu_r", beside[0])
    errors = {name: each - truth for name, each in shown.items()}
    # The scale follows the median of the methods, so that neither the worst nor the best one hides the others.
    largest = float(np.median([np.quantile(np.abs(error), 0.99) for error in errors.values()]))
    largest = min(max(largest, 1e-9 * limit), 2 * limit)
    wrong: list[AxesImage] = []
    for (left, right), (name, each) in zip(grid[1:], shown.items(), strict=True):
        _field(left, time, each, limit, "RdBu_r", name)
        wrong.append(_field(right, time, errors[name], largest, "PuOr_r", f"error of {name}"))
    for axes in grid[:, 0]:
        axes.set_ylabel("variable")
    for axes in grid[-1]:
        axes.set_xlabel("time (time units)")
    for column, (mappable, label) in enumerate([(image, "value"), (wrong[-1], "error")]):
        place = {"ax": list(grid[1:, column]), "location": "bottom", "shrink": 0.6, "aspect": 40}
        figure.colorbar(mappable, label=label, extend="both", **place)
    return figure


def _field(axes: Axes, time: np.ndarray, field: np.ndarray, limit: float, colours: str, title: str) -> AxesImage:
    """Draw a field (time, variable), with time from left to right."""
    step = (time[-1] - time[0]) / max(len(time) - 1, 1)
    extent = (time[0] - step / 2, time[-1] + step / 2, -0.5, field.shape[1] - 0.5)
    axes.set_facecolor("0.85")
    axes.set_title(title)
    options = {"origin": "lower", "aspect": "auto", "interpolation": "nearest", "extent": extent}
    return axes.imshow(field.T, cmap=colours, vmin=-limit, vmax=limit, **options)


def draw_lines(
    axes: Axes,
    across: np.ndarray,
    curves: Mapping[str, np.ndarray | None],
    *,
    linewidth: float | None = None,
    marker: str | None = None,
) -> None:
    """Draw a line for each name whose values are not None, in the colours of methods; dashed once all colours are used.

    linewidth, marker: None for Matplotlib's default.
    """
    for number, (name, values) in enumerate(curves.items()):
        style = "-" if number < len(COLOURS) else "--"
        if values is not None:
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(across, values, color=colour, linestyle=style, label=name, linewidth=linewidth, marker=marker)
    axes.grid(alpha=0.3)
