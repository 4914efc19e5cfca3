"""Simulated satellites over a known sea: where, when, how well, and what maps are made of it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data.observing import SETS, along_track, cell_means
from dlgd.problems.ssh.data.tiny import random_sea
from tests.problems.ssh.data.seas_at_hand import NO_SWATH_ERRORS, observing, record


def plane(days: int = 12, shape: tuple[int, int] = (41, 41)) -> xr.Dataset:
    """A sea that linear interpolation knows exactly."""
    sea = random_sea(days=days, shape=shape, land=False, seed=0)
    t = xr.DataArray(np.arange(days), dims="time")
    height = 0.1 * t + 0.03 * (sea.lat - 33) * (1 + 0.2 * (sea.lon + 65)) - 0.02 * (sea.lon + 65)
    return sea.assign(ssh=height.astype(np.float32))


def exact(points: xr.Dataset, sea: xr.Dataset) -> np.ndarray:
    t = (points.track_time.values - sea.time.values[0]) / np.timedelta64(1, "D")
    north, east = points.track_lat.values - 33, points.track_lon.values + 65
    return 0.1 * t + 0.03 * north * (1 + 0.2 * east) - 0.02 * east


@pytest.mark.parametrize("satellites", [*SETS, ["envisat", "hy2a"]])
def test_points_carry_the_sea_at_their_time_and_place(satellites):
    sea = plane()
    found = observing(satellites=satellites, noise_std=0.0).observe(sea)
    assert found.sizes["point"] > 200
    np.testing.assert_allclose(found.track_ssh, exact(found, sea), atol=2e-6)
    names = found.track_satellite.attrs["names"].split(",")
    assert names == list(SETS.get(satellites, satellites) if isinstance(satellites, str) else satellites)
    for number in range(len(names)):
        times = found.track_time.values[found.track_satellite.values == number]
        assert len(times) > 50
        assert (np.diff(times) >= np.timedelta64(0)).all()
    assert (np.diff(found.track_satellite) >= 0).all()


def test_maps_are_means_over_cells_and_days():
    """Against a loop over the points."""
    found = record(satellites="swot_and_four_nadirs", days=20)
    assert found.observations.dims == ("time", "lat", "lon")
    assert found.observations.dtype == np.float32
    columns = ("track_time", "track_lat", "track_lon", "track_ssh")
    axes = [found[axis].values for axis in ("time", "lat", "lon")]
    cells = {}
    for *place, value in zip(*(found[name].values for name in columns), strict=True):
        cell = tuple(int(np.abs(axis - where).argmin()) for axis, where in zip(axes, place, strict=True))
        cells.setdefault(cell, []).append(float(value))
    assert found.observations.notnull().sum() == len(cells) < found.sizes["point"]
    for cell, values in cells.items():
        assert found.observations.values[cell] == pytest.approx(np.mean(values), abs=1e-6)


def test_points_beyond_the_grid_or_the_record_are_in_no_map():
    sea = plane()
    table = xr.Dataset(
        {
            "track_ssh": ("point", [1.0, 2.0, 3.0, 4.0]),
            "track_lat": ("point", [32.0, 33.0, 33.1, 33.0]),
            "track_lon": ("point", [-65.0, -65.0, -65.1, -65.0]),
            "track_time": ("point", sea.time.values[[0, 0, 0, 0]] + np.array([0, 0, 0, -13], "timedelta64[h]")),
        }
    )
    maps = cell_means(table, sea)
    assert maps[0, 0, 0] == 2.5, "points within half a cell are in it"
    assert np.isfinite(maps).sum() == 1


def test_four_nadirs_see_a_few_cells_a_day_as_in_the_challenge():
    sea = random_sea(days=70, shape=(128, 128), land=False, seed=0)
    fine_sea = sea.assign_coords(lat=33 + 10 * np.arange(128) / 127, lon=-65 + 10 * np.arange(128) / 127)
    share = {name: float(observing(satellites=name).observe(fine_sea).observations.notnull().mean()) for name in SETS}
    assert 0.004 < share["one_nadir"] < 0.012
    assert 0.02 < share["four_nadirs"] < 0.05
    assert 0.05 < share["swot"] < 0.15
    assert share["swot"] < share["swot_and_four_nadirs"] < share["swot"] + share["four_nadirs"]


def test_white_noise_has_its_standard_deviation():
    sea = plane()
    found = observing(satellites="swot", noise_std=0.05).observe(sea)
    noise = found.track_ssh.values - exact(found, sea)
    assert len(noise) > 5000
    assert noise.std() == pytest.approx(0.05, rel=4 / np.sqrt(2 * len(noise)))
    assert abs(noise.mean()) < 4 * 0.05 / np.sqrt(len(noise))
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 4 / np.sqrt(len(noise))


def test_no_point_stands_on_land_or_touches_an_unknown_day():
    sea = random_sea(days=12, shape=(40, 40), land=True, seed=0)
    sea.ssh[5] = np.nan
    found = observing(satellites="swot_and_four_nadirs").observe(sea)
    assert np.isfinite(found.track_ssh).all()
    day = (found.track_time.values - sea.time.values[0]) / np.timedelta64(1, "D")
    assert not ((day > 4) & (day < 6)).any()
    rows, columns = (
        np.rint((found[f"track_{a}"].values - float(sea[a][0])) / 0.25).astype(int) for a in ("lat", "lon")
    )
    assert np.isfinite(sea.ssh.values[0, rows, columns]).all()
    assert np.isnan(found.observations.values[5]).all()


@pytest.mark.parametrize("satellites", ["four_nadirs", ["jason", "geosat", "sentinel3"]])
def test_a_held_out_satellite_is_in_the_table_and_in_no_map(satellites):
    found = record(satellites=satellites, held_out="envisat", land=False)
    others = record(satellites=["jason", "geosat", "sentinel3"], land=False)
    names = found.track_satellite.attrs["names"].split(",")
    assert names == ["jason", "geosat", "sentinel3", "envisat"]
    held = found.held_out.values
    assert held.dtype == bool
    assert held.any()
    np.testing.assert_array_equal(held, found.track_satellite == 3)
    xr.testing.assert_equal(found.observations, others.observations)
    assert not others.held_out.any()


def test_the_same_seed_sees_the_same_and_a_satellite_does_not_mind_the_others():
    one, same, other = record(), record(), record(seed=1)
    xr.testing.assert_identical(one, same)
    assert one.sizes["point"] != other.sizes["point"]
    alone = record(satellites="one_nadir")
    np.testing.assert_array_equal(alone.track_ssh, one.track_ssh[one.track_satellite == 0])


# --- errors of swaths ----------------------------------------------------------------------------------------


def test_roll_tilts_lines_and_dilation_bends_them():
    sea = plane(days=42)
    for kind, power in (("roll", 1), ("baseline", 2)):
        errors = NO_SWATH_ERRORS | {kind: 0.1, "length_km": 100.0}
        found = observing(satellites="swot", noise_std=0.0, swath_errors=errors).observe(sea)
        lines, counts = np.unique(found.track_time, return_counts=True)
        whole = lines[counts == 16]  # lines that lie in the box from edge to edge
        assert len(whole) > 200
        error = (found.track_ssh.values - exact(found, sea))[np.isin(found.track_time, whole)].reshape(-1, 16)
        right = np.linspace(10, 60, 8) / 60
        across = np.concatenate([-right[::-1], right])
        np.testing.assert_allclose(error, error[:, -1:] * across**power, atol=1e-5)
        assert 0.05 < error[:, -1].std() < 0.15


def test_errors_along_the_track_are_correlated_as_they_should():
    rng = np.random.default_rng(0)
    along = np.cumsum(rng.uniform(1, 20, 40))
    series = np.stack([along_track(along, 50.0, rng) for _ in range(4000)])
    wanted = np.exp(-np.abs(along[:, None] - along) / 50.0)
    assert np.abs(series.T @ series / 4000 - wanted).max() < 5 / np.sqrt(4000)


# --- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"satellites": "five_nadirs"}, r"data.satellites=five_nadirs.*one_nadir, four_nadirs.*jason"),
        ({"satellites": ["jason", "topex"]}, "data.satellites=topex"),
        ({"satellites": []}, r"data.satellites=\[\] must be a list of names, such as \[jason,swot\]"),
        ({"satellites": ["jason"], "held_out": "jason"}, "leaves nothing"),
        ({"held_out": "topex"}, "data.held_out=topex is unknown: choose one of jason"),
        ({"noise_std": -0.1}, "data.noise_std=-0.1"),
        ({"swath_errors": {"roll": 0.1}}, "data.swath_errors must give roll, baseline, length_km"),
        ({"swath_errors": NO_SWATH_ERRORS | {"roll": -1.0}}, "data.swath_errors.roll"),
        ({"swath_errors": NO_SWATH_ERRORS | {"length_km": 0.0}}, "data.swath_errors.length_km"),
        ({"seed": -1}, "data.seed=-1"),
    ],
)
def test_what_cannot_be_simulated(changes, said):
    with pytest.raises(Refusal, match=said):
        observing(**changes).check()
