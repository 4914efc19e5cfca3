"""The bottom from a file of elevations: its values at the centres of cells, across the date line, too."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics import grids
from dlgd.physics.bathymetry import bathymetry_of_file

GRID = grids.mercator(20, 40)
LIMITS = {"deepest": 5000.0, "shallowest": 50.0}


def elevation(lat, lon):
    return -2000 + 1000 * np.cos(np.radians(lon)) * np.cos(np.radians(lat))


def written(path, *, lon, names=("lat", "lon"), down=False, change=lambda field: field):
    lat = np.linspace(90, -90, 361) if down else np.linspace(-90, 90, 361)
    field = xr.DataArray(elevation(lat[:, None], lon), dims=names, coords=dict(zip(names, (lat, lon), strict=True)))
    change(field).astype("float32").to_dataset(name="z").to_netcdf(path)
    return path


@pytest.mark.parametrize("names", [("lat", "lon"), ("latitude", "longitude"), ("y", "x")])
@pytest.mark.parametrize("lon", [np.linspace(-180, 180, 721), np.arange(0.25, 360, 0.5)], ids=["both ends", "centres"])
def test_it_is_that_of_the_file(tmp_path, lon, names):
    sea = np.arange(800).reshape(20, 40) % 7 > 0
    path = written(tmp_path / "z.nc", lon=lon, names=names, down=names[0] == "y")
    depth = bathymetry_of_file(path, GRID, sea, **LIMITS)
    np.testing.assert_allclose(depth[sea], -elevation(GRID.lat, GRID.lon)[sea], atol=0.1)
    assert (depth[~sea] == 0).all()


def test_it_is_limited_at_sea(tmp_path):
    path = written(tmp_path / "z.nc", lon=np.arange(0, 360.0))
    depth = bathymetry_of_file(path, GRID, np.ones((20, 40), bool), deepest=1500.0, shallowest=1400.0)
    assert (depth.min(), depth.max()) == (1400, 1500)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda field: field.isel(lat=slice(100)), "whole globe"),
        (lambda field: field.isel(lon=slice(180)), "whole globe"),
        (lambda field: field.where(field.lon > 20), "lacks elevations at sea"),
        (lambda field: field.rename(lat="north"), "one field of elevations"),
        (lambda field: field.expand_dims(time=2), "one field of elevations"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, change, words):
    path = written(tmp_path / "z.nc", lon=np.arange(0, 360.0), change=change)
    with pytest.raises(Refusal, match=words):
        bathymetry_of_file(path, GRID, np.ones((20, 40), bool), **LIMITS)
