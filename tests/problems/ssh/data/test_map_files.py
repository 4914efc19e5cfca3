"""Maps of sea surface height are read as they were written, whatever the file's names, order, packing and calendar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import map_files
from tests.problems.ssh.data.sea_files import (
    DAYS,
    LAT,
    LON,
    challenge,
    duacs,
    fields,
    observed,
    read,
    registry,
    seen,
    starter,
    truth,
)


def assert_is_the_truth(sea: xr.Dataset, *, within: float = 1e-7) -> None:
    """With its coordinates."""
    assert sea.ssh.dtype == np.float32
    assert sea.ssh.dims == ("time", "lat", "lon")
    np.testing.assert_allclose(sea.ssh, truth(), rtol=0, atol=within)
    np.testing.assert_allclose(sea.lat, LAT, atol=1e-5)
    np.testing.assert_allclose(sea.lon, LON, atol=1e-4)
    np.testing.assert_array_equal(sea.time.values.astype("datetime64[D]"), DAYS)


# --- formats -----------------------------------------------------------------------------------------------------


def test_the_starters_file(tmp_path):
    path = starter(tmp_path / "natl.nc")
    sea = read(path)
    assert_is_the_truth(sea)
    np.testing.assert_allclose(observed(path, sea), seen(), atol=1e-7)
    assert sea.grid_km == pytest.approx(0.25 * 111.195 * np.sqrt(np.cos(np.deg2rad(LAT.mean()))))


def test_stamps_half_a_day_apart_are_of_the_same_day(tmp_path):
    """The reference in seconds at noon, the observations in days at midnight."""
    ssh, obs = registry(tmp_path)
    sea = read(ssh)
    assert_is_the_truth(sea)
    np.testing.assert_allclose(observed(obs, sea), seen(), atol=1e-7)
    without_noise = np.where(np.isfinite(seen()), truth(), np.nan)
    np.testing.assert_allclose(observed(obs, sea, "ssh_mod"), without_noise, atol=1e-7)


def test_several_maps_of_a_day_become_their_mean_and_land_of_zeros_is_land(tmp_path):
    assert_is_the_truth(read(challenge(tmp_path / "ref.nc")), within=1e-6)


def test_packed_numbers_northern_rows_first_and_longitudes_to_360(tmp_path):
    assert_is_the_truth(read(duacs(tmp_path / "duacs.nc")), within=0.51e-4)


def test_blocks_do_not_change_what_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(map_files, "BLOCK", 3 * 12 * 16)
    assert_is_the_truth(read(challenge(tmp_path / "ref.nc")), within=1e-6)


def test_one_file_for_each_day(tmp_path):
    """One of them with a time that has no dimension; their names in no order of time."""
    for number in range(20):
        one = fields(ssh=truth()).isel(time=number if number == 3 else [number])
        one.to_netcdf(tmp_path / f"{(7 * number) % 20:02d}.nc")
    assert_is_the_truth(read(*map_files.files("path", str(tmp_path))))
    assert_is_the_truth(read(*map_files.files("path", str(tmp_path / "*.nc"))))


@pytest.mark.parametrize("order", [("lon", "lat", "time"), ("lat", "time", "lon")])
def test_dimensions_in_any_order_and_others_of_length_one(tmp_path, order):
    fields(ssh=truth()).transpose(*order).expand_dims("depth", 1).to_netcdf(tmp_path / "a.nc")
    assert_is_the_truth(read(tmp_path / "a.nc"))


def test_centimetres(tmp_path):
    dataset = fields(zos=100 * truth())
    dataset.zos.attrs["units"] = "cm"
    dataset.to_netcdf(tmp_path / "a.nc")
    assert_is_the_truth(read(tmp_path / "a.nc"))


def test_a_sum_of_variables(tmp_path):
    mean = np.linspace(0, 1, 12 * 16).reshape(12, 16)
    dataset = fields(sla=truth() - mean).assign(mdt=(("lat", "lon"), mean))
    dataset.to_netcdf(tmp_path / "a.nc")
    assert_is_the_truth(read(tmp_path / "a.nc", target="sla+mdt"))
    np.testing.assert_allclose(read(tmp_path / "a.nc").ssh, truth() - mean, atol=1e-6)


def test_names_by_standard_name_by_units_and_by_hand(tmp_path):
    dataset = fields(eta=truth(), other=0 * truth()).rename(time="t", lat="y", lon="x")
    dataset.y.attrs["units"], dataset.x.attrs["standard_name"] = "degrees_north", "longitude"
    dataset.eta.attrs["standard_name"] = "sea_surface_height_above_geoid"
    dataset.to_netcdf(tmp_path / "a.nc")
    assert_is_the_truth(read(tmp_path / "a.nc"))
    bare = fields(eta=truth(), other=0 * truth()).rename(time="t", lat="y", lon="x")
    bare.to_netcdf(tmp_path / "b.nc")
    assert_is_the_truth(read(tmp_path / "b.nc", target="eta", names={"lat": "y", "lon": "x", "time": "t"}))
    with pytest.raises(Refusal, match=r"no target is recognized in .*: type data.target= and one of eta, other"):
        read(tmp_path / "b.nc", names={"lat": "y", "lon": "x", "time": "t"})


# --- times -------------------------------------------------------------------------------------------------------


def test_missing_days_are_missing_and_a_map_that_is_mostly_missing_too(tmp_path):
    dataset = fields(ssh=truth()).isel(time=[n for n in range(20) if n not in (4, 5)])
    dataset.ssh[9, 4:] = np.nan  # the day of number 11
    dataset.to_netcdf(tmp_path / "a.nc")
    expected = truth()
    expected[[4, 5, 11]] = np.nan
    np.testing.assert_allclose(read(tmp_path / "a.nc").ssh, expected, atol=1e-7)


def test_a_hole_is_unknown_on_its_day_alone(tmp_path, caplog):
    """As under ice or clouds; a cell with a value on one day of 30 is land."""
    caplog.set_level("INFO")
    ssh = truth()
    ssh[6, 8, 8] = np.inf
    ssh[3:9, 5:7, 9] = np.nan
    fields(ssh=ssh).to_netcdf(tmp_path / "a.nc")
    found = read(tmp_path / "a.nc").ssh.values
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(ssh))
    known = np.isfinite(ssh)
    np.testing.assert_allclose(found[known], ssh[known], atol=1e-7)
    assert "3 of 180 sea cells lack a value on some days, and are not known on these" in caplog.text
    long = xr.concat([fields(ssh=truth()), fields(ssh=truth()).isel(time=slice(10))], "time")
    long = long.assign_coords(time=DAYS[0].astype("datetime64[ns]") + np.arange(30) * np.timedelta64(1, "D"))
    long.ssh[11, 0, 0] = 0.5
    long.to_netcdf(tmp_path / "b.nc")
    assert np.isnan(read(tmp_path / "b.nc").ssh[:, 0, 0]).all()
    assert "1 cells have a value on hardly any day and count as land" in caplog.text


def test_times_without_units_need_the_option(tmp_path):
    fields(ssh=truth()).assign_coords(time=np.arange(20.0)).to_netcdf(tmp_path / "a.nc")
    assert_is_the_truth(read(tmp_path / "a.nc", time_units="days since 2012-10-01"))
    with pytest.raises(Refusal, match=r"time in .* has no units: type data.time_units such as 'days since"):
        read(tmp_path / "a.nc", names={"time": "time"})


def test_rounded_midnights(tmp_path):
    """Days since 1950 in float32 are off by minutes at most."""
    numbers = np.array((DAYS - np.datetime64("1950-01-01")).astype(float) - 1e-4)
    units = {"units": "days since 1950-01-01"}
    fields(ssh=truth()).assign_coords(time=("time", numbers, units)).to_netcdf(tmp_path / "a.nc")
    assert_is_the_truth(read(tmp_path / "a.nc"))


def in_calendar(calendar: str, path: Path) -> Path:
    """Twenty days from 2012-02-20 on, as the calendar counts them."""
    units = {"units": "days since 2012-02-20", "calendar": calendar}
    fields(ssh=truth()).assign_coords(time=("time", np.arange(20), units)).to_netcdf(path)
    return path


def test_a_calendar_without_leap_days(tmp_path, caplog):
    caplog.set_level("INFO")
    sea = read(in_calendar("noleap", tmp_path / "a.nc"))
    missing = ~np.isfinite(sea.ssh.values).any(axis=(1, 2))
    assert list(sea.time.values[missing].astype("datetime64[D]").astype(str)) == ["2012-02-29"]
    assert "calendar noleap" in caplog.text


def test_a_calendar_with_days_that_no_other_has(tmp_path):
    with pytest.raises(Refusal, match=r"date 2012-02-30 of the calendar 360_day.*convert it"):
        read(in_calendar("360_day", tmp_path / "a.nc"))


def test_only_the_period(tmp_path):
    sea = read(starter(tmp_path / "a.nc"), period=("2012-10-05", "2012-10-09"))
    np.testing.assert_allclose(sea.ssh, truth()[4:9], atol=1e-7)
    with pytest.raises(Refusal, match=r"has no map between the days of data.period=\[2013-01-01,2013-02-01\]"):
        read(tmp_path / "a.nc", period=("2013-01-01", "2013-02-01"))


# --- places ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("west", [-64.5, 295.5])
def test_only_the_box_in_either_count_of_longitudes(tmp_path, west):
    box = [33.5, 35, west, west + 2]
    sea = read(duacs(tmp_path / "a.nc"), box=box)
    expected = truth()[:, 2:9, 2:11]
    np.testing.assert_allclose(sea.ssh, expected, rtol=0, atol=0.51e-4)
    np.testing.assert_allclose(sea.lon, LON[2:11], atol=1e-4)


def test_across_the_date_line(tmp_path):
    """Sorted from -180 to 180, the region lies at both ends of the file."""
    lon = (LON + 243 + 180) % 360 - 180
    order = np.argsort(lon)
    fields(ssh=truth()[..., order], lon=lon[order]).to_netcdf(tmp_path / "a.nc")
    sea = read(tmp_path / "a.nc")
    np.testing.assert_allclose(sea.ssh, truth(), atol=1e-7)
    np.testing.assert_allclose(sea.lon, LON + 243, atol=1e-9)
    part = read(tmp_path / "a.nc", box=[33, 36, 179.5, -179.5])
    np.testing.assert_allclose(part.lon, [179.5, 179.75, 180, 180.25, 180.5])
    np.testing.assert_allclose(part.ssh, truth()[..., 6:11], atol=1e-7)


def test_a_whole_circle_begins_where_the_box_does(tmp_path):
    lon = np.arange(0, 360, 22.5)
    fields(ssh=truth(), lon=lon).to_netcdf(tmp_path / "a.nc")
    np.testing.assert_allclose(read(tmp_path / "a.nc").lon, lon)
    part = read(tmp_path / "a.nc", box=[33, 36, -45, 45])
    np.testing.assert_allclose(part.lon, [-45, -22.5, 0, 22.5, 45])
    np.testing.assert_allclose(part.ssh, truth()[..., [14, 15, 0, 1, 2]], atol=1e-7)


def test_observations_counted_in_other_longitudes_and_over_a_larger_region(tmp_path):
    sea = read(starter(tmp_path / "a.nc"), box=[33.5, 35, -64, -62])
    fields(obs=seen(), lon=LON % 360).isel(lat=slice(None, None, -1)).to_netcdf(tmp_path / "b.nc")
    np.testing.assert_allclose(observed(tmp_path / "b.nc", sea), seen()[:, 2:9, 4:13], atol=1e-7)
