"""Figures of the lower layer's streamfunction that is inferred from the surface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from dlgd.plotting.style import STYLE
from dlgd.plotting.trajectories import draw_lines
from dlgd.problems.ssh import figures as draw
from dlgd.problems.ssh.data.periodic_windows import places
from dlgd.problems.ssh.scores.maps import Maps
from dlgd.problems.ssh.scores.periodic_spectra import PeriodicSpectra

if TYPE_CHECKING:
    import xarray as xr

UNIT = 1e3  # m2/s, of the colour bars
WAVELENGTHS = (1000, 500, 200, 100, 50)  # km, labelled
SHARE = 1e-6  # of the variance: shorter waves of less energy are not drawn


@matplotlib.rc_context(STYLE)
def streamfunctions(sample: xr.Dataset, truth: np.ndarray, answers: Mapping[str, np.ndarray]) -> Figure:
    """One day: the truth and the answer of each method; below, the map of the surface, and the errors.

    truth, answers: (lat, lon), m2/s.
    """
    shown = dict(list(answers.items())[: draw.PANELS])
    ssh = sample.ssh.values[places(sample)[0]]
    frame = Maps(sample.time.values, sample.lat.values, sample.lon.values, truth[None], ssh[None])
    figure, grid = draw._panels(frame, 2, len(shown) + 1)
    high, height = draw._largest(truth) / UNIT, draw._largest(ssh)
    above = {"truth, lower layer": truth, **shown}
    errors = {f"error of {name}": each - truth for name, each in shown.items()}
    currents, *_ = [
        draw._map(axes, frame, field / UNIT, (-high, high), draw.TURNING, name)
        for axes, (name, field) in zip(grid[0], above.items(), strict=True)
    ]
    surface = draw._map(grid[1, 0], frame, ssh, (-height, height), draw.HEIGHTS, "surface, as seen")
    for axes, (name, field) in zip(grid[1, 1:], errors.items(), strict=True):
        draw._map(axes, frame, field / UNIT, (-high, high), draw.TURNING, name)
    label = "streamfunction and its errors (1000 m²/s)"
    figure.colorbar(currents, ax=list(grid.flat), label=label, extend="both", shrink=0.9, pad=0.01)
    below = grid[1, 0].inset_axes((0, -0.24, 1, 0.06))  # the one panel that is no streamfunction
    figure.colorbar(surface, cax=below, orientation="horizontal", label="surface height (m)", extend="both")
    figure.suptitle(draw._date(sample.time.values[0]))
    return figure


@matplotlib.rc_context(STYLE)
def errors_by_wavelength(found: Mapping[str, PeriodicSpectra]) -> Figure:
    """The variance of the error over that of the truth, and the correlation, of each method by wavelength."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    first = next(iter(found.values()))
    drawn = (first.truth > SHARE * first.truth.sum()).nonzero()[0]
    waves = slice(0, drawn[-1] + 1)
    draw_lines(left, first.wavelength[waves], {name: (one.error / one.truth)[waves] for name, one in found.items()})
    draw_lines(right, first.wavelength[waves], {name: one.correlations[waves] for name, one in found.items()})
    left.axhline(0.5, color="0.5", linewidth=1, zorder=0)
    left.set(ylabel="variance of error / variance of truth", ylim=(0, 1.25))
    right.set(ylabel="correlation with the truth", ylim=(-0.1, 1))
    for axes in (left, right):
        axes.set(xscale="log", xlabel="wavelength (km)", xlim=(first.wavelength[0], first.wavelength[waves][-1]))
        axes.set_xticks([length for length in WAVELENGTHS if length >= first.wavelength[waves][-1]])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure
