"""Figures of maps of sea surface height, interpolated from observations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import ListedColormap
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from dlgd.physics.geostrophy import vorticity
from dlgd.plotting.style import COLOURS, STYLE
from dlgd.plotting.trajectories import draw_lines
from dlgd.problems.ssh.scores.maps import Maps
from dlgd.problems.ssh.scores.spectra import Spectra

LAND = "0.6"
UNSEEN = "0.86"
HEIGHTS, ERRORS, TURNING, WARMTH = "RdYlBu_r", "PuOr_r", "RdBu_r", "inferno"
PANELS = 5  # at most, methods in a figure with a panel for each
ANIMATED = 2  # at most, methods in an animation
FRAMES = 90  # at most, days of an animation
FRAMES_PER_SECOND = 6
ANIMATION_DPI = 60
INCHES = 3.0  # width of a map
EXTREME = 0.998  # quantile at which colour scales end
BINS = 12  # of predicted standard deviations


@matplotlib.rc_context(STYLE)
def height_maps(days: Mapping[str, Maps], observed: np.ndarray) -> Figure:
    """One day: truth and observations, then the map of each method and its error; (1, lat, lon) each."""
    return _draw_heights(dict(list(days.items())[:PANELS]), observed)[0]


@matplotlib.rc_context(STYLE)
def second_input(day: Maps, observed: np.ndarray, sst: np.ndarray) -> Figure:
    """One day: the true height, its observations, and the temperature as it is seen between clouds (1, lat, lon)."""
    middle, high = float(np.nanmean(day.truth)), _largest(day.truth - np.nanmean(day.truth))
    low, top = np.nanquantile(sst, (1 - EXTREME, EXTREME)) if np.isfinite(sst).any() else (0, 1)
    figure, grid = _panels(day, 1, 3)
    heights = (middle - high, middle + high)
    image = _map(grid[0, 0], day, day.truth[0], heights, HEIGHTS, "height, truth")
    _map(grid[0, 1], day, observed[0], heights, HEIGHTS, "height, observations")
    figure.colorbar(image, ax=list(grid[0, :2]), label="sea surface height (m)", extend="both", shrink=0.9, pad=0.01)
    image = _map(grid[0, 2], day, sst[0], (float(low), float(top)), WARMTH, "temperature")
    figure.colorbar(image, ax=grid[0, 2], label="sea surface temperature (°C)", extend="both", shrink=0.9, pad=0.01)
    for axes in grid[0, 1:]:
        _draw_unseen(axes, day)
    figure.suptitle(_date(day.time[0]))
    return figure


@matplotlib.rc_context(STYLE)
def vorticity_maps(days: Mapping[str, Maps]) -> Figure:
    """One day: the relative vorticity over f of the truth and of each method."""
    shown = dict(list(days.items())[:PANELS])
    first = next(iter(shown.values()))
    fields = {"truth": first.truth[0], **{name: maps.predicted[0] for name, maps in shown.items()}}
    fields = {name: vorticity(field, lat=first.lat, lon=first.lon) for name, field in fields.items()}
    columns = 2 if len(fields) == 4 else min(len(fields), 3)
    figure, grid = _panels(first, -(-len(fields) // columns), columns)
    limit = _largest(fields["truth"])
    images = [
        _map(axes, first, field, (-limit, limit), TURNING, name)
        for axes, (name, field) in zip(grid.flat, fields.items(), strict=False)
    ]
    for number, axes in enumerate(grid.flat):
        if number >= len(fields):
            axes.remove()
        axes.tick_params(labelbottom=number + columns >= len(fields))
    figure.colorbar(images[-1], ax=figure.axes, label="relative vorticity / f", extend="both", shrink=0.9)
    figure.suptitle(f"{_date(first.time[0])}, geostrophic vorticity")
    return figure


@matplotlib.rc_context(STYLE)
def rmse_in_time(time: np.ndarray, daily: Mapping[str, np.ndarray]) -> Figure:
    """The root mean square error, m, of every method on each day (datetime64)."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes = figure.subplots()
    broken = np.flatnonzero(np.diff(time) > 1.5 * np.median(np.diff(time))) + 1 if len(time) > 1 else []
    curves = {name: 100 * np.insert(values, broken, np.nan) for name, values in daily.items()}
    days = np.insert(time, broken, time[broken])
    draw_lines(axes, days, curves, linewidth=1.6, marker="." if len(time) < 60 else "")
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set(ylabel="RMSE of the day (cm)", ylim=(0, None))
    if len(time) > 1:
        axes.set_xlim(time[0], time[-1])
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


