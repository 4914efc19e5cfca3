"""What accuracy costs: the error of each method against the seconds that it takes for one sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

from dlgd.plotting.style import STYLE, save

if TYPE_CHECKING:
    from dlgd.core.score import Score

FEWEST = 3  # methods that make a figure


def cost(rows: Sequence[Mapping[str, Any]], score: Score, path: Path, *, title: str) -> None:
    """Save a PNG of one score against seconds per sample on log axes (a score of which more is better on a linear
    one); see `scoring.score` for the rows.

    Methods that differ in a number only, "randomization 100" and "randomization 1000", are joined by a line.
    A score of zero has no place on the axis: the method is named below it.
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
        for name, members in _families(drawn).items():
            seconds, scores = [row["seconds_per_sample"] for row in members], [row[score.name] for row in members]
            (line,) = axes.plot(seconds, scores, marker="o", markersize=8, label=name)
            for row, x, y in zip(members, seconds, scores, strict=True):
                number = row["method"].removeprefix(name).strip()
                axes.annotate(
                    number, (x, y), xytext=(6, 6), textcoords="offset points", fontsize=10, color=line.get_color()
                )
        note = f"\n0, and therefore not drawn: {', '.join(perfect)}" if perfect else ""
        axes.margins(0.15, 0.1)  # room for the numbers beside the last points
        axes.set(xscale="log", yscale=scale, xlabel=f"seconds per sample{note}", ylabel=score.heading, title=title)
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right upper", frameon=False)
    save(path, figure)


def _families(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Methods by their name without its number, each family from the quickest to the slowest."""
    families: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        families.setdefault(_family(row["method"]), []).append(row)
    return {name: sorted(members, key=lambda row: row["seconds_per_sample"]) for name, members in families.items()}


def _family(name: str) -> str:
    head, _, last = name.rpartition(" ")
    try:
        float(last)
    except ValueError:
        return name
    return head
