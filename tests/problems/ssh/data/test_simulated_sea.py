"""A small simulated sea: its coordinates, its statistics, the same for the same seed, and what is refused."""

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics.geostrophy import velocity
from dlgd.problems.ssh.data.simulated_sea import SeaOptions, beta_plane, simulate

SMALL = {"years": 0.05, "days_of_spinup": 2, "cells": 32}


@pytest.fixture(scope="module")
def sea() -> xr.Dataset:
    return simulate(SeaOptions(**SMALL))


@pytest.fixture(scope="module")
def turbulent() -> xr.Dataset:
    """On a grid four times as coarse as the default, after the turbulence has grown."""
    return simulate(SeaOptions(years=0.5, days_of_spinup=350, cells=32))


def test_coordinates_and_attributes(sea, tmp_path):
    assert sea.ssh.dims == ("time", "lat", "lon")
    assert sea.ssh.shape == (18, 32, 32)
    assert sea.ssh.dtype == np.float32
    assert sea.ssh.attrs["units"] == "m"
    assert np.isfinite(sea.ssh).all()
    np.testing.assert_array_equal(np.diff(sea.time), np.timedelta64(1, "D"))
    assert float(sea.lat.mean()) == pytest.approx(38)
    assert float(sea.lon.mean()) == pytest.approx(-60)
    north, east = np.diff(sea.lat), np.diff(sea.lon)
    np.testing.assert_allclose(north, 1000 / 32 / 111.19, rtol=1e-4)  # 111.19 km to a degree of a sphere of 6371 km
    np.testing.assert_allclose(east, north[0] / np.cos(np.deg2rad(38)), rtol=1e-9)
    assert sea.attrs["grid_km"] == pytest.approx(31.25)
    sea.to_netcdf(tmp_path / "sea.nc")
    with xr.open_dataset(tmp_path / "sea.nc") as again:
        xr.testing.assert_identical(again.load(), sea)


def test_f_and_beta_by_differences():
    f, beta = beta_plane(38.0)
    north, south = beta_plane(38.001)[0], beta_plane(37.999)[0]
    assert f == pytest.approx(4 * np.pi / 86164.1 * np.sin(np.deg2rad(38)), rel=1e-4)  # a sidereal day
    assert beta == pytest.approx((north - south) / (0.002 * 111194.9), rel=1e-5)
    assert beta_plane(-38.0) == pytest.approx((-f, beta))


def test_heights_are_those_of_the_gulf_stream_and_steady(turbulent):
    ssh = turbulent.ssh.values.astype(float)
    np.testing.assert_allclose(ssh.mean((1, 2)), 0, atol=1e-4)
    assert 0.2 < ssh.std() < 0.4
    halves = ssh[:91].std(), ssh[91:].std()
    assert 0.7 < halves[0] / halves[1] < 1.4
    anomaly = ssh - ssh.mean(0)
    after = {lag: (anomaly[lag:] * anomaly[:-lag]).mean() / anomaly.var() for lag in (1, 10, 40)}
    assert after[1] > 0.95
    assert 0.3 < after[10] < 0.85
    assert after[40] < 0.3
    u, v = velocity(ssh, lat=turbulent.lat.values, lon=turbulent.lon.values)
    assert 0.3 < np.sqrt(np.nanmean(u**2 + v**2)) < 0.8


def test_the_same_options_make_the_same_sea(sea):
    xr.testing.assert_identical(sea, simulate(SeaOptions(**SMALL)))
    assert not np.allclose(sea.ssh, simulate(SeaOptions(**SMALL | {"seed": 1})).ssh, atol=0.01)


def test_the_spinup_is_the_beginning_of_the_same_sea(sea):
    longer = simulate(SeaOptions(**SMALL | {"days_of_spinup": 0, "years": 0.06}))
    np.testing.assert_array_equal(longer.ssh[2:20], sea.ssh)


def test_a_bar_is_shown_on_request(capfd):
    simulate(SeaOptions(years=0.003, days_of_spinup=0, cells=32))  # no terminal, no bar, no failure
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"latitude": 2.0}, "data.sea.latitude=2.0 allows no beta plane"),
        ({"latitude": -75}, "data.sea.latitude=-75 allows no beta plane"),
        ({"cells": 16}, "data.sea.cells=16 must be a whole number of at least 25: fewer do not resolve"),
        ({"size_km": 200.0}, "data.sea.size_km=200.0 must be a number of at least 240: .* no room for eddies"),
        ({"deformation_radius_km": 0.0}, "data.sea.deformation_radius_km=0.0 must be a number above 0"),
        ({"years": 0.0}, "data.sea.years=0.0 must be a number above 0"),
        ({"years": "three"}, "data.sea.years=three must be a number above 0"),
        ({"drag_days": -1.0}, "data.sea.drag_days=-1.0 must be a number above 0"),
        ({"days_of_spinup": -1}, "data.sea.days_of_spinup=-1 must be a whole number of at least 0"),
    ],
)
def test_what_is_refused(options, sentence):
    with pytest.raises(Refusal, match=sentence):
        simulate(SeaOptions(**SMALL | options))
