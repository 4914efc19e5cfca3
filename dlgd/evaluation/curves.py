"""Learning curves of any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMOOTHED_FROM = 200  # points; a longer training curve is drawn pale, with its running mean over it
LOSSES = ("train/loss", "valid/loss")


def learning_curves(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Save a PNG of train/loss and valid/* against step.

    history: rows such as {"step": 100, "train/loss": 0.1} and {"step": 200, "valid/eps_q": 0.02}; other
    keys are left alone. Raises ValueError where no row has anything to draw.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_learning_curves(history).savefig(path, dpi=150)


def draw_learning_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """The figure of `learning_curves`: the losses on the left, the other validation scores on the right."""
    import matplotlib
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(key for row in history for key in row))
    losses = [name for name in LOSSES if name in names]
    scores = [name for name in names if name.startswith("valid/") and name not in LOSSES]
    panels = [(label, keys) for label, keys in (("loss", losses), ("validation score", scores)) if keys]
    if not panels:
        raise ValueError("There is no train/loss and no valid/ record in the history to draw.")
    with matplotlib.rc_context({"font.size": 12}):
        figure = Figure(figsize=(7 * len(panels), 5), layout="constrained")
        all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (label, keys) in zip(all_axes, panels, strict=True):
            for number, key in enumerate(keys):
                _curve(axes, *_series(history, key), name=key, colour=f"C{number}")
            axes.set(xlabel="step", ylabel=label)
            if all((line.get_ydata() > 0).all() for line in axes.lines):
                axes.set_yscale("log")
            axes.set_axisbelow(True)
            axes.grid(alpha=0.3)
            # above the axes, where no curve can hide behind it
            axes.legend(
                fontsize=9,
                title="stars: lowest value, at step",
                loc="lower center",
                bbox_to_anchor=(0.5, 1.0),
                ncols=1 if len(keys) < 4 else 2,
            )
    return figure


def _series(history: Sequence[Mapping[str, float]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and finite values of one record."""
    pairs = [(row["step"], row[key]) for row in history if np.isfinite(row.get(key, np.nan))]
    steps, values = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return steps, values


def _curve(axes: Axes, steps: np.ndarray, values: np.ndarray, *, name: str, colour: str) -> None:
    """One record; a validation record says where it was lowest."""
    if len(values) == 0:
        return
    if name.startswith("valid/"):
        low = int(values.argmin())
        label = f"{name}: {values[low]:.2e} at {steps[low]:.0f}"
        axes.plot(steps, values, color=colour, marker="o", markersize=3, label=label)
        axes.plot(steps[low], values[low], color=colour, marker="*", markersize=13, markeredgecolor="black")
    elif len(values) < SMOOTHED_FROM:
        axes.plot(steps, values, color=colour, label=name)
    else:
        width = len(values) // 50
        mean = np.convolve(values, np.full(width, 1 / width), mode="valid")
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(steps[width - 1 :], mean, color=colour, label=f"{name}, mean of {width} records")
