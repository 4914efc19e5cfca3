"""Figures of long runs: trajectories, distributions and power spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from dlgd.plotting.style import STYLE
from dlgd.plotting.trajectories import attractor, draw_lines, hovmoller

BINS = 60
FEW = 3  # variables that each have a panel; the first one stands for many
STEPS = 400  # of a field that are drawn at most
LEAST_POWER = 1e-9  # of the truth's largest, in a figure
STILL = 0.01  # of the truth's standard deviation: a run that moves less has neither distribution nor spectrum


def runs(states: Mapping[str, np.ndarray], names: Sequence[str], dt: float) -> Figure:
    """The first run of each name in three dimensions; of more variables, as a field. The first name is the truth."""
    if len(names) == FEW:
        return attractor({name: each[:1] for name, each in states.items()}, names)
    (_, truth), *others = states.items()
    time = dt * np.arange(1, truth.shape[1] + 1)[:STEPS]
    return hovmoller(time, truth[0, :STEPS], None, {name: each[0, :STEPS] for name, each in others})


def moving(states: Mapping[str, np.ndarray]) -> dict[str, np.ndarray | None]:
    """Return the runs (sample, step, variable), None where they have come to rest; the first one is the truth."""
    spread = {name: float(np.sqrt(each.var(axis=1).mean())) for name, each in states.items()}
    true = next(iter(spread.values()))
    return {name: each if spread[name] > STILL * true else None for name, each in states.items()}


@matplotlib.rc_context(STYLE)
def distributions(states: Mapping[str, np.ndarray | None], names: Sequence[str]) -> Figure:
    """Histograms of (sample, step, variable), the truth filled; all variables together where there are many."""
    panels = _panels(names, "all variables")
    (_, truth), *others = states.items()
    assert truth is not None, "the truth does not come to rest"
    figure = Figure(figsize=(4 * len(panels) + 1, 4.4), layout="constrained")
    for axes, (title, which) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        true = truth[..., which].ravel()
        margin = 0.1 * (true.max() - true.min())
        edges = np.linspace(true.min() - margin, true.max() + margin, BINS + 1)
        centres = (edges[1:] + edges[:-1]) / 2
        density = np.histogram(true, edges, density=True)[0]
        axes.fill_between(centres, density, color="0.8", label="truth")
        curves = {name: each if each is None else _density(each[..., which], edges) for name, each in others}
        draw_lines(axes, centres, curves, linewidth=1.3)
        axes.set(xlabel=title, ylim=(0, 1.25 * density.max()))
    figure.axes[0].set_ylabel("density")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def _panels(names: Sequence[str], together: str) -> dict[str, slice]:
    """The variables of each panel."""
    if len(names) > FEW:
        return {together: slice(None)}
    return {name: slice(number, number + 1) for number, name in enumerate(names)}


def _density(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the density of a histogram, relative to all values, also those beyond the edges."""
    return np.histogram(values, edges)[0] / (values.size * (edges[1] - edges[0]))


@matplotlib.rc_context(STYLE)
def spectra(power: Mapping[str, np.ndarray | None], names: Sequence[str], dt: float) -> Figure:
    """Power spectra (frequency, variable), the frequency zero left out; the mean of all variables where there are
    many."""
    (_, truth), *others = power.items()
    assert truth is not None, "the truth does not come to rest"
    panels = _panels(names, "mean of variables")
    frequency = np.arange(1, len(truth) + 1) / (2 * len(truth) * dt)
    figure = Figure(figsize=(4 * len(panels) + 1, 4.4), layout="constrained")
    for axes, (title, which) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        true = truth[:, which].mean(axis=1)
        axes.plot(frequency, true, color="0.6", linewidth=4, label="truth")
        curves = {name: each if each is None else each[:, which].mean(axis=1) for name, each in others}
        draw_lines(axes, frequency, curves, linewidth=1.3)
        axes.set(xscale="log", yscale="log", xlabel="frequency (per time unit)", title=title)
        axes.set_ylim(LEAST_POWER * true.max(), 10 * true.max())
    figure.axes[0].set_ylabel("power")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure
