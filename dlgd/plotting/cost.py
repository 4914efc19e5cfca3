"""A figure of accuracy and cost: the error of each method against its seconds per sample."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

from dlgd.plotting.style import MARKERS, STYLE, save

if TYPE_CHECKING:
    from dlgd.core.score import Score

FEWEST = 3  # methods; a figure of fewer says nothing
COLOURS_OF_LINES = 10  # of matplotlib; then they begin again, with another marker
LONGEST = 70  # characters in a line below the figure


def column_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[Score]) -> Score | None:
    """Return the first score that enough methods have, above zero or below, for a figure; None where there is none."""
    return next((each for each in columns if sum(bool(row.get(each.name)) for row in rows) >= FEWEST), None)


def cost(rows: Sequence[Mapping[str, Any]], score: Score, path: Path, *, title: str) -> None:
    """Save a PNG of one score against seconds per sample.

    Both axes are logarithmic, but that of a score of which more is better is linear. Methods whose names differ only in
    a number, "randomization 100" and "randomization 1000", are joined by a line. A method with a score of zero, which a
    logarithmic axis cannot show, is named below the figure.

    rows: see `scoring.score`.
    """
    from matplotlib.figure import Figure

    scale = "linear" if score.higher_is_better else "log"
    perfect = [row["method"] for row in rows if row.get(score.name) == 0 and scale == "log"]
    drawn = [
        row
        for row in rows
        if row.get(score.name) is not None and row["method"] not in perfect and row["seconds_per_sample"] > 0
    ]
    with matplotlib.rc_context(STYLE):
        longest = max((len(name) for name in _families(drawn)), default=0)
        figure = Figure(figsize=(7.2 + 0.09 * longest, 5.5), layout="constrained")
        axes = figure.subplots()
        for place, (name, members) in enumerate(_families(drawn).items()):
            seconds, scores = [row["seconds_per_sample"] for row in members], [row[score.name] for row in members]
            (line,) = axes.plot(seconds, scores, marker=MARKERS[place // COLOURS_OF_LINES], ms=8, label=name)
            for row, x, y in zip(members, seconds, scores, strict=True):
                number = row["method"].removeprefix(name).strip()
                axes.annotate(
                    number, (x, y), xytext=(6, 6), textcoords="offset points", fontsize=10, color=line.get_color()
                )
        note = "".join(f"\n{line}" for line in _note(perfect))
        axes.margins(0.15, 0.1)  # room for the numbers beside the last points
        axes.set(xscale="log", yscale=scale, xlabel=f"seconds per sample{note}", ylabel=score.heading, title=title)
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right upper", frameon=False)
    save(path, figure)


def _note(perfect: Sequence[str]) -> list[str]:
    """Return lines below the figure that name the methods without a point."""
    return textwrap.wrap(f"0, and therefore not drawn: {', '.join(perfect)}", LONGEST) if perfect else []


def _families(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the rows by the method's name, each family in the order of its numbers.

    Methods whose names differ in a number alone are a family, which has no number. Seconds are no order: those of two
    tolerances may be the same, and a line that follows them goes back and forth.
    """
    families: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        families.setdefault(_family(row["method"]), []).append(row)
    return {
        name if len(members) > 1 else members[0]["method"]: sorted(members, key=lambda row: _number(row["method"]))
        for name, members in families.items()
    }


def _family(name: str) -> str:
    return name if math.isnan(_number(name)) else name.rpartition(" ")[0]


def _number(name: str) -> float:
    """Return the number at the end of a method's name, NaN where there is none."""
    head, _, last = name.rpartition(" ")
    try:
        return float(last) if head else math.nan
    except ValueError:
        return math.nan
