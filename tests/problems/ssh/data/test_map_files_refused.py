"""Maps that cannot be read are refused in one sentence that names the file or the option."""

from __future__ import annotations

import numpy as np
import pytest

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import map_axes, map_files
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.region import Region
from dlgd.problems.ssh.scores.maps import box_of
from tests.problems.ssh.data.sea_files import DAYS, LAT, LON, fields, observed, read, seen, starter, truth


def refused(words: str, function: object, *arguments: object, **options: object) -> None:
    """In one line."""
    with pytest.raises(Refusal, match=words) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.assign_coords(lat=d.lat**2), "latitudes in .* go from|latitudes in .* are not evenly spaced"),
        (
            lambda d: d.assign_coords(lon=d.lon + 5 * (d.lon > -63)),
            "longitudes .* not evenly.*on one side of the gap",
        ),
        (lambda d: d.isel(time=slice(None, None, 5)), "maps of .* are 5 days apart: daily maps are needed"),
        (lambda d: d.assign(ssh=np.nan * d.ssh), "has no finite height in the box and the period"),
        (lambda d: d.assign(ssh=d.ssh.fillna(9.97e36)), "reaches 9.97e\\+36 m.*_FillValue"),
        (lambda d: d.assign(ssh=d.ssh.assign_attrs(units="K")), "is in 'k', which is none of m, cm and mm"),
        (lambda d: d.assign(ssh=d.ssh.isel(time=0, drop=True)), "ssh in .* has the dimensions lat, lon, not time, lat"),
        (lambda d: d.assign(ssh=d.ssh.expand_dims(member=3)), "has the dimensions member, time, lat, lon, not"),
        (lambda d: d.assign(ssh=d.ssh.astype(str)), "ssh in .* must hold numbers"),
        (lambda d: d.drop_vars("lat").rename(lat="row"), "no lat is recognized in .*: type data.names.lat="),
        (lambda d: d.assign(lat=d.lat.drop_vars("lat") + 0 * d.lon).rename(lat="y2"), "no lat is recognized"),
        (lambda d: d.assign_coords(lat=np.deg2rad(d.lat).assign_attrs(units="radians")), "lat in .* is in radians"),
        (lambda d: d.isel(lat=[0]), "latitudes in .* must be at least two finite numbers"),
    ],
)
def test_files_that_do_not_fit(tmp_path, change, words):
    change(fields(ssh=truth())).to_netcdf(tmp_path / "a.nc")
    refused(words, read, tmp_path / "a.nc")


def test_a_curvilinear_grid_without_coordinates(tmp_path):
    dataset = fields(ssh=truth()).rename(lat="y", lon="x").drop_vars(["x", "y"])
    nowhere = np.full((len(LAT), len(LON)), np.nan)
    dataset.assign(nav_lat=(("y", "x"), nowhere), nav_lon=(("y", "x"), nowhere)).to_netcdf(tmp_path / "a.nc")
    refused("longitudes and latitudes in .* must be finite numbers", read, tmp_path / "a.nc")


@pytest.mark.parametrize(
    ("rows", "words"), [(len(LAT), "must be finite numbers"), (3, "the points of the curvilinear grid make no cells")]
)
def test_a_curvilinear_grid_without_cells(tmp_path, rows, words):
    """All points in one place, or few rows that are the same."""
    lat, lon = np.meshgrid(np.full(rows, 38.0), LON, indexing="ij")
    lon = np.full_like(lon, -60.0) if rows > 3 else lon
    dataset = fields(ssh=truth()).isel(lat=slice(rows)).rename(lat="y", lon="x").drop_vars(["x", "y"])
    dataset.assign(nav_lat=(("y", "x"), lat), nav_lon=(("y", "x"), lon)).to_netcdf(tmp_path / "a.nc")
    refused(words, read, tmp_path / "a.nc")


def test_files_that_are_none_or_not_whole(tmp_path):
    (tmp_path / "text.nc").write_text("no NetCDF")
    refused("cannot read .*text.nc as NetCDF", read, tmp_path / "text.nc")
    whole = starter(tmp_path / "whole.nc").read_bytes()
    for share in (0.3, 0.6, 0.9):
        (tmp_path / "part.nc").write_bytes(whole[: int(share * len(whole))])
        refused("cannot read .*part.nc as NetCDF, perhaps because it is not whole", read, tmp_path / "part.nc")
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
    refused(r"is it \[south,north,west,east\]\?", read, path, box=[-65, -62, 33, 36])


@pytest.mark.parametrize(
    ("box", "typed"), [([-165, -155, 33, 43], "33,43,-165,-155"), ([350, 10.5, -3, 2], "-3,2,350,10.5")]
)
def test_the_other_order_of_a_box_is_recognized(box, typed):
    """That of data=ssh_tracks for data=ssh_netcdf, and the other way round."""
    refused(rf"its order is \[south,north,west,east\], so type data\.box=\[{typed}\]", Box.of, box)
    other = [*box[2:], *box[:2]]
    other[3] += 360 * (other[3] < other[2])
    with pytest.raises(Refusal, match=r"its order is \[west,east,south,north\], so type box=\["):
        Region.of(other, 0.25)
    with pytest.raises(Refusal, match=r"\[south, north, west, east\]"):
        box_of("box", box)


@pytest.mark.parametrize("period", [("2013-01-01", "2012-01-01"), ("soon", "later"), ("2012-01-01",), 7])
def test_periods_that_are_none(period):
    refused(r"data.period=", map_axes.period, period)
