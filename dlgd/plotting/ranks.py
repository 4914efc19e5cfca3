"""Rank histograms: how often the truth is at each rank among the members of an ensemble.

If the truth and the members come from one distribution, all ranks are equally frequent. A histogram that is high at
both ends shows too small a spread, one that is high in the middle too large a spread, and a slope shows a bias (Hamill
2001, Mon. Weather Rev. 129, 550-560).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from dlgd.plotting.style import COLOURS, STYLE, save

MOST = 40  # bars in a histogram


@matplotlib.rc_context(STYLE)
def draw(path: Path, ranks: Mapping[str, np.ndarray]) -> None:
    """Save a PNG with a panel for each method.

    ranks: by method, how often 0, 1, ..., N members were below the truth, (N + 1,).
    """
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
    """Return frequencies relative to those of equal probabilities, and the edges of their bars from 0 to 1.

    Where there are more than MOST ranks, neighbouring ranks share a bar, about equally many in each.
    """
    groups = np.array_split(counts, min(MOST, len(counts)))
    sizes = np.array([len(group) for group in groups])
    heights = np.array([group.sum() for group in groups]) / sizes * len(counts) / max(counts.sum(), 1.0)
    return heights, np.concatenate([[0.0], np.cumsum(sizes)]) / len(counts)
