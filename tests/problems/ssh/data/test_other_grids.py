"""Maps on another grid than that of a network's training: a warning with both numbers, or the right cells and back."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import other_grids
from dlgd.problems.ssh.data.region import GRID_KM, cell_km
from tests.problems.ssh.data.seas_at_hand import small


def waves(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    return 0.2 * np.sin(0.9 * lon) * np.cos(0.8 * lat[:, None])


def sea(step: float, *, south: float = 33.0) -> xr.Dataset:
    """Three days of 8 degrees, with an island."""
    count = round(8 / step)
    lat, lon = (first + step * (np.arange(count) + 0.5) for first in (south, -60.0))
    land = np.hypot(lat[:, None] - south - 4, lon + 56) < 1
    maps = np.repeat(np.where(land, np.nan, waves(lat, lon))[None], 3, 0).astype(np.float32)
    days = np.datetime64("2019-01-01", "ns") + np.arange(3) * np.timedelta64(1, "D")
    fields = {"ssh": (("sample", "lat", "lon"), maps), "observations": (("day", "lat", "lon"), maps)}
    return xr.Dataset(
        fields | {"sea": (("lat", "lon"), ~land)},
        {"time": ("sample", days), "day": days, "lat": lat, "lon": lon},
    )


@pytest.mark.parametrize(("own", "trained"), [(0.25, 0.125), (0.125, 0.25)])
def test_a_quarter_and_an_eighth_of_a_degree(own, trained):
    samples = sea(own)
    width = cell_km(*(sea(trained)[name].values for name in ("lat", "lon")))
    seen = other_grids.as_trained(samples, width)
    assert cell_km(seen.lat.values, seen.lon.values) == pytest.approx(width)
    np.testing.assert_allclose(seen.lat, sea(trained).lat)
    exact = waves(seen.lat.values, seen.lon.values)
    assert np.nanmax(abs(seen.ssh[0].values - exact)) < 0.02
    assert abs(float(seen.sea.mean()) - float(samples.sea.mean())) < 0.02
    counted = int(np.isfinite(seen.observations[0]).sum())
    assert counted == pytest.approx(min(float(samples.sea.sum()), float(seen.sea.sum())), rel=0.05)
    returned = other_grids.returned(np.where(seen.sea, exact, np.nan), seen, samples)
    error = abs(returned - waves(samples.lat.values, samples.lon.values))[samples.sea.values]
    assert np.percentile(error, 95) < 0.005
    assert error.max() < 0.1


def test_a_source_brings_maps_to_the_cells_of_the_training_and_back(caplog):
    samples = sea(0.25)
    width = cell_km(*(sea(0.125)[name].values for name in ("lat", "lon")))
    with caplog.at_level(logging.INFO):
        for regrid in (False, True):
            source = small(regrid=regrid, patch=None)
            source.use_statistics({"mean": 0.0, "std": 1.0, GRID_KM: width, "south": 33.0, "north": 41.0})
            (batch,) = source.encode(samples, halo=0, device="cpu")
            assert batch.target.shape[-2:] == ((64, 64) if regrid else (32, 32))
            there = source.to_physical(batch.target, samples)
            assert there.shape == samples.ssh.shape
            np.testing.assert_array_equal(np.isfinite(there[1]), samples.sea)
            error = abs(there[1] - waves(samples.lat.values, samples.lon.values))[samples.sea.values]
            assert np.percentile(error, 90) < (0.01 if regrid else 1e-6)
    (warning,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert "trained on cells of 11.1 km" in warning or f"{width:.3g} km" in warning
    assert f"{2 * width:.3g} km wide" in warning


def test_maps_that_are_much_coarser_are_refused_at_once():
    samples = sea(1.0)
    samples = samples.assign_coords(lat=-60 + 6.0 * np.arange(8), lon=6.0 * np.arange(8))
    source = small(regrid=True, patch=None)
    source.use_statistics({"mean": 0.0, "std": 1.0, GRID_KM: 25.0})
    width = cell_km(samples.lat.values, samples.lon.values)
    with pytest.raises(Refusal, match=f"cells of {width:.3g} km.* the 25 km .*at most 125 km.*data.regrid=false"):
        list(source.encode(samples, halo=0, device="cpu"))


def test_places_learned_elsewhere_are_warned_of(caplog):
    source = small(coordinates=True, patch=None)
    grid = sea(0.25)
    source.use_statistics({"mean": 0.0, "std": 1.0} | other_grids.statistics(grid.lat.values, grid.lon.values))
    list(source.encode(grid, halo=0, device=torch.device("cpu")))
    assert not caplog.messages
    list(source.encode(sea(0.25, south=-27.0), halo=0, device="cpu"))
    places = [one for one in caplog.messages if "33.12 to 40.88" in one]
    assert len(places) == 1
    assert "-26.88 to -19.12" in places[0]


def test_a_network_sees_the_other_side_of_a_globe():
    samples = sea(0.25)
    samples = samples.assign_coords(lon=360 / 32 * np.arange(32.0))
    rolled = samples.roll(lon=-5).assign_coords(lon=samples.lon.values + 5 * 360 / 32)
    source = small(patch=None)
    source.use_statistics({"mean": 0.0, "std": 0.3})
    (batch,), (other,) = (list(source.encode(one, halo=4, device="cpu")) for one in (samples, rolled))
    torch.testing.assert_close(batch.input[..., :4], batch.input[..., 32:36])
    torch.testing.assert_close(batch.input[..., 36:], batch.input[..., 4:8])
    torch.testing.assert_close(other.input[..., 4:36], batch.input[..., 4:36].roll(-5, -1))
