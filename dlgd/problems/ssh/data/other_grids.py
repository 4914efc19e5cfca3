"""Samples on another grid than that of a network's training: a warning, or maps brought to cells as wide and back."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh import seam
from dlgd.problems.ssh.data.region import GRID_KM, cell_km

log = logging.getLogger(__name__)

ALIKE = 1.3  # the cells of a network's training may be so many times wider or narrower
COARSEST = 5.0  # times wider: such cells hold nothing of what a network knows, and make 25 and more narrower ones
SOUTH, NORTH = "south", "north"  # among the statistics: the latitudes of the training, degrees


def statistics(lat: np.ndarray, lon: np.ndarray) -> dict[str, float]:
    """What is kept of the grid of a training."""
    return {GRID_KM: cell_km(lat, lon), SOUTH: float(lat[0]), NORTH: float(lat[-1])}


def differs(samples: xr.Dataset, trained: Mapping[str, float]) -> bool:
    """Whether the cells of samples are too wide or too narrow for a network with these statistics."""
    width = trained.get(GRID_KM)
    return width is not None and not 1 / ALIKE < cell_km(samples.lat.values, samples.lon.values) / width < ALIKE


def warn(samples: xr.Dataset, trained: Mapping[str, float], *, regrid: bool, coordinates: bool) -> None:
    """Say where samples differ from the training, with the numbers of both."""
    lat = samples.lat.values
    if differs(samples, trained):
        here = cell_km(lat, samples.lon.values)
        if regrid:
            log.info(
                "maps with cells of %.3g km are brought to those of the training, of %.3g km, and predictions back",
                here, trained[GRID_KM],
            )  # fmt: skip
        else:
            log.warning(
                "the network was trained on cells of %.3g km, and those of these maps are %.3g km wide, so that it "
                "takes eddies for others: type data.regrid=true to bring them to its cells and back",
                trained[GRID_KM], here,
            )  # fmt: skip
    if coordinates and SOUTH in trained and not trained[SOUTH] <= (lat[0] + lat[-1]) / 2 <= trained[NORTH]:
        log.warning(
            "the network was trained from %.4g to %.4g degrees north and sees places in the map (data.coordinates), "
            "but these maps go from %.4g to %.4g: what it has learned of places does not hold",
            trained[SOUTH], trained[NORTH], lat[0], lat[-1],
        )  # fmt: skip


def as_trained(samples: xr.Dataset, width: float) -> xr.Dataset:
    """The samples on cells `width` km wide. Observations are averaged over these cells, and stand in one of them where
    cells become narrower; truth and background are interpolated linearly, after means over wider cells. Raises Refusal
    for cells more than COARSEST times wider."""
    here = cell_km(samples.lat.values, samples.lon.values)
    factor = here / width
    if factor > COARSEST:
        raise Refusal(
            f"these maps have cells of {here:.3g} km, {factor:.3g} times as wide as the {width:.3g} km of the training "
            f"of the network: too coarse for what it knows, and data.regrid would make {factor**2:.0f} cells of each; "
            f"give maps with cells of at most {COARSEST * width:.3g} km, or type data.regrid=false"
        )
    ring = seam.is_ring(samples.lon.values)
    axes = {name: _axis(samples[name].values, factor, ring=ring and name == "lon") for name in ("lat", "lon")}
    sea = samples.sea.values.astype(bool)
    fields: dict[str, tuple[tuple[Hashable, ...], np.ndarray]] = {
        "observations": (
            ("day", "lat", "lon"),
            _means(samples.observations.values, samples.lat.values, samples.lon.values, axes),
        )
    }
    for name in ("ssh", "sst", "background"):
        if name in samples:
            own = samples[name].transpose(..., "lat", "lon")
            fields[name] = own.dims, _moved(own.values, samples, axes)
    fields["sea"] = ("lat", "lon"), _moved(np.where(sea, 1.0, 0.0), samples, axes) >= 0.5
    tracks = samples.drop_vars([*fields, "lat", "lon"])
    return tracks.drop_dims(["lat", "lon"], errors="ignore").assign(fields).assign_coords(axes)


def returned(maps: np.ndarray, samples: xr.Dataset, own: xr.Dataset) -> np.ndarray:
    """Maps (..., lat, lon) on the cells of `samples`, on those of `own`; the nearest where the linear interpolation
    would need land."""
    from dlgd.problems.ssh.methods.maps import nearest

    lat, lon = samples.lat.values, samples.lon.values
    filled = np.stack([nearest(one, lat, lon, np.nan) for one in maps.reshape(-1, len(lat), len(lon))])
    axes = {"lat": own.lat.values, "lon": own.lon.values}
    return _linear(filled, lat, lon, axes).reshape(*maps.shape[:-2], *own.sea.shape)


def brought(maps: np.ndarray, lat: np.ndarray, lon: np.ndarray, axes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Maps (n, lat, lon) of a wider or as large a region on the cells of `axes`, float32, NaN where they have nothing:
    means over cells where their own are narrower, else linearly, where known cells have half of the weights or more."""
    if lat[1] - lat[0] > (axes["lat"][1] - axes["lat"][0]) / ALIKE:
        known = np.isfinite(maps)
        values, weights = (_linear(one, lat, lon, axes) for one in (np.where(known, maps, 0), known))
        return np.where(weights >= 0.5, values / np.maximum(weights, 0.5), np.nan).astype(np.float32)
    rows, columns = (_within(own, axes[name]) for name, own in (("lat", lat), ("lon", lon)))
    return _means(maps[:, rows][..., columns], lat[rows], lon[columns], axes)


