"""Points along tracks come out of the files of the 2021 and 2022 data challenges where they went in."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import map_axes, map_files, track_files
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.map_files import Reading
from dlgd.problems.ssh.data.observing import cell_means
from tests.problems.ssh.data.sea_files import LAT, LON, duacs, karin, plane, starter, tracks


@pytest.fixture
def sea(tmp_path):
    reading = Reading(names={}, time_units=None, box=Box(), period=map_axes.period(None))
    return map_files.reference([starter(tmp_path / "sea.nc")], target=None, reading=reading)


def table(paths, sea, *, variable=None, names=None, held_out=None) -> xr.Dataset:
    return track_files.table(
        paths, variable=variable, names=names or {}, time_units=None, held_out=held_out, reference=sea
    )


def test_tracks_are_known_from_maps(tmp_path):
    assert all(track_files.along_track(path, {}) for path in [*tracks(tmp_path), karin(tmp_path / "karin.nc")])
    assert not track_files.along_track(starter(tmp_path / "a.nc"), {})
    assert not track_files.along_track(duacs(tmp_path / "b.nc"), {})


def test_points_of_the_2021_challenge(tmp_path, sea):
    """sla_unfiltered + mdt - lwe, inside the grid and its days alone, by satellite and time."""
    points = table(tracks(tmp_path), sea, held_out="j3")
    assert points.track_satellite.attrs["names"] == "alg,c2,j3"
    expected = plane(points.track_lat, points.track_lon) + 5.0 * (points.track_satellite == 2)
    np.testing.assert_allclose(points.track_ssh, expected, atol=1e-6)
    assert points.track_lat.min() >= LAT[0] - 0.125
    assert points.track_lat.max() < LAT[-1] + 0.125
    assert points.track_lon.min() >= LON[0] - 0.125
    assert points.track_lon.max() < LON[-1] + 0.125
    assert points.track_time.min() >= np.datetime64("2012-10-01")
    assert points.track_time.max() < np.datetime64("2012-10-21")
    order = np.lexsort((points.track_time, points.track_satellite))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    np.testing.assert_array_equal(points.held_out, points.track_satellite == 2)
    share = 20 / 24 * (3 / 5) * (4 / 7)  # of days, latitudes and longitudes
    assert points.sizes["point"] == pytest.approx(1800 * share, rel=0.1)


def test_no_point_is_lost_or_moved_by_another_day(tmp_path, sea):
    """Each map is the mean over the points of its day from midnight to midnight, as counted by hand."""
    points = table(tracks(tmp_path), sea)
    maps = cell_means(points, sea)
    day = points.track_time.values.astype("datetime64[D]")
    for number in (0, 7, 19):
        for row, column in ((5, 6), (9, 12), (4, 15)):
            here = day == sea.time.values[number].astype("datetime64[D]")
            here &= np.abs(points.track_lat.values - LAT[row]) < 0.125
            here &= np.abs(points.track_lon.values - LON[column]) < 0.125
            mean = points.track_ssh.values[here].mean() if here.any() else np.nan
            np.testing.assert_allclose(maps[number, row, column], mean, rtol=1e-5)
    cells = len(
        {
            (d, round((a - LAT[0]) / 0.25), round((o - LON[0]) / 0.25))
            for d, a, o in zip(day.astype(int), points.track_lat.values, points.track_lon.values, strict=True)
        }
    )
    assert np.isfinite(maps).sum() == cells


def test_a_swath(tmp_path, sea):
    points = table([karin(tmp_path / "input_ssh_karin_013_001.nc")], sea)
    np.testing.assert_allclose(points.track_ssh, plane(points.track_lat, points.track_lon), atol=0.6e-4)
    assert points.sizes["point"] > 71 * 100
    assert points.track_satellite.attrs["names"] == "input_ssh_karin_013_001"


def test_the_satellite_of_an_attribute_and_another_variable(tmp_path, sea):
    (path, *_) = tracks(tmp_path)
    with xr.open_dataset(path) as opened:
        dataset = opened.load().assign_attrs(platform="SARAL/AltiKa")
    dataset.to_netcdf(tmp_path / "other.nc")
    points = table([tmp_path / "other.nc"], sea, variable="sla_unfiltered")
    assert points.track_satellite.attrs["names"] == "SARAL/AltiKa"
    np.testing.assert_allclose(points.track_ssh, plane(points.track_lat, points.track_lon) - 0.15, atol=1e-6)


def test_repeated_points_count_once(tmp_path, sea, caplog):
    paths = tracks(tmp_path)
    once, twice = table(paths, sea), table([*paths, paths[0]], sea)
    assert "points are repeated, and count once" in caplog.text
    assert twice.track_satellite.attrs["names"] == once.track_satellite.attrs["names"]
    xr.testing.assert_equal(twice, once)


def test_what_is_refused(tmp_path, sea):
    paths = tracks(tmp_path)
    with pytest.raises(Refusal, match=r"data.held_out=s6 is none of the satellites alg, c2, j3"):
        table(paths, sea, held_out="s6")
    with pytest.raises(Refusal, match="has no observation that is not held out in the box"):
        table(paths[:1], sea, held_out="alg")
    with pytest.raises(Refusal, match=r"has no adt2: choose data.names.observations among"):
        table(paths, sea, variable="adt2")
    later = sea.assign_coords(time=sea.time + np.timedelta64(1000, "D"))
    with pytest.raises(Refusal, match="has no observation in the box and the days of the reference"):
        table(paths, later)
