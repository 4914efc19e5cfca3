"""Figures of many small images side by side."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlgd.plotting.style import STYLE

GAP = 2  # pixels between two images


def mosaic(images: np.ndarray) -> np.ndarray:
    """Return images (row, column, y, x) as one image, with NaN between them."""
    rows, columns, height, width = images.shape
    whole = np.full((rows, height + GAP, columns, width + GAP), np.nan)
    whole[:, :height, :, :width] = images.transpose(0, 2, 1, 3)
    return whole.reshape(rows * (height + GAP), columns * (width + GAP))[:-GAP, :-GAP]


def draw_mosaic(
    axes: Axes, images: np.ndarray, *, rows: Sequence[str] = (), columns: Sequence[str] = (), bound: float = 1.0
) -> None:
    """Draw images (row, column, y, x) with the names of rows and columns; 0 is black, `bound` is white."""
    height, width = images.shape[2] + GAP, images.shape[3] + GAP
    axes.imshow(mosaic(images), cmap="gray", vmin=0, vmax=bound, interpolation="nearest")
    axes.set_yticks(height * np.arange(len(rows)) + images.shape[2] / 2 - 0.5, rows)
    axes.set_xticks(width * np.arange(len(columns)) + images.shape[3] / 2 - 0.5, columns)
    axes.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)
    if any(len(name) > 8 for name in columns):
        axes.tick_params(axis="x", labelrotation=35)
        for label in axes.get_xticklabels():
            label.set(ha="left", rotation_mode="anchor")
    axes.spines[:].set_visible(False)


@matplotlib.rc_context(STYLE)
def grid(
    images: np.ndarray, *, title: str, rows: Sequence[str] = (), columns: Sequence[str] = (), inches: float = 0.7
) -> Figure:
    """Return a figure of images (row, column, y, x) in [0, 1], each of them `inches` wide."""
    names = 0.1 * max(map(len, rows), default=0)
    width = max(inches * images.shape[1] + names + 0.2, 0.085 * len(title))
    above = 0.5 + 0.1 * max(map(len, columns), default=0) * (len(columns) > 0)
    figure = Figure(figsize=(max(width, 4), inches * images.shape[0] + above), layout="compressed")
    axes = figure.subplots()
    draw_mosaic(axes, images, rows=rows, columns=columns)
    axes.set_title(title)
    return figure
