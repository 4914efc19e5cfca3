"""Learning curves of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlgd.plotting.style import STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dlgd.core.score import Score

    ScoreOf = Callable[[str], Score | None]  # the description of a validation score, by its name

SMOOTHED_FROM = 200  # points; a longer training curve is drawn pale, with its running mean over it
LOSSES = ("train/loss", "valid/loss")
MOST = 8  # validation scores that are drawn; an evaluation gives the most important first


def learning_curves(history: Sequence[Mapping[str, float]], path: Path, *, score_of: ScoreOf) -> None:
    """Save a PNG of train/loss, the losses and other records of players, and valid/* against the step.

    A star marks the best validation of a score with a direction. Raises ValueError where there is nothing to draw.

    history: rows such as {"step": 100, "train/loss": 0.1} and {"step": 200, "valid/eps_q": 0.02}, or, with players,
        {"step": 100, "train/generator/loss": 0.7, "train/discriminator/d_real": 1.2}; other keys are not drawn.
    score_of: gives the description of a validation score by its name.
    """
    save(path, draw_learning_curves(history, score_of=score_of))


def draw_learning_curves(history: Sequence[Mapping[str, float]], *, score_of: ScoreOf) -> Figure:
    """Draw the figure of `learning_curves`: losses, then other records of players, then validation scores."""
    import matplotlib
    from matplotlib.figure import Figure

    panels = _panels(history)
    if not panels:
        raise ValueError("There is no train/loss and no valid/ record in the history to draw.")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7 * len(panels), 5), layout="constrained")
        all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (label, keys) in zip(all_axes, panels.items(), strict=True):
            for number, key in enumerate(keys[:MOST]):
                score = score_of(key.removeprefix("valid/")) if key.startswith("valid/") else None
                direction = None if score is None else score.higher_is_better
                _curve(axes, *_series(history, key), name=key, colour=f"C{number}", higher_is_better=direction)
            axes.set(xlabel="step", ylabel=label)
            drawn = np.concatenate([line.get_ydata() for line in axes.lines] or [np.zeros(1)])
            if (drawn > 0).all() and drawn.max() > 10 * drawn.min():  # else its few ticks are hard to read
                axes.set_yscale("log")
            axes.set_axisbelow(True)
            axes.grid(alpha=0.3)
            stars = "stars: best value, at step" if any(key.startswith("valid/") for key in keys) else None
            # The legend is above the axes, where it hides no curve.
            axes.legend(
                fontsize=9,
                title=stars if len(keys) <= MOST else f"{stars}; not drawn: {len(keys) - MOST} more",
                loc="lower center",
                bbox_to_anchor=(0.5, 1.0),
                ncols=1 if len(keys) < 4 else 2,
            )
    return figure


def _panels(history: Sequence[Mapping[str, float]]) -> dict[str, list[str]]:
    """Return the records to draw, by the label of their axis."""
    names = list(dict.fromkeys(key for row in history for key in row))
    players = [
        name for name in names if name.startswith("train/") and name.count("/") == 2 and not name.endswith("/lr")
    ]
    panels = {
        "loss": [name for name in (*LOSSES, *players) if name in names and name.endswith("/loss")],
        "players": [name for name in players if not name.endswith("/loss")],
        "validation score": [
            name
            for name in names
            if name.startswith("valid/")
            and name not in LOSSES
            and name.partition("_of_")[0] not in (set(names) - {name})  # no scores of single classes or variables
        ],
    }
    return {label: keys for label, keys in panels.items() if keys}


def _series(history: Sequence[Mapping[str, float]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps and the finite values of one record."""
    pairs = [(row["step"], row[key]) for row in history if np.isfinite(row.get(key, np.nan))]
    steps, values = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return steps, values


def _curve(
    axes: Axes, steps: np.ndarray, values: np.ndarray, *, name: str, colour: str, higher_is_better: bool | None
) -> None:
    """Draw one record; a star marks the best value of a validation score with a direction."""
    if len(values) == 0:
        return
    if name.startswith("valid/") and higher_is_better is None:
        axes.plot(steps, values, color=colour, marker="o", markersize=3, label=name)
    elif name.startswith("valid/"):
        best = int(values.argmax() if higher_is_better else values.argmin())
        label = f"{name}: {values[best]:.2e} at {steps[best]:.0f}"
        axes.plot(steps, values, color=colour, marker="o", markersize=3, label=label)
        axes.plot(steps[best], values[best], color=colour, marker="*", markersize=13, markeredgecolor="black")
    elif len(values) < SMOOTHED_FROM:
        axes.plot(steps, values, color=colour, label=name)
    else:
        width = len(values) // 50
        mean = np.convolve(values, np.full(width, 1 / width), mode="valid")
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(steps[width - 1 :], mean, color=colour, label=f"{name}, mean of {width} records")