@matplotlib.rc_context(STYLE)
def spectral_scores(found: Mapping[str, Spectra]) -> Figure:
    """1 - PSD(error) / PSD(truth) of each method over wavelength and period, with the contour at 0.5."""
    shown = dict(list(found.items())[:PANELS])
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(4.0 * columns + 1.2, 3.7 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    images = [_score(axes, each, name) for axes, (name, each) in zip(grid.flat, shown.items(), strict=False)]
    for number, axes in enumerate(grid.flat):
        if number >= len(shown):
            axes.remove()
            continue
        below = number + columns >= len(shown)
        axes.tick_params(labelbottom=below)
        axes.set(xlabel="wavelength (km)" if below else "", ylabel="period (days)" if number % columns == 0 else "")
    label = "1 - PSD of error / PSD of truth"
    figure.colorbar(images[-1], ax=figure.axes, label=label, extend="min", shrink=0.9, ticks=np.linspace(0, 1, 6))
    return figure


@matplotlib.rc_context(STYLE)
def calibration(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Whether errors are as large as each method expects them to be.

    On the left, errors over their predicted standard deviations beside the normal distribution; on the right, root mean
    square errors against predicted standard deviations.
    pairs: of each method the errors and their predicted standard deviations, of any shape, m.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    across = np.linspace(-4, 4, 81)
    left.plot(across, np.exp(-(across**2) / 2) / np.sqrt(2 * np.pi), color="0.6", linewidth=4, label="normal")
    middles, found = (across[1:] + across[:-1]) / 2, {}
    for number, (name, (errors, stds)) in enumerate(pairs.items()):
        errors, stds = errors.ravel(), np.maximum(stds.ravel(), 1e-9)
        density = np.histogram(errors / stds, across)[0] / errors.size / (across[1] - across[0])
        inside = (np.abs(errors) <= stds).mean()
        style = {"color": COLOURS[number % len(COLOURS)], "label": f"{name}: {100 * inside:.0f} % within 1 std"}
        left.plot(middles, density, **style)
        edges = np.unique(np.quantile(stds, np.linspace(0, 1, BINS + 1)))
        place = np.clip(np.searchsorted(edges, stds, side="right") - 1, 0, max(len(edges) - 2, 0))
        counts = np.bincount(place)
        found[name] = [np.sqrt(np.bincount(place, values**2) / counts) for values in (stds, errors)]
        right.plot(*(100 * values for values in found[name]), marker="o", **style)
    largest = 105 * max(values.max() for pair in found.values() for values in pair)
    right.plot([0, largest], [0, largest], color="0.6", linewidth=4, zorder=0)
    left.set(xlabel="error / predicted standard deviation", ylabel="probability density")
    right.set(
        xlabel="predicted standard deviation (cm)", ylabel="RMSE there (cm)", xlim=(0, largest), ylim=(0, largest)
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure


@matplotlib.rc_context(STYLE)
def animation(path: Path, maps: Mapping[str, Maps], observed: np.ndarray) -> None:
    """A GIF of `height_maps`, day after day; colours have the same meaning on all days."""
    from matplotlib.animation import PillowWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    figure, redraw = _draw_heights(maps, observed)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # otherwise the layout changes from day to day
    writer = PillowWriter(fps=FRAMES_PER_SECOND)
    with writer.saving(figure, str(path), ANIMATION_DPI):
        for day in range(len(observed)):
            redraw(day)
            writer.grab_frame()


def _draw_heights(maps: Mapping[str, Maps], observed: np.ndarray) -> tuple[Figure, Callable[[int], None]]:
    """The figure of the first day, and a function that shows another day in it."""
    first = next(iter(maps.values()))
    middle = float(np.nanmean(first.truth))
    high = _largest(first.truth - middle)
    # the median of the methods, so that neither the worst nor the best one flattens the others
    largest = float(np.quantile([_largest(each.error) for each in maps.values()], 0.5, method="lower"))
    largest = min(max(largest, 1e-3 * high), high)
    figure, grid = _panels(first, 2, len(maps) + 1)
    heights, errors = (middle - high, middle + high), (-largest, largest)
    above = {"truth": first.truth, **{name: each.predicted for name, each in maps.items()}}
    below = {"observations": observed, **{f"error of {name}": each.error for name, each in maps.items()}}
    drawn: list[tuple[AxesImage, np.ndarray]] = []
    for axes, (name, field) in zip(grid[0], above.items(), strict=True):
        drawn.append((_map(axes, first, field[0], heights, HEIGHTS, name), field))
    for number, (axes, (name, field)) in enumerate(zip(grid[1], below.items(), strict=True)):
        scale, colours = (heights, HEIGHTS) if number == 0 else (errors, ERRORS)
        drawn.append((_map(axes, first, field[0], scale, colours, name), field))
    _draw_unseen(grid[1, 0], first)
    for row, (number, label) in enumerate([(0, "sea surface height (m)"), (-1, "error (m)")]):
        figure.colorbar(drawn[number][0], ax=list(grid[row]), label=label, extend="both", shrink=0.9, pad=0.01)
    title = figure.suptitle(_date(first.time[0]))

    def redraw(day: int) -> None:
        for image, field in drawn:
            image.set_data(field[day])
        title.set_text(_date(first.time[day]))

    return figure, redraw


def _draw_unseen(axes: Axes, maps: Maps) -> None:
    """Paint sea without observations in a lighter grey than land."""
    colours = ListedColormap([UNSEEN])
    field = np.where(maps.sea, 1.0, np.nan)
    axes.imshow(field, cmap=colours, extent=_extent(maps), origin="lower", aspect="auto", zorder=-1)
    axes.set_aspect(_aspect(maps))


def _panels(maps: Maps, rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    """A figure with so many rows and columns of maps, and their axes (row, column)."""
    west, east, south, north = _extent(maps)
    height = INCHES * _aspect(maps) * (north - south) / (east - west)
    size = (INCHES * columns + 1.4, (height + 0.45) * rows + 0.6)
    figure = Figure(figsize=size, layout="compressed")
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)


def _map(axes: Axes, maps: Maps, field: np.ndarray, scale: tuple[float, float], colours: str, title: str) -> AxesImage:
    """Draw a field (lat, lon), as wide as the sphere is at the middle latitude; land is grey."""
    axes.set_facecolor(LAND)
    axes.set_title(title)
    for axis, letters in ((axes.xaxis, "EW"), (axes.yaxis, "NS")):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(partial(_degrees, letters=letters)))
    options = {"origin": "lower", "interpolation": "nearest", "extent": _extent(maps), "aspect": _aspect(maps)}
    return axes.imshow(field, cmap=colours, vmin=scale[0], vmax=scale[1], **options)


def _score(axes: Axes, found: Spectra, name: str) -> QuadMesh:
    wavelengths, periods = found.km_per_degree / found.wavenumber, 1 / found.frequency
    image = axes.pcolormesh(
        _edges(wavelengths), _edges(periods), found.score, cmap="viridis", vmin=0, vmax=1, rasterized=True
    )
    for number, line in enumerate(found.contour()):
        width = 2.0 if number == 0 else 0.8
        around = [withStroke(linewidth=width + 1.2, foreground="black")]
        axes.plot(line[:, 0] * found.km_per_degree, line[:, 1], color="white", linewidth=width, path_effects=around)
    axes.set(xscale="log", yscale="log", title=name)
    least = found.minima()
    if least is not None:
        wavelength = least[0] * found.km_per_degree
        dotted = {"color": COLOURS[1], "linestyle": "--", "linewidth": 1.4}
        axes.axvline(wavelength, **dotted)
        axes.axhline(least[1], **dotted)
        axes.set_title(f"{name}: {wavelength:.0f} km, {least[1]:.1f} days")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    return image


def _edges(wavelengths: np.ndarray) -> np.ndarray:
    """The edges of cells around descending wavelengths, half-way between wavenumbers."""
    wavenumber = 1 / wavelengths
    step = wavenumber[1] - wavenumber[0]
    return 1 / np.concatenate((wavenumber - step / 2, wavenumber[-1:] + step / 2))


def _largest(field: np.ndarray) -> float:
    """The end of a symmetric colour scale for a field."""
    return max(float(np.nanquantile(np.abs(field), EXTREME)), 1e-12)


def _extent(maps: Maps) -> tuple[float, float, float, float]:
    """West, east, south, north borders of the cells, in degrees."""
    half = [(axis[-1] - axis[0]) / (len(axis) - 1) / 2 for axis in (maps.lon, maps.lat)]
    return maps.lon[0] - half[0], maps.lon[-1] + half[0], maps.lat[0] - half[1], maps.lat[-1] + half[1]


def _aspect(maps: Maps) -> float:
    """The length of a degree of latitude over that of a degree of longitude."""
    return float(1 / np.cos(np.deg2rad(np.mean(maps.lat))))


def _degrees(value: float, _: int | None, *, letters: str) -> str:
    """A longitude or latitude as a label: 60°W for -60 or 300."""
    value = (value + 180) % 360 - 180
    return f"{abs(value):g}°{letters[int(value < 0)] if value else ''}"


def _date(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, "D"))
