"""One window as a film: the truth, the observations as they come, and what methods estimate or forecast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dlgd.plotting.style import COLOURS, STYLE

ANIMATED = 3  # methods at most
STEPS = 400  # of a window at most
FRAMES = 100  # at most
FRAMES_PER_SECOND, DPI = 12, 70
TRAIL = 40  # steps that stay visible behind a state in the plane
FEW = 3  # variables with a curve each; more of them are one line along the ring
TRUTH = "0.6"

Redraw = Callable[[int], None]


@dataclass(frozen=True)
class Window:
    """What is drawn of one sample: truth and estimates (step, variable), observations likewise or None."""

    time: np.ndarray  # (step,)
    truth: np.ndarray
    estimates: Mapping[str, np.ndarray]
    seen: np.ndarray | None
    names: Sequence[str]

    def lines(self) -> Iterator[tuple[str, np.ndarray, str, float]]:
        """Yield name, states, colour and width of the line of the truth and of each estimate."""
        yield "truth", self.truth, TRUTH, 4.0
        for number, (name, states) in enumerate(self.estimates.items()):
            yield name, states, COLOURS[number % len(COLOURS)], 1.4


@matplotlib.rc_context(STYLE)
def animation(
    path: Path,
    time: np.ndarray,
    *,
    truth: np.ndarray,
    estimates: Mapping[str, np.ndarray],
    names: Sequence[str],
    observations: np.ndarray | None = None,
) -> None:
    """Write a GIF of the sample of median error of the first method; ANIMATED methods at most.

    time: (step,). truth and estimates: (sample, step, variable); observations likewise, NaN where there are none, or
    None for forecasts.
    """
    from matplotlib.animation import PillowWriter

    error = ((next(iter(estimates.values())) - truth) ** 2).mean(axis=(1, 2))
    sample = int(np.argsort(error)[len(error) // 2])
    shown = {name: each[sample] for name, each in list(estimates.items())[:ANIMATED]}
    seen = None if observations is None else observations[sample]
    draw = _curves if len(names) <= FEW else _ring
    figure, redraw = draw(Window(time, truth[sample], shown, seen, names))
    path.parent.mkdir(parents=True, exist_ok=True)
    redraw(len(time) - 1)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # otherwise the layout changes from frame to frame
    writer = PillowWriter(fps=FRAMES_PER_SECOND)
    with writer.saving(figure, str(path), DPI):
        for step in np.unique(np.linspace(0, len(time) - 1, FRAMES).round().astype(int)):
            redraw(int(step))
            writer.grab_frame()


def _curves(window: Window) -> tuple[Figure, Redraw]:
    """The plane of the first and the last variable on the left, a curve of each variable on the right."""
    time, truth, names = window.time, window.truth, window.names
    figure = Figure(figsize=(12, 5.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.3], squeeze=False)[0]
    plane = left.subplots()
    rows = right.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    limits = [_limits(truth[:, number]) for number in range(len(names))]
    plane.set(xlabel=names[0], ylabel=names[-1], xlim=limits[0], ylim=limits[-1])
    plane.plot(truth[:, 0], truth[:, -1], color="0.9", linewidth=1)
    trails: list[tuple[np.ndarray, Line2D, Line2D]] = []
    curves: list[tuple[np.ndarray, Line2D]] = []
    for name, states, colour, width in window.lines():
        (trail,) = plane.plot([], [], color=colour, linewidth=width, label=name)
        (head,) = plane.plot([], [], "o", color=colour, markersize=5 + width)
        trails.append((states, trail, head))
        for row, axes in enumerate(rows):
            curves.append((states[:, row], *axes.plot([], [], color=colour, linewidth=width)))
    dots: list[tuple[np.ndarray, Line2D]] = []
    for row, axes in enumerate(rows):
        axes.set(ylabel=names[row], xlim=(time[0], time[-1]), ylim=limits[row])
        if window.seen is not None:
            dots.append((window.seen[:, row], *axes.plot([], [], "k.", markersize=7, label="observations", zorder=5)))
    rows[-1].set_xlabel("time (time units)")
    handles = [*plane.get_legend_handles_labels()[0], *rows[0].get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside upper center", ncols=5, frameon=False)

    def redraw(step: int) -> None:
        tail = slice(max(0, step - TRAIL), step + 1)
        for states, trail, head in trails:
            trail.set_data(states[tail, 0], states[tail, -1])
            head.set_data(states[step : step + 1, 0], states[step : step + 1, -1])
        for values, line in [*curves, *dots]:
            line.set_data(time[: step + 1], values[: step + 1])

    return figure, redraw


def _ring(window: Window) -> tuple[Figure, Redraw]:
    """The variables along the ring, at one time."""
    places = np.arange(len(window.names))
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots()
    lines: list[tuple[np.ndarray, Line2D]] = []
    for name, states, colour, width in window.lines():
        lines.append((states, axes.plot(places, states[0], color=colour, linewidth=width, label=name)[0]))
    if window.seen is not None:
        (dots,) = axes.plot(places, window.seen[0], "k.", markersize=8, label="observations", zorder=5)
        lines.append((window.seen, dots))
    axes.set(xlabel="variable", xlim=(0, places[-1]), ylim=_limits(window.truth))
    figure.legend(loc="outside upper center", ncols=5, frameon=False)
    title = axes.set_title("time 00.00", fontsize=11)

    def redraw(step: int) -> None:
        for states, line in lines:
            line.set_ydata(states[step])
        title.set_text(f"time {window.time[step]:.2f}")

    return figure, redraw


def _limits(values: np.ndarray) -> tuple[float, float]:
    """The range of values, with a margin."""
    low, high = float(values.min()), float(values.max())
    margin = 0.15 * (high - low) or 1.0
    return low - margin, high + margin
