"""The bottom of the ocean: generated, with shelves, ridges and seamounts, or from a file of elevations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.interpolate import RegularGridInterpolator

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.physics.coastline import signed_distance
from dlgd.physics.grids import Grid
from dlgd.physics.random_fields import smooth_field

AXES = (("lat", "lon"), ("latitude", "longitude"), ("y", "x"))  # names of dimensions
RIDGES = ((15.0, 0.25), (4.0, 0.12))  # correlation length in degrees of arc, and share of the depth, of random fields
SEAMOUNT_HEIGHT_M = (1000.0, 4500.0)
SEAMOUNT_RADIUS_CELLS = (0.7, 2.5)


def random_bathymetry(
    grid: Grid,
    sea: np.ndarray,
    rng: np.random.Generator,
    *,
    deepest: float = 5000.0,
    shallowest: float = 50.0,
    shelf: float = 4.0,
    seamounts: int = 60,
) -> np.ndarray:
    """Bottom depth (ny, nx) in m, 0 on land: deepest * tanh(distance to the coast / shelf), rough, with seamounts.

    deepest, shallowest: limits at sea, m. shelf: cells over which the bottom falls away from the coast.
    seamounts: their number; each is a Gaussian with a height of 1000 to 4500 m and a radius of 0.7 to 2.5 cells.
    """
    ny, nx = grid.shape
    depth = deepest * np.tanh(np.maximum(signed_distance(sea, grid.topology), 0) / shelf)
    for length, share in RIDGES:
        depth = depth * (1 + share * smooth_field(grid.position_of_centres, length, rng))
    rows, columns = np.arange(ny)[:, None], np.arange(nx)
    for y, x in zip(rng.integers(ny, size=seamounts), rng.integers(nx, size=seamounts), strict=True):
        height = np.exp(rng.uniform(*np.log(SEAMOUNT_HEIGHT_M)))
        radius = rng.uniform(*SEAMOUNT_RADIUS_CELLS)
        across = np.abs(columns - x)
        if grid.topology.west_east == "periodic":
            across = np.minimum(across, nx - across)
        depth = depth - height * np.exp(-((rows - y) ** 2 + across**2) / (2 * radius**2))
    return np.where(sea, np.clip(depth, shallowest, deepest), 0.0)


def bathymetry_of_file(path: Path, grid: Grid, sea: np.ndarray, *, deepest: float, shallowest: float) -> np.ndarray:
    """Bottom depth (ny, nx) in m, 0 on land, from the elevations of a NetCDF file at the centres of the cells.

    The file has one variable of two dimensions, elevation above the sea in m, over latitudes and longitudes in degrees
    (`lat` and `lon`, `latitude` and `longitude`, or `y` and `x`) of the whole globe, such as ETOPO1 or GEBCO. It is
    linear between its points. deepest, shallowest: limits at sea, m. Refuses a file that is none of that.
    """
    dataset = netcdf.read(path)
    planes = [name for name, field in dataset.data_vars.items() if field.ndim == 2]
    axes = next((pair for pair in AXES if set(pair) <= set(dataset.coords) & set(dataset.dims)), None)
    if len(planes) != 1 or axes is None:
        raise Refusal(f"{path} must hold one field of elevations in m, over latitudes and longitudes")
    elevation = dataset[planes[0]].transpose(*axes).sortby(axes[0])
    lat, lon = (elevation[axis].values.astype(float) for axis in axes)
    if lat[0] > -89 or lat[-1] < 89 or np.ptp(lon) < 358:
        raise Refusal(f"{path} must hold elevations of the whole globe")
    lon, kept = np.unique(lon % 360, return_index=True)
    lon = np.concatenate([lon[-1:] - 360, lon, lon[:1] + 360])
    values = np.pad(elevation.values[:, kept].astype(float), ((0, 0), (1, 1)), mode="wrap")
    at = RegularGridInterpolator((lat, lon), values)
    found = -at(np.stack([np.clip(grid.lat, lat[0], lat[-1]), grid.lon % 360], axis=-1))
    if not np.isfinite(found[sea]).all():
        raise Refusal(f"{path} lacks elevations at sea: fill its missing values")
    return np.where(sea, np.clip(found, shallowest, deepest), 0.0)
