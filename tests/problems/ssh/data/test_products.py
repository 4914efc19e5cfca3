"""Swaths of SWOT and tracks of Sentinel-6 as they are distributed: the heights that are meant, where they are, without
what flags reject."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import map_axes, map_files, track_files
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.map_files import Reading
from tests.problems.ssh.data import swot_files
from tests.problems.ssh.data.sea_files import starter
from tests.problems.ssh.data.swot_files import LINES, MDT, PIXELS, START, anomaly


@pytest.fixture
def sea(tmp_path):
    reading = Reading(names={}, time_units=None, box=Box(), period=map_axes.period(None))
    return map_files.reference([starter(tmp_path / "sea.nc")], target=None, reading=reading)


def table(path, sea, *, variable=None) -> xr.Dataset:
    return track_files.table([path], variable=variable, names={}, time_units=None, held_out=None, reference=sea)


def expect(points: xr.Dataset, level: float, lines: int, pixels: int, atol: float = 1e-5) -> None:
    """Each line in the box has all its pixels, and each height is the anomaly above a level."""
    assert points.sizes["point"] == lines * pixels
    np.testing.assert_allclose(points.track_ssh, anomaly(points.track_lat, points.track_lon) + level, atol=atol)


def test_level_2_is_calibrated_and_counted_from_the_geoid(tmp_path, sea, caplog):
    """ssha_karin_2 + height_cor_xover + mean_dynamic_topography; degraded and bad lines are rejected, suspect ones are
    not, nor what the flag of the roughness rejects."""
    with caplog.at_level(logging.INFO):
        points = table(swot_files.expert_2(tmp_path / "SWOT_L2_LR_SSH_Expert_001_001.nc"), sea)
    expect(points, MDT, LINES - 2, 2 * PIXELS)
    assert points.track_satellite.attrs["names"] == "SWOT"
    assert "heights are ssha_karin_2+height_cor_xover+mean_dynamic_topography" in caplog.text
    assert "36 of 1080 heights: 36 by ssha_karin_2_qual" in caplog.text
    assert "sig0" not in caplog.text
    along = (points.track_time.values - START) / np.timedelta64(3, "s")
    assert sorted(set(along)) == [line for line in range(LINES) if line not in (4, 5)]
    km = 93 * (points.track_lon % 360 - 297 - 0.4 * along / (LINES - 1))
    np.testing.assert_allclose(points.track_across, km, atol=1e-6)


def test_both_groups_of_unsmoothed_files_are_read(tmp_path, sea, caplog):
    with caplog.at_level(logging.INFO):
        points = table(swot_files.unsmoothed_2(tmp_path / "SWOT_L2_LR_SSH_Unsmoothed_001_001.nc"), sea)
    expect(points, MDT, LINES - 2, 2 * PIXELS)
    assert points.track_satellite.attrs["names"] == "SWOT"
    assert (points.track_across < 0).sum() == (points.track_across > 0).sum() == (LINES - 2) * PIXELS
    assert "of the groups left and right" in caplog.text


@pytest.mark.parametrize(("level", "expected"), [("geoid", MDT), ("mean_sea_surface_cnescls", 0.0)])
def test_heights_above_the_ellipsoid_are_reduced(tmp_path, sea, caplog, level, expected):
    """By the geoid or the mean sea surface, and by tides."""
    path = swot_files.expert_2(tmp_path / "swot.nc", anomalies=False, level=level)
    with caplog.at_level(logging.INFO):
        points = table(path, sea)
    expect(points, expected, LINES - 2, 2 * PIXELS)
    assert f"heights are ssh_karin_2+height_cor_xover-{level}-ocean_tide_fes" in caplog.text


def test_heights_above_the_ellipsoid_are_refused_where_nothing_reduces_them(tmp_path, sea):
    path = swot_files.expert_2(tmp_path / "swot.nc", anomalies=False, level=None)
    with pytest.raises(Refusal, match="neither a geoid nor a mean sea surface"):
        table(path, sea)


def test_bare_heights_are_refused_by_their_size(tmp_path, sea):
    """A subset of level 2 whose attributes are lost."""
    path = swot_files.expert_2(tmp_path / "swot.nc", anomalies=False, level=None)
    with xr.open_dataset(path) as whole:
        few = whole[["time", "latitude", "longitude", "ssh_karin"]].load()
    few.ssh_karin.attrs = {"units": "m"}
    few.to_netcdf(tmp_path / "few.nc")
    with pytest.raises(Refusal, match=r"median of -39\.\d m and so is a height above the ellipsoid"):
        table(tmp_path / "few.nc", sea)


def test_a_height_above_the_ellipsoid_that_is_typed_is_refused_with_the_sum_to_type(tmp_path, sea):
    path = swot_files.expert_2(tmp_path / "swot.nc")
    with pytest.raises(Refusal, match=r"observations=ssh_karin\+height_cor_xover-geoid-ocean_tide_fes$") as refused:
        table(path, sea, variable="ssh_karin")
    total = str(refused.value).rsplit("=", 1)[1]
    expect(table(path, sea, variable=total), MDT + 0.01, LINES, 2 * PIXELS)  # ssh_karin has no flag in this file


@pytest.mark.parametrize("name", ["ssha_filtered", "ssha_noiseless", "ssha_unfiltered", "ssha_unedited"])
def test_level_3_is_counted_from_the_geoid(tmp_path, sea, name):
    """quality_flag calls 0 good, and nothing bad."""
    points = table(swot_files.expert_3(tmp_path / "SWOT_L3_LR_SSH_Expert_001.nc", name=name), sea)
    expect(points, MDT, LINES - 1, 2 * PIXELS + 1, atol=1e-4)


def test_missing_times_are_filled_between_lines_and_left_out_at_the_end(tmp_path, sea, caplog):
    missing = [0, 1, 20, 21, 59]
    points = table(swot_files.expert_3(tmp_path / "swot.nc", missing=missing), sea)
    expect(points, MDT, LINES - 4, 2 * PIXELS + 1, atol=1e-4)
    along = (points.track_time.values - START) / np.timedelta64(3, "s")
    assert sorted(set(along)) == [line for line in range(2, 59) if line != 5]
    south_north = 33.1 + 2.5 * along / (LINES - 1)
    np.testing.assert_allclose(points.track_lat, south_north, atol=1e-6)
    assert "5 of 60 lines have no time: 2 are timed between their neighbours, 3 are left out" in caplog.text


def test_a_gap_between_passes_is_not_filled():
    """Ten lines of one pass, three without a time, ten of another an hour later."""
    stamps = START + np.r_[np.arange(10), np.zeros(3), 3600 + np.arange(10)].astype("m8[s]")
    stamps[10:13] = np.datetime64("NaT")
    np.testing.assert_array_equal(map_axes.filled(stamps), stamps)


def test_sentinel_6(tmp_path, sea, caplog):
    """Anomalies of the Ku band at the places of its group, without what the flag of the range rejects."""
    with caplog.at_level(logging.INFO):
        points = table(swot_files.sentinel_6(tmp_path / "S6A_P4_2__LR_RED.nc"), sea)
    expect(points, MDT, LINES - 1, 1)
    assert points.track_satellite.attrs["names"] == "Sentinel-6A"
    assert "heights are ssha+mean_dynamic_topography of the group data_01" in caplog.text
    assert "track_across" not in points


def test_anomalies_beside_heights_above_the_geoid_are_told(tmp_path, sea, caplog):
    paths = [swot_files.expert_2(tmp_path / "a.nc"), tmp_path / "b.nc"]
    with xr.open_dataset(paths[0], decode_times=False) as dataset:
        dataset.drop_vars("mean_dynamic_topography").to_netcdf(paths[1])
    for files, told in ((paths, True), (paths[:1], False), (paths[1:], False)):
        caplog.clear()
        track_files.table(files, variable=None, names={}, time_units=None, held_out=None, reference=sea)
        assert ("files differ in their heights, which are anomalies (ssha_karin_2+height" in caplog.text) is told


def test_a_swath_needs_a_place_for_each_pixel(tmp_path, sea):
    with xr.open_dataset(swot_files.expert_2(tmp_path / "a.nc"), decode_times=False) as dataset:
        places = {name: dataset[name].isel(num_pixels=0, drop=True) for name in ("latitude", "longitude")}
        dataset.assign(places).to_netcdf(tmp_path / "b.nc")
    with pytest.raises(Refusal, match="which are not those of latitude and longitude"):
        table(tmp_path / "b.nc", sea)


def test_a_pass_without_a_time_is_refused_as_such(tmp_path, sea):
    with pytest.raises(Refusal, match=r"time in .* has no time at all.*leave the file out"):
        table(swot_files.expert_3(tmp_path / "a.nc", missing=slice(0, LINES)), sea)
