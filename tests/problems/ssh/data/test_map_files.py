"""Maps of sea surface height are read as they were written, whatever the file's names, order, packing and calendar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import map_axes, map_files
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.map_files import Reading
from tests.problems.ssh.data.sea_files import DAYS, LAT, LON, challenge, duacs, fields, registry, seen, starter, truth


def reading(
    *,
    names: Mapping[str, str] | None = None,
    time_units: str | None = None,
    box: Sequence[float] | None = None,
    period: tuple[str, str] | None = None,
) -> Reading:
    return Reading(names=names or {}, time_units=time_units, box=Box.of(box), period=map_axes.period(period))


def read(*paths: Path, target: str | None = None, **options: object) -> xr.Dataset:
    return map_files.reference(paths, target=target, reading=reading(**options))


def observed(path: Path, sea: xr.Dataset, variable: str | None = None, **options: object) -> np.ndarray:
    return map_files.gridded([path], variable=variable, reference=sea, reading=reading(**options))


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


def test_a_cell_that_is_missing_line_timer_is_land(tmp_path):
    ssh = truth()
    ssh[6, 8, 8] = np.inf
    fields(ssh=ssh).to_netcdf(tmp_path / "a.nc")
    land = np.isnan(read(tmp_path / "a.nc").ssh.values)
    assert land[:, 8, 8].all()
    assert land.sum() == 20 * (12 + 1)


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


# --- refusals ----------------------------------------------------------------------------------------------------


def refused(words: str, function: object, *arguments: object, **options: object) -> None:
    """In one line."""
    with pytest.raises(Refusal, match=words) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.assign_coords(lat=d.lat**2), "latitudes in .* go from|latitudes in .* are not evenly spaced"),
        (lambda d: d.assign_coords(lon=d.lon + 0.1 * (d.lon > -63)), "longitudes in .* are not evenly spaced"),
        (lambda d: d.isel(time=slice(None, None, 5)), "maps of .* are 5 days apart: daily maps are needed"),
        (lambda d: d.assign(ssh=np.nan * d.ssh), "has no finite height in the box and the period"),
        (lambda d: d.assign(ssh=d.ssh.fillna(9.97e36)), "reaches 9.97e\\+36 m.*_FillValue"),
        (lambda d: d.assign(ssh=d.ssh.assign_attrs(units="K")), "is in 'k', which is none of m, cm and mm"),
        (lambda d: d.assign(ssh=d.ssh.isel(time=0, drop=True)), "ssh in .* has the dimensions lat, lon, not time, lat"),
        (lambda d: d.assign(ssh=d.ssh.expand_dims(member=3)), "has the dimensions member, time, lat, lon, not"),
        (lambda d: d.assign(ssh=d.ssh.astype(str)), "ssh in .* must hold numbers"),
        (lambda d: d.drop_vars("lat").rename(lat="row"), "no lat is recognized in .*: type data.names.lat="),
        (lambda d: d.assign(lat=d.lat.drop_vars("lat") + 0 * d.lon).rename(lat="y2"), "no lat is recognized"),
        (lambda d: d.isel(lat=[0]), "latitudes in .* must be at least two finite numbers"),
    ],
)
def test_files_that_do_not_fit(tmp_path, change, words):
    change(fields(ssh=truth())).to_netcdf(tmp_path / "a.nc")
    refused(words, read, tmp_path / "a.nc")


def test_a_curved_grid(tmp_path):
    dataset = fields(ssh=truth()).rename(lat="y", lon="x").drop_vars(["x", "y"])
    dataset = dataset.assign(nav_lat=(("y", "x"), LAT[:, None] + 0 * LON), nav_lon=(("y", "x"), 0 * LAT[:, None] + LON))
    dataset.to_netcdf(tmp_path / "a.nc")
    refused("latitudes in .* have 2 dimensions: interpolate", read, tmp_path / "a.nc")


def test_files_that_are_none_or_not_whole(tmp_path):
    (tmp_path / "text.nc").write_text("no NetCDF")
    refused("text.nc cannot be read", read, tmp_path / "text.nc")
    whole = starter(tmp_path / "whole.nc").read_bytes()
    for share in (0.3, 0.6, 0.9):
        (tmp_path / "part.nc").write_bytes(whole[: int(share * len(whole))])
        refused("part.nc cannot be read, perhaps because it is not whole", read, tmp_path / "part.nc")
    refused("there is no such file", map_files.files, "path", str(tmp_path / "nowhere.nc"))


def test_two_files_of_different_grids(tmp_path):
    starter(tmp_path / "a.nc")
    fields(ssh=truth(), lon=LON + 0.1).to_netcdf(tmp_path / "b.nc")
    refused("b.nc stands on another grid than .*a.nc: 12 x 16 cells from", read, tmp_path / "a.nc", tmp_path / "b.nc")


def test_observations_that_do_not_fit(tmp_path):
    sea = read(starter(tmp_path / "a.nc"))
    fields(obs=seen(), lon=LON + 0.1).to_netcdf(tmp_path / "b.nc")
    refused("b.nc stands on another grid than the reference", observed, tmp_path / "b.nc", sea)
    shifted = fields(obs=seen()).assign_coords(time=DAYS.astype("datetime64[ns]") + np.timedelta64(100, "D"))
    shifted.to_netcdf(tmp_path / "c.nc")
    refused("c.nc has no observations between 2012-10-01 and 2012-10-20", observed, tmp_path / "c.nc", sea)
    fields(obs=np.nan * seen()).to_netcdf(tmp_path / "d.nc")
    refused("obs in .*d.nc has no finite value at sea", observed, tmp_path / "d.nc", sea)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([43, 33, -65, -55], "must go from south to north"),
        ([33, 43], r"data.box=\[33, 43\] must be \[south,north,west,east\]"),
        (7, "data.box=7 must be"),
        ([33, "x", -65, -55], "must be"),
        ([33, 43, -650, -55], "beyond -360 to 360"),
    ],
)
def test_boxes_that_are_none(box, words):
    refused(words, Box.of, box)


def test_a_box_elsewhere(tmp_path):
    path = starter(tmp_path / "a.nc")
    refused("fewer than two of the latitudes 33 to 35.75", read, path, box=[10, 20, -65, -62])
    refused("fewer than two of the longitudes", read, path, box=[33, 36, 10, 20])


@pytest.mark.parametrize("period", [("2013-01-01", "2012-01-01"), ("soon", "later"), ("2012-01-01",), 7])
def test_periods_that_are_none(period):
    refused(r"data.period=", map_axes.period, period)
