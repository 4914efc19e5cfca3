"""Figures of tracks: maps from tracks alone, where no truth is known, with expected errors; and a swath with and
without the errors that its lines share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from dlgd.plotting.style import STYLE
from dlgd.problems.ssh import figures as draw
from dlgd.problems.ssh.days import DAY
from dlgd.problems.ssh.methods import swath_errors
from dlgd.problems.ssh.methods.swath_errors import SwathErrors
from dlgd.problems.ssh.scores.maps import Maps

if TYPE_CHECKING:
    import xarray as xr

AROUND = 3.5  # days before and after a map whose tracks are drawn
EXPECTED = "viridis"
PASS = np.timedelta64(10, "m")  # at least between two passes
FEWEST = 50  # points of a swath that are worth a figure


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


def longest_pass(samples: xr.Dataset) -> np.ndarray:
    """The places in the table of the pass of a swath with the most points over the samples' maps, in order of time;
    empty where there is no pass."""
    time = samples.track_time.values
    there = np.isfinite(samples.track_across.values)
    for axis, values in (("lat", samples.lat.values), ("lon", samples.lon.values)):
        points = samples[f"track_{axis}"].values
        there &= (points >= values[0]) & (points <= values[-1])
    there &= (time >= samples.time.values[0]) & (time <= samples.time.values[-1])
    (some,) = np.nonzero(there)
    if len(some) == 0:
        return some
    breaks = np.flatnonzero(np.abs(np.diff(time[some])) > PASS) + 1
    return max(np.split(some, breaks), key=len)


@matplotlib.rc_context(STYLE)
def swath(samples: xr.Dataset, name: str, maps: np.ndarray, errors: SwathErrors) -> Figure | None:
    """A pass of a swath: observed; without the errors that its lines share, as a method's maps tell these; the truth;
    and the errors before and after, in titles with their root mean squares. None where no pass is complete.

    maps: (sample, lat, lon) m, of the method `name`.
    """
    some = longest_pass(samples)
    truth, known = (swath_errors.at_points(samples, each, some) for each in (samples.ssh.values, maps))
    some, truth = (values[np.isfinite(truth) & np.isfinite(known)] for values in (some, truth))
    if len(some) < FEWEST:
        return None
    observed = samples.track_ssh.values[some].astype(float)
    calibrated = observed - swath_errors.of_points(samples, maps, errors, some)
    first = samples.track_time.values[some].min()
    along = swath_errors.SPEED * ((samples.track_time.values[some] - first) / np.timedelta64(1, "s"))
    across = samples.track_across.values[some]
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    axes = figure.subplots(5, 1, sharex=True, sharey=True)
    middle, spread = float(truth.mean()), draw._largest(truth - truth.mean())
    wrong = [observed - truth, calibrated - truth]
    rms = [f"{100 * np.sqrt((values**2).mean()):.1f} cm" for values in wrong]
    largest = draw._largest(wrong[0])
    height, error = (draw.HEIGHTS, middle - spread, middle + spread), (draw.ERRORS, -largest, largest)
    panels = [
        ("observed", observed, height),
        (f"calibrated by {name}", calibrated, height),
        ("truth", truth, height),
        (f"observed less truth: {rms[0]}", wrong[0], error),
        (f"calibrated less truth: {rms[1]}", wrong[1], error),
    ]
    images = []
    for one, (title, values, (colours, low, high)) in zip(axes, panels, strict=True):
        images.append(
            one.scatter(along, across, 14, values, marker="s", cmap=colours, vmin=low, vmax=high, linewidths=0)
        )
        one.set(title=title, facecolor=draw.UNSEEN)
    for some_axes, image, label in ((axes[:3], images[0], "height (m)"), (axes[3:], images[3], "error (m)")):
        figure.colorbar(image, ax=list(some_axes), label=label, extend="both", pad=0.01)
    axes[2].set_ylabel("distance to the right of the track (km)")
    axes[-1].set_xlabel("distance along the track (km)")
    figure.suptitle(draw._date(first))
    return figure
