"""Maps that have no time, on the cells of a region: what is sea, and the background from which heights are counted.

Both come from a NetCDF file, or the sea from the package global-land-mask and the background from the observations.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core.constants import KM_PER_DEGREE
from dlgd.core.errors import Refusal
from dlgd.physics.coastline import sea_at
from dlgd.problems.ssh.data import map_axes, map_names
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.region import Region
from dlgd.problems.ssh.methods.maps import nearest

EVERYWHERE = "none"  # there is no land
MASKS = {"sea": True, "mask": True, "tmask": True, "land": False, "lsm": False}  # name: whether 1 is sea
STANDARD_MASKS = {"sea_binary_mask": True, "land_binary_mask": False}
MEANS = ("mdt", "mss", "mean_dynamic_topography", "mean_sea_surface", "mean_ssh")
LEAST = 1e-6  # of the largest weight: where observations weigh less, the mean of all takes over

Names = Mapping[str, str | None]


def sea(region: Region, land: str | None, names: Names) -> np.ndarray:
    """Whether a cell of the region is sea, bool (lat, lon).

    land: None for the coast of the package global-land-mask; "none"; or a file, in which a mask says it, or a field of
    heights that has values at sea alone. names: of lat, lon and land, where they are not recognized.
    """
    if land is None:
        return sea_at(region.shape, region.position)
    if land == EVERYWHERE:
        return np.ones(region.shape, bool)
    path = Path(land).expanduser()
    with map_names.opened(path) as dataset:
        masks = {name: is_sea for name, is_sea in MASKS.items() if name in dataset}
        for name, field in dataset.items():
            if field.attrs.get("standard_name") in STANDARD_MASKS:
                masks = {str(name): STANDARD_MASKS[field.attrs["standard_name"]]} | masks
        name = names.get("land") or next(iter(masks), None)
        name = name or _mean_in(dataset) or map_names.find(dataset, "target", None, path)
    values = _on_cells(path, name, region, names, heights=False)
    return (values > 0.5) == masks[name] if name in masks else np.isfinite(values)


def background_in(path: Path, region: Region, names: Names) -> np.ndarray:
    """A mean sea surface or mean dynamic topography, (lat, lon) float64 m, interpolated linearly; where the file has no
    value, that of the nearest cell. names: of lat, lon and background, where they are not recognized."""
    with map_names.opened(path) as dataset:
        name = names.get("background") or _mean_in(dataset)
        name = map_names.find(dataset, "target", name, path)
    return _on_cells(path, name, region, names, heights=True)


def mean_of(ssh: np.ndarray, lat: np.ndarray, lon: np.ndarray, region: Region, km: float) -> np.ndarray:
    """The mean of observations (n,) around each cell, (lat, lon) float64 m.

    They weigh exp(-(d / km)^2 / 2), where d is their distance in km, counted along the row and the column of the cell.
    """
    from scipy.ndimage import gaussian_filter1d

    rows, columns = (np.rint(value) for value in region.place(lat, lon))
    if region.circle:
        columns %= region.shape[1]
    inside = (rows >= 0) & (rows < region.shape[0]) & (columns >= 0) & (columns < region.shape[1])
    flat = np.ravel_multi_index((rows[inside].astype(int), columns[inside].astype(int)), region.shape)
    overall = float(ssh[inside].mean())
    cells = region.shape[0] * region.shape[1]
    sums = [np.bincount(flat, values, minlength=cells) for values in (ssh[inside] - overall, np.ones(len(flat)))]
    fields = np.stack(sums).reshape(2, *region.shape).astype(float)
    mode = "wrap" if region.circle else "constant"
    width = km / (KM_PER_DEGREE * region.step)
    for row, degrees in enumerate(region.lat):
        along = min(width / max(np.cos(np.deg2rad(degrees)), 1e-2), region.shape[1])
        fields[:, row] = gaussian_filter1d(fields[:, row], along, axis=1, mode=mode)
    total, weight = gaussian_filter1d(fields, width, axis=1, mode="constant")
    return overall + total / (weight + LEAST * weight.max())


def at_points(field: np.ndarray, region: Region, table: xr.Dataset) -> np.ndarray:
    """A field (lat, lon) without gaps, linearly at the points (n,) of a table; on its boundary beyond it."""
    from scipy.ndimage import map_coordinates

    if region.circle:
        field = np.concatenate((field, field[:, :1]), axis=1)
    return map_coordinates(
        field, np.stack(region.place(table.track_lat.values, table.track_lon.values)), order=1, mode="nearest"
    )


def _mean_in(dataset: xr.Dataset) -> str | None:
    return next((name for name in MEANS if name in dataset), None)


def _on_cells(path: Path, name: str, region: Region, names: Names, *, heights: bool) -> np.ndarray:
    """A field without time on the cells of a region, (lat, lon) float64.

    heights: whether it is in m and is interpolated linearly; otherwise cells take the value of the nearest one.
    """
    from scipy.interpolate import RegularGridInterpolator

    with map_names.opened(path) as dataset:
        axes = [map_names.find(dataset, axis, names.get(axis), path) for axis in ("lat", "lon")]
        lat, lon = (dataset[axis].values.astype(float) for axis in axes)
        step = max(region.step, *(float(np.median(np.abs(np.diff(axis)))) for axis in (lat, lon) if len(axis) > 1))
        rows, lat = map_axes.latitudes(lat, Box(region.lat[0] - step, region.lat[-1] + step), path, uneven=True)
        columns, lon = map_axes.longitudes(lon, _around(region, step), path, uneven=True)
        dims = [str(dataset[axis].dims[0]) for axis in axes]
        index = dict(zip(dims, (rows, columns), strict=True))
        if heights:
            field = map_names.in_metres(dataset, name, index, path)
        else:
            field = (
                dataset[name]
                .isel({dim: at for dim, at in index.items() if dim in dataset[name].dims})
                .squeeze(drop=True)
            )
        if set(field.dims) != set(dims):
            has = ", ".join(map(str, dataset[name].dims)) or "none"
            raise Refusal(
                f"{name} in {path} has the dimensions {has}: a map of {' and '.join(dims)} without time is needed"
            )
        values = field.transpose(*dims).values.astype(float)
    if 360 - (lon[-1] - lon[0]) < 1.5 * (lon[1] - lon[0]):  # a ring, which is closed
        lon, values = np.append(lon, lon[0] + 360), np.concatenate((values, values[:, :1]), axis=1)
        east = lon[0] + (region.lon - lon[0]) % 360
    else:
        east = region.lon + 360 * np.round((lon.mean() - region.lon.mean()) / 360)
    if (
        (east < lon[0] - step).any()
        or (east > lon[-1] + step).any()
        or lat[0] > region.lat[0] + step
        or lat[-1] < region.lat[-1] - step
    ):
        raise Refusal(f"{path} is no map of the whole box: choose another file, or a smaller box")
    if heights:
        values = nearest(values, lat, lon, np.nan)
    at = RegularGridInterpolator((lat, lon), values, method="linear" if heights else "nearest")
    south_north, west_east = np.clip(region.lat, lat[0], lat[-1]), np.clip(east, lon[0], lon[-1])
    found = at(tuple(np.meshgrid(south_north, west_east, indexing="ij")))
    if not np.isfinite(found).any():
        raise Refusal(f"{name} in {path} has no value in the box: choose another file, or another box")
    return found


def _around(region: Region, step: float) -> Box:
    west, east = region.lon[0] - step, region.lon[-1] + step
    return Box.of(None) if east - west >= 360 else Box(west=west, east=east)
