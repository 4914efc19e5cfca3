"""Figures of the codes that methods go through: a network's latent numbers, or amplitudes of EOFs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlgd.core.contract import Coder
from dlgd.plotting.mosaics import grid
from dlgd.plotting.style import CLASS_COLOURS, COLOURS, MARKERS, STYLE

ROWS = 10  # code numbers in a traversal, those that vary most
STEPS = np.linspace(-2, 2, 9)  # of a traversal, in standard deviations
SIDE = 20  # images along a side of a manifold
DRAWN = (6, 12)  # rows and columns of images decoded from random codes
POINTS = 2000  # in a scatter plot


@matplotlib.rc_context(STYLE)
def scatter(codes: Mapping[str, np.ndarray], labels: np.ndarray | None, names: Sequence[str]) -> Figure:
    """The codes (sample, size) of every method, coloured by class: their numbers, or the two directions in which they
    vary most."""
    figure = Figure(figsize=(5.2 * len(codes) + 1.2, 5.2), layout="constrained")
    grid_of_axes = figure.subplots(1, len(codes), squeeze=False)[0]
    for axes, (method, values) in zip(grid_of_axes, codes.items(), strict=True):
        plane, captions = _plane(values)
        plane, shown = plane[:POINTS], None if labels is None else labels[:POINTS]
        if shown is None:
            axes.scatter(*plane.T, s=8, color=COLOURS[0], alpha=0.6)
        else:
            _by_class(axes, plane, shown, names)
        axes.set(title=f"codes of {method}, {len(plane)} samples", xlabel=captions[0], ylabel=captions[1])
        axes.grid(alpha=0.3)
    if labels is not None:
        handles, texts = grid_of_axes[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside right center", frameon=False, markerscale=2.5)
    return figure


def _by_class(axes: Axes, plane: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
    """Draw the points in the colour of their class, and the name of each class at the median of its points."""
    for number, name in enumerate(names):
        members = plane[labels == number]
        colour = CLASS_COLOURS[number % len(CLASS_COLOURS)]
        axes.scatter(*members.T, s=8, color=colour, alpha=0.7, label=name)
        if len(members):
            box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colour, "alpha": 0.85}
            x, y = np.median(members, axis=0)
            axes.annotate(name, (x, y), ha="center", va="center", fontsize=9, bbox=box)


def _plane(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Return codes (sample, size) as points (sample, 2), and the captions of the two axes."""
    if codes.shape[1] == 1:
        return np.column_stack([codes, np.zeros(len(codes))]), ("number 1", "")
    if codes.shape[1] == 2:
        return codes, ("number 1", "number 2")
    centred = codes - codes.mean(axis=0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    shares = 100 * scales**2 / max((scales**2).sum(), np.finfo(float).tiny)
    captions = [f"principal axis {n + 1} of {codes.shape[1]} numbers ({shares[n]:.0f} % of variance)" for n in (0, 1)]
    return centred @ axes[:2].T, (captions[0], captions[1])


def traversal(coder: Coder, codes: np.ndarray, *, method: str) -> Figure:
    """Images decoded while one number of the code changes and the others stay at their means.

    The numbers that vary most are shown.
    """
    mean, std = codes.mean(axis=0), codes.std(axis=0)
    rows = np.sort(np.argsort(-std, kind="stable")[:ROWS])
    moved = np.tile(mean, (len(rows), len(STEPS), 1))
    for row, number in enumerate(rows):
        moved[row, :, number] += STEPS * std[number]
    which = "" if len(rows) == codes.shape[1] else f", the {len(rows)} of {codes.shape[1]} that vary most"
    return grid(
        _decoded(coder, moved),
        title=f"{method}: one number of the code changed{which}",
        rows=[f"number {number + 1}" for number in rows],
        columns=[f"{step:+g} std" if step else "mean" for step in STEPS],
    )


def manifold(coder: Coder, codes: np.ndarray, *, method: str) -> Figure:
    """Images decoded from a plane of codes of two numbers, at the quantiles of Gaussians.

    The Gaussians have the means and standard deviations of the codes; Kingma and Welling 2014, Auto-encoding
    variational Bayes, figure 4, take 0 and 1.
    """
    from scipy.stats import norm

    units = norm.ppf((np.arange(SIDE) + 0.5) / SIDE)
    mean, std = codes.mean(axis=0), codes.std(axis=0)
    first, second = np.meshgrid(mean[0] + std[0] * units, mean[1] + std[1] * units[::-1])
    images = _decoded(coder, np.stack([first, second], axis=-1))
    figure = grid(images, title=f"{method}: the plane of its codes, at quantiles of a Gaussian", inches=0.4)
    captions = [f"number {n + 1} (mean {mean[n]:.2g}, standard deviation {std[n]:.2g})" for n in (0, 1)]
    figure.axes[0].set(xlabel=captions[0], ylabel=captions[1])
    return figure


def drawn(coder: Coder, codes: np.ndarray, *, method: str) -> Figure:
    """Images decoded from random codes, drawn from a Gaussian with the mean and the covariance of the codes."""
    rng = np.random.default_rng(0)
    covariance = np.atleast_2d(np.cov(codes, rowvar=False))
    random = rng.multivariate_normal(codes.mean(axis=0), covariance, DRAWN, method="eigh")
    return grid(
        _decoded(coder, random), title=f"{method}: decoded from random codes, Gaussian like those of the images"
    )


def _decoded(coder: Coder, codes: np.ndarray) -> np.ndarray:
    """(row, column, size) -> images (row, column, y, x)."""
    images = np.asarray(coder.decode(codes.reshape(-1, codes.shape[-1])))
    return images.reshape(*codes.shape[:2], *images.shape[-2:])


@matplotlib.rc_context(STYLE)
def explained(shares: Mapping[str, np.ndarray]) -> Figure:
    """Share of the training samples' variance that each mode explains, and the cumulative share."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    each, sums = figure.subplots(1, 2)
    for number, (name, values) in enumerate(shares.items()):
        modes = np.arange(1, len(values) + 1)
        style = {
            "color": COLOURS[number % len(COLOURS)],
            "marker": MARKERS[number % len(MARKERS)],
            "markersize": 9 - 3 * min(number, 2),  # methods of the same data lie on one another
            "label": name,
        }
        each.plot(modes, 100 * values, **style)
        sums.plot(modes, 100 * np.cumsum(values), **style)
    each.set(xlabel="EOF", ylabel="explained variance (%)", ylim=(0, None))
    sums.set(xlabel="number of EOFs", ylabel="explained variance of their sum (%)", ylim=(0, 100))
    for axes in (each, sums):
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    sums.legend(frameon=False, loc="lower right")
    return figure