def _within(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Indices of the coordinates that lie in one of the cells."""
    nearest = _nearest(values, cells)
    return np.flatnonzero((nearest >= 0) & (nearest < len(cells)))


def _nearest(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The nearest of evenly spaced cells, which go on beyond the first and the last one."""
    return np.rint((values - cells[0]) / (cells[1] - cells[0])).astype(int)


def _axis(values: np.ndarray, factor: float, *, ring: bool) -> np.ndarray:
    """Coordinates of cells narrower by a factor, which cover what the cells of `values` cover as evenly; on a ring
    exactly as much."""
    count = max(2, round(len(values) * factor))
    step = 360 / count if ring else (values[-1] - values[0]) / (len(values) - 1) / factor
    return (values[0] + values[-1]) / 2 + (np.arange(count) - (count - 1) / 2) * step


def _moved(maps: np.ndarray, samples: xr.Dataset, axes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Maps (..., lat, lon) on other axes, float32: means over wider cells, linearly interpolated on narrower ones."""
    if len(axes["lat"]) * len(axes["lon"]) < samples.sea.size:
        return _means(maps, samples.lat.values, samples.lon.values, axes)
    flat = maps.reshape(-1, *maps.shape[-2:])
    moved = _linear(flat, samples.lat.values, samples.lon.values, axes)
    return moved.reshape(*maps.shape[:-2], *moved.shape[-2:]).astype(np.float32)


def _linear(maps: np.ndarray, lat: np.ndarray, lon: np.ndarray, axes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Maps (n, lat, lon) on other axes, linearly, NaN beside NaN; constant beyond the outermost cells, of which a ring
    has none west and east."""
    from scipy.interpolate import RegularGridInterpolator

    lon, maps, east = seam.closed(lon, maps, axes["lon"])
    wanted = [np.clip(at, own[0], own[-1]) for at, own in ((axes["lat"], lat), (east, lon))]
    points = np.stack(np.meshgrid(*wanted, indexing="ij"), -1)
    moved = RegularGridInterpolator((lat, lon), np.moveaxis(maps.astype(float), 0, -1))(points)
    return np.moveaxis(moved, -1, 0)


def _means(maps: np.ndarray, lat: np.ndarray, lon: np.ndarray, axes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Means of the known values (..., lat, lon) in each cell of other axes, float32; NaN where there are none."""
    rows, columns = (_nearest(own, axes[name]) for name, own in (("lat", lat), ("lon", lon)))
    rows = np.clip(rows, 0, len(axes["lat"]) - 1)
    count = len(axes["lon"])
    columns = columns % count if seam.is_ring(axes["lon"]) else np.clip(columns, 0, count - 1)
    shape = tuple(len(to) for to in axes.values())
    flat = maps.reshape(-1, *maps.shape[-2:])
    found = np.full((len(flat), *shape), np.nan, np.float32)
    cell = (rows[:, None] * shape[1] + columns).ravel()
    for number, one in enumerate(flat.reshape(len(flat), -1)):
        known = np.isfinite(one)
        counts = np.bincount(cell[known], minlength=shape[0] * shape[1])
        totals = np.bincount(cell[known], one[known], minlength=shape[0] * shape[1])
        np.divide(totals, counts, out=found[number].reshape(-1), where=counts > 0, casting="unsafe")
    return found.reshape(*maps.shape[:-2], *shape)
