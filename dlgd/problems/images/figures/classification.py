"""Figures of classes: confusion matrix, reliability of the probabilities, accuracy by class, and wrong samples."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from dlgd.plotting.style import COLOURS, MARKERS, STYLE

if TYPE_CHECKING:
    from dlgd.problems.images.scores.classification import Reliability

WRONG = (3, 8)  # rows and columns of wrong examples
FEWEST = 10  # samples from which the share of right answers is drawn


@matplotlib.rc_context(STYLE)
def confusion(counts: np.ndarray, names: Sequence[str], *, method: str) -> Figure:
    """Numbers of samples (true class, predicted class), coloured by their share of the true class."""
    size = 0.58 * len(names) + 0.08 * max(map(len, names))
    figure = Figure(figsize=(size + 2.2, size + 1.2), layout="constrained")
    axes = figure.subplots()
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # the square root shows one sample in a hundred beside the diagonal
    image = axes.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 100))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if share[row, column] > 45 else "black"
            axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=9)
    slant = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 3 else {}
    axes.set_xticks(range(len(names)), names, **slant)
    axes.set_yticks(range(len(names)), names)
    right = 100 * np.trace(counts) / counts.sum()
    axes.set(xlabel="predicted", ylabel="true", title=f"{method}: {right:.2f} % of {counts.sum()} samples are right")
    figure.colorbar(image, label="% of the true class", shrink=0.8, ticks=[0, 1, 5, 20, 50, 100])
    return figure


@matplotlib.rc_context(STYLE)
def wrong(
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], *, method: str
) -> Figure:
    """Samples for which a wrong class has the highest probability, the surest mistakes first."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    mistaken = np.flatnonzero(predicted != labels)
    shown = mistaken[np.argsort(-confidence[mistaken], kind="stable")][: WRONG[0] * WRONG[1]]
    rows = max(-(-len(shown) // WRONG[1]), 1)
    figure = Figure(figsize=(1.25 * WRONG[1], 1.75 * rows + 0.7), layout="constrained")
    grid = figure.subplots(rows, WRONG[1], squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, number in zip(grid.flat, shown, strict=False):
        axes.imshow(images[number], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        true, guess = (
            textwrap.shorten(names[int(n)], 14, placeholder="...") for n in (labels[number], predicted[number])
        )
        axes.set_title(f"is {true}\nnot {guess}\n({100 * confidence[number]:.0f} % sure)", fontsize=9)
    which = "none" if not len(mistaken) else f"the surest {len(shown)} of {len(mistaken)}"
    figure.suptitle(f"{method}, wrong among {len(labels)} samples: {which}")
    return figure


@matplotlib.rc_context(STYLE)
def reliability(curves: Mapping[str, Reliability]) -> Figure:
    """Accuracy of each method against its confidence; below, the share of samples at each confidence."""
    figure = Figure(figsize=(7, 7), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="as sure as right")
    for number, (name, curve) in enumerate(curves.items()):
        style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)], "markersize": 5}
        enough = curve.count >= FEWEST
        above.plot(
            curve.confidence[enough], curve.accuracy[enough], label=f"{name}: {100 * curve.error:.2f} %", **style
        )
        below.plot(curve.confidence, curve.count / curve.count.sum(), **style)
    above.set(ylabel="share that is right", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    below.set(xlabel="probability of the likeliest class", ylabel="share of samples", yscale="log")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    above.legend(title=f"calibration error ({FEWEST} samples a point or more)", frameon=False)
    return figure


@matplotlib.rc_context(STYLE)
def accuracy_by_class(methods: Mapping[str, Mapping[str, float]]) -> Figure:
    """Accuracy (%) of every method by class, the class that is hardest for the first method on top."""
    first = next(iter(methods.values()))
    names = sorted(first, key=lambda name: first[name], reverse=True)
    figure = Figure(figsize=(8, 0.42 * len(names) + 1.6), layout="constrained")
    axes = figure.subplots()
    for number, (method, accuracies) in enumerate(methods.items()):
        axes.plot(
            [accuracies[name] for name in names],
            range(len(names)),
            linestyle="none",
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=8,
            alpha=0.8,
            label=method,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="accuracy (%)", ylabel="class")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure
