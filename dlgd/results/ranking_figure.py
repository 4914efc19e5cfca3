"""A figure of a table: the rows stand one below the other, the scores side by side.

Places are computed in inches, and all points of one kind are one artist: Matplotlib's own layout, and an artist for
each point, would take seconds for 40 rows.
"""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dlgd.core.number_format import scientific
from dlgd.plotting.style import STYLE
from dlgd.results.comparison import Comparison, Row, short_names

MOST = 40  # rows in the figure; the table and its CSV have all
LONGEST = 56  # characters in a line of a row's name
NETWORK, METHOD, PRINTED = "C0", "C2", "C1"  # colours

# Inches.
LETTER, LINE, BETWEEN = 0.105, 0.2, 0.12  # of the names of rows: width, height, and room between two
PANEL, GAP, TOP, BOTTOM = 3.2, 0.45, 0.7, 0.75
LEGEND_SIGN, LEGEND_LINE = 0.65, 0.26


@matplotlib.rc_context(STYLE)
def draw_ranking(table: Comparison, *, source: str | None) -> Figure:
    """Draw a panel for each score: each seed, mean and spread, the mark of significance, and the printed figure."""
    rows = table.rows[:MOST]
    key, names = short_names([row.name for row in rows])
    lines = [textwrap.wrap(name, LONGEST, break_on_hyphens=False) or [""] for name in names]
    heights = [BETWEEN + LINE * len(name) for name in lines]
    places = [sum(heights[:number]) + height / 2 for number, height in enumerate(heights)]
    left = LETTER * max(len(line) for name in lines for line in name) + (0.5 if key else 0.2)
    width = left + len(table.scores) * (PANEL + GAP)
    figure = Figure(figsize=(width, TOP + sum(heights) + BOTTOM))
    panels = figure.subplots(1, len(table.scores), squeeze=False)[0]
    legend: dict[str, Artist] = {}
    for axes, score in zip(panels, table.scores, strict=True):
        _panel(axes, table, dict(zip(places, rows, strict=True)), score)
        axes.set(ylim=(sum(heights), 0), yticks=[])
        legend |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    panels[0].set_yticks(places, ["\n".join(name) for name in lines], linespacing=1.05)
    panels[0].set_ylabel(key)
    if len(rows) < len(table.rows):
        figure.text(0.01, 1 - 0.15 / figure.get_figheight(), f"{len(rows)} of {len(table.rows)} rows", va="top")
    more = _legend(figure, legend, source)
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=left / width,
        right=1 - GAP / width,
        top=1 - TOP / height,
        bottom=(BOTTOM + more) / height,
        wspace=GAP / PANEL,
    )
    return figure


def _legend(figure: Figure, legend: Mapping[str, Artist], source: str | None) -> float:
    """Draw the legend below the panels, in as many columns as fit. Returns the inches by which the figure grows."""
    texts = [f"printed ({source})" if text == "printed" and source else text for text in legend]
    column = LEGEND_SIGN + LETTER * max(map(len, texts), default=1)
    columns = max(1, min(len(texts), int(figure.get_figwidth() / column)))
    more = LEGEND_LINE * -(-len(texts) // columns)
    figure.set_figheight(figure.get_figheight() + more)
    figure.legend(legend.values(), texts, loc="lower center", ncols=columns, frameon=False)
    return more


def _panel(axes: Axes, table: Comparison, rows: Mapping[float, Row], score: str) -> None:
    best, differences = table.best(score), table.differences(score)
    networks = {place: row for place, row in rows.items() if row.seeded and row.values(score)}
    methods = {place: row for place, row in rows.items() if not row.seeded and row.values(score)}
    printed = {place: row for place, row in rows.items() if score in row.published}
    for place in rows:
        axes.axhline(place, color="0.9", linewidth=0.8, zorder=0)
    if networks:
        means = [statistics.fmean(row.values(score)) for row in networks.values()]
        spreads = [row.spread(score) or 0.0 for row in networks.values()]
        label = "network: mean and spread over seeds"
        axes.errorbar(means, list(networks), xerr=spreads, fmt="o", color=NETWORK, ms=6, capsize=4, label=label)
        seeds = [(value, place) for place, row in networks.items() for value in row.values(score)]
        axes.plot(*zip(*seeds, strict=True), ".", color="black", markersize=4, label="each seed")
    if methods:
        means = [statistics.fmean(row.values(score)) for row in methods.values()]
        axes.plot(means, list(methods), "D", color=METHOD, markersize=6, label="classical method")
    if printed:
        figures = [row.published[score] for row in printed.values()]
        axes.plot(figures, list(printed), "s", color=PRINTED, fillstyle="none", markersize=9, label="printed")
    for place, row in rows.items():
        if row is best:
            axes.plot(
                [statistics.fmean(row.values(score))],
                [place],
                "o",
                color="black",
                fillstyle="none",
                ms=14,
                label="best here",
            )
    # The stars beside the panel are points: text is slow to draw.
    marks = {place: differences[row.name].mark for place, row in rows.items() if row.name in differences}
    stars = [(1 + 0.04 * (n + 1), place) for place, mark in marks.items() for n in range(len(mark))]
    if stars:
        axes.plot(
            *zip(*stars, strict=True),
            "*",
            color="black",
            markersize=7,
            transform=axes.get_yaxis_transform(),
            clip_on=False,
            label="one star p < 0.05, two p < 0.01",
        )
    _scale(axes, [number for row in rows.values() for number in [*row.values(score), row.published.get(score)]])
    less = {True: "more is better", False: "less is better", None: ""}[table.higher.get(score, False)]
    axes.set(title=score, xlabel=less)
    axes.grid(alpha=0.3, axis="x")


def _scale(axes: Axes, numbers: Sequence[float | None]) -> None:
    """Make the axis logarithmic, with a few plain numbers, where the values span more than a factor of three."""
    present = [number for number in numbers if number is not None]
    if not present or min(present) <= 0 or max(present) < 3 * min(present):
        return
    narrow = max(present) < 30 * min(present)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=6))
    axes.xaxis.set_minor_locator(NullLocator() if narrow else LogLocator(subs=(2, 5), numticks=20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


def _plain(value: float) -> str:
    """Return a number as the axis shows it: 0.02, 300, 2.00e-5."""
    return f"{value:g}" if 1e-3 <= value < 1e4 else scientific(value)
