"""Figures of maps from tracks alone, where no truth is known: the tracks, the maps, the expected errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from dlgd.plotting.style import STYLE
from dlgd.problems.ssh import figures as draw
from dlgd.problems.ssh.days import DAY
from dlgd.problems.ssh.scores.maps import Maps

if TYPE_CHECKING:
    import xarray as xr

AROUND = 3.5  # days before and after a map whose tracks are drawn
EXPECTED = "viridis"


@matplotlib.rc_context(STYLE)
def maps_with_errors(
    samples: xr.Dataset, predictions: Mapping[str, np.ndarray], stds: Mapping[str, np.ndarray]
) -> Figure:
    """One day: the observations of a week along tracks, and the map of each method; below it, where a method has them,
    the errors that it expects, with the tracks.

    predictions, stds: (sample, lat, lon) m, by method. The day is the middle one of those with expected errors.
    """
    shown = dict(list(predictions.items())[: draw.PANELS])
    below = {name: stds[name] for name in shown if name in stds}
    some = next(iter(below.values()), next(iter(shown.values())))
    known = np.flatnonzero(np.isfinite(some).any(axis=(1, 2)))
    day = int(known[len(known) // 2])
    when = samples.time.values[day]
    maps = {name: _maps(samples, prediction[day]) for name, prediction in shown.items()}
    first = next(iter(maps.values()))
    in_a_row = len(maps) == 1  # with its expected error beside it
    rows, columns = (1, 2 + bool(below)) if in_a_row else (1 + bool(below), 1 + len(maps))
    figure, grid = draw._panels(first, rows, columns)
    above, under = (grid[0, :2], grid[0, 2:]) if in_a_row else (grid[0], grid[1:, 1:].ravel())
    middle = float(np.nanmean(first.predicted))
    high = draw._largest(first.predicted - middle)
    heights, week = (middle - high, middle + high), _points(samples, when)
    unseen = np.full(first.predicted.shape[1:], np.nan)
    image = draw._map(above[0], first, unseen, heights, draw.HEIGHTS, "observations of a week")
    draw._draw_unseen(above[0], first)
    above[0].scatter(week["lon"], week["lat"], 4, week["ssh"], cmap=draw.HEIGHTS, vmin=heights[0], vmax=heights[1])
    for axes, (name, one) in zip(above[1:], maps.items(), strict=True):
        draw._map(axes, one, one.predicted[0], heights, draw.HEIGHTS, name)
    figure.colorbar(image, ax=list(above), label="sea surface height (m)", extend="both", shrink=0.9, pad=0.01)
    if below:
        high = max(draw._largest(std[day]) for std in below.values())
        panels = dict(zip(maps, under, strict=True))
        for number, name in enumerate(maps):
            if name not in below:
                panels.pop(name).remove()
                above[number + 1].tick_params(labelbottom=True)
        for name, axes in panels.items():
            one = maps[name]
            image = draw._map(axes, one, below[name][day], (0, high), EXPECTED, f"expected error of {name}")
            axes.scatter(week["lon"], week["lat"], 0.3, "white", alpha=0.5)
        figure.colorbar(image, ax=list(panels.values()), label="its standard deviation (m)", shrink=0.9, pad=0.01)
        if not in_a_row:
            grid[1, 0].remove()
            grid[0, 0].tick_params(labelbottom=True)
    figure.suptitle(draw._date(when))
    return figure


def _maps(samples: xr.Dataset, prediction: np.ndarray) -> Maps:
    """A map (lat, lon) on its axes; it stands in for the truth, which says what is sea."""
    one = np.asarray(prediction, np.float64)[None]
    return Maps(samples.time.values[:1], samples.lat.values, samples.lon.values, one, one)


def _points(samples: xr.Dataset, when: np.datetime64) -> dict[str, np.ndarray]:
    """ssh, lat and lon (n,) of the points within the maps, near to a day, that maps may use."""
    if "track_ssh" not in samples:
        return dict.fromkeys(("ssh", "lat", "lon"), np.zeros(0))
    near = np.abs((samples.track_time.values - when) / DAY) <= AROUND
    if "held_out" in samples:
        near &= ~samples.held_out.values.astype(bool)
    for axis in ("lat", "lon"):
        values, points = samples[axis].values, samples[f"track_{axis}"].values
        near &= (points >= values[0]) & (points <= values[-1])
    return {name: samples[f"track_{name}"].values[near] for name in ("ssh", "lat", "lon")}
