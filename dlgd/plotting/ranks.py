"""Where the truth lies among the members of an ensemble: as often between any two, if they are drawn from one law.

A histogram that is high at both ends tells of too small a spread, one that is high in the middle of too large a one,
and a slope of a bias (Hamill 2001, Mon. Weather Rev. 129, 550-560).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from dlgd.plotting.style import COLOURS, STYLE, save

MOST = 40  # bars


@matplotlib.rc_context(STYLE)
def draw(path: Path, ranks: Mapping[str, np.ndarray]) -> None:
    """A PNG with a panel for each method; ranks (N + 1,) are how often so many of N members lay below the truth."""
    figure = Figure(figsize=(1 + 4.5 * len(ranks), 4.0), layout="constrained")
    panels = figure.subplots(1, len(ranks), squeeze=False)[0]
    for axes, (name, counts), colour in zip(panels, ranks.items(), COLOURS * len(ranks), strict=False):
        heights, edges = relative(np.asarray(counts, dtype=float))
        axes.bar(edges[:-1], heights, np.diff(edges), align="edge", color=colour, edgecolor="white", linewidth=0.5)
        axes.axhline(1.0, color="0.3", linestyle="--", linewidth=1)
        axes.set(title=name, xlabel="share of members below the truth", xlim=(0, 1))
    panels[0].set(ylabel="frequency relative to equal probabilities")
    save(path, figure)


def relative(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies over those of equal probabilities, and the edges of their bars in 0 .. 1: neighbours are put
    together, about equally many, where there are more than MOST."""
    groups = np.array_split(counts, min(MOST, len(counts)))
    sizes = np.array([len(group) for group in groups])
    heights = np.array([group.sum() for group in groups]) / sizes * len(counts) / max(counts.sum(), 1.0)
    return heights, np.concatenate([[0.0], np.cumsum(sizes)]) / len(counts)
