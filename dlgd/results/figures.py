"""Figures of an experiment's rows: scores beside printed ones, and their convergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, MaxNLocator, NullLocator

from dlgd.plotting.style import STYLE
from dlgd.results.comparison import Row, short_names

Curve = Sequence[tuple[int, float]]  # (step, value)


@matplotlib.rc_context(STYLE)
def draw_scores(rows: Sequence[Row], names: Sequence[str], *, source: str | None) -> Figure:
    """Draw a panel for each score: each seed, mean and spread, and the printed figure, on a log axis.

    Rows that differ in one number, such as model.layers=10, stand at that number.
    """
    key, labels, numbers = _positions(rows)
    longest = max(map(len, labels))
    figure = Figure(figsize=(max(4.2, 1.1 * len(rows) + 1.6) * len(names), 5.2 + 0.05 * longest), layout="constrained")
    legend: dict[str, Artist] = {}
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _panel(axes, rows, name, np.arange(len(rows)) if numbers is None else numbers, joined=numbers is not None)
        axes.set(yscale="log", title=name, xlabel=key)
        if numbers is None:
            slant = {"rotation": 30, "ha": "right"} if longest > 9 else {}
            axes.set_xticks(range(len(rows)), labels, **slant)
            axes.set_xlim(-0.6, len(rows) - 0.4)
        else:
            if min(numbers) > 0 and max(numbers) > 10 * min(numbers):
                axes.set_xscale("log")
            axes.set_xticks(numbers, labels)
            axes.tick_params(axis="x", which="minor", bottom=False)
        _readable(axes)
        legend |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    texts = [f"printed ({source})" if text == "printed" else text for text in legend]
    figure.legend(legend.values(), texts, loc="outside lower center", ncols=len(texts), frameon=False)
    return figure


def _panel(axes: Axes, rows: Sequence[Row], name: str, places: np.ndarray, *, joined: bool) -> None:
    line = "-" if joined else "none"
    placed = [(place, row, row.mean(name)) for place, row in zip(places, rows, strict=True)]
    measured = [(place, row, mean) for place, row, mean in placed if mean is not None]
    if measured:
        axes.errorbar(
            [place for place, _, _ in measured],
            [mean for _, _, mean in measured],
            yerr=[row.spread(name) or 0.0 for _, row, _ in measured],
            fmt="o",
            linestyle=line,
            color="C0",
            markersize=9,
            capsize=5,
            label="here: mean and spread over seeds",
        )
    for place, row, _ in measured:
        axes.plot([place] * len(row.values(name)), row.values(name), ".", color="black", markersize=4)
    printed = [(place, row.published[name]) for place, row in zip(places, rows, strict=True) if name in row.published]
    if printed:
        axes.plot(*np.transpose(printed), "s", linestyle=line, color="C1", fillstyle="none", ms=9, label="printed")


def _readable(axes: Axes) -> None:
    """Give a log axis numbers and grid lines, also where it spans less than two powers of ten."""
    low, high = axes.get_ylim()
    if high < 3 * low:
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    elif high < 100 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5) if high < 10 * low else (1, 2, 5)))
        axes.yaxis.set_major_formatter(LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(np.inf, np.inf)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.3, axis="y")


def _positions(rows: Sequence[Row]) -> tuple[str, list[str], np.ndarray | None]:
    """Return the setting in which the rows differ, a label for each, and their places if that setting is a number."""
    key, labels = short_names([row.name for row in rows])
    if not key:
        return "", [label.replace(" ", "\n") for label in labels], None
    try:
        numbers = np.array(labels, dtype=np.float64)
    except ValueError:
        numbers = None
    return key, labels, None if numbers is None or len(rows) < 2 else numbers


@matplotlib.rc_context(STYLE)
def draw_convergence(curves: Mapping[str, Mapping[str, Sequence[Curve]]]) -> Figure:
    """Draw a panel for each score, {score: {row: a curve per seed}}: thin lines for seeds, a thick one for the mean."""
    figure = Figure(figsize=(6 * len(curves), 5), layout="constrained")
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (name, rows) in zip(panels, curves.items(), strict=True):
        for number, (row, seeds) in enumerate(rows.items()):
            colour = f"C{number}"
            for curve in seeds:
                axes.plot(*np.reshape(curve, (-1, 2)).T, color=colour, linewidth=0.8, alpha=0.5)
            common = sorted(set.intersection(*({step for step, _ in curve} for curve in seeds)))
            mean = [np.mean([dict(curve)[step] for curve in seeds]) for step in common]
            axes.plot(common, mean, color=colour, linewidth=2.2, marker="o", markersize=4, label=row)
        axes.set(yscale="log", xlabel="step", title=f"validation {name}")
        _readable(axes)
    handles = panels[-1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=min(len(handles[1]), 3), frameon=False)
    return figure
