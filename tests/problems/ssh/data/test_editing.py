"""Bad observations are left out and counted; eddies, rings and a western boundary current are not."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import editing, heights, track_files
from dlgd.problems.ssh.data.editing import Editing
from dlgd.problems.ssh.data.observing import cell_means
from tests.problems.ssh.data.sea_files import fields, seen, source, truth
from tests.problems.ssh.data.track_seas import DAYS, LAT, LON, current, points, reference, spoiled, written

OFF = Editing(flags="none", sigma=None, jumps=None, highest=None)


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    return reference(tmp_path_factory.mktemp("sea"))


def table(paths, sea, edit=None, **options) -> xr.Dataset:
    usual = {"variable": None, "names": {}, "time_units": None, "held_out": None}
    return track_files.table(paths, reference=sea, editing=edit, **(usual | options))


def truth_at(found: xr.Dataset) -> np.ndarray:
    day = (found.track_time.values - np.datetime64("2019-01-01", "ns")) / np.timedelta64(1, "D")
    return current(found.track_lat.values, found.track_lon.values, day)


# --- what passes, and what does not ----------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.025, 0.06])
def test_rings_and_fronts_pass(sea, tmp_path, noise):
    """No point of 19,200 without errors other than noise is left out, by one satellite or two."""
    paths = [written(tmp_path / f"{seed}.nc", one := points(seed, noise=noise), adt=(one["ssh"],)) for seed in (0, 1)]
    for some in (paths, paths[:1]):
        assert table(some, sea).sizes["point"] == table(some, sea, OFF).sizes["point"] > 8000 * len(some)


def test_outliers_do_not_pass(sea, tmp_path, caplog):
    """Of single errors above 0.5 m all but those at the ends of passes are found, and hardly any good point."""
    one = points(0)
    ssh, _ = spoiled(one, 1)
    path = written(tmp_path / "a.nc", one, adt=(ssh, {"units": "m"}))
    with caplog.at_level(logging.INFO):
        found = table([path], sea)
    error = np.abs(found.track_ssh.values - truth_at(found))
    everything = table([path], sea, OFF)
    spoilt = np.abs(everything.track_ssh.values - truth_at(everything)) > 0.3
    assert spoilt.sum() > 80
    assert (error > 0.3).sum() <= 0.03 * spoilt.sum()
    assert error.max() < 2.0
    lost = everything.sizes["point"] - found.sizes["point"]
    assert spoilt.sum() * 0.97 <= lost <= spoilt.sum() + 5
    assert "jump by more than 5 robust standard deviations" in caplog.text
    assert "(data.editing.jumps)" in caplog.text


def test_a_bad_stretch_is_far_from_those_around_it(sea, tmp_path, caplog):
    """Forty neighbours 2.5 m too high do not jump except at the ends; other passes show that they are wrong."""
    one = points(0)
    ssh = one["ssh"].copy()
    ssh[2080:2120] += 2.5
    path = written(tmp_path / "a.nc", one, adt=(ssh,))
    with caplog.at_level(logging.INFO):
        found = table([path], sea)
    assert np.abs(found.track_ssh.values - truth_at(found)).max() < 0.2
    assert "lie more than 5 robust standard deviations from those around them" in caplog.text
    kept = table([path], sea, Editing(sigma=None, jumps=None))
    assert np.abs(kept.track_ssh.values - truth_at(kept)).max() > 2.4


def test_one_point_spoils_a_cell_of_a_daily_map_no_longer(sea, tmp_path):
    one = points(0)
    ssh = one["ssh"].copy()
    ssh[1100] = 8.0
    paths = [written(tmp_path / f"{name}.nc", one, adt=(each,)) for name, each in (("a", ssh), ("b", one["ssh"]))]
    raw, right = (cell_means(table([path], sea, OFF), sea) for path in paths)
    edited = cell_means(table(paths[:1], sea), sea)
    assert np.nanmax(np.abs(raw - right)) > 1.0
    assert np.nanmax(np.abs(edited - right)) < 0.1
    assert np.isfinite(right).sum() - np.isfinite(edited).sum() <= 1


def test_medians_and_deviations_are_those_counted_by_hand():
    rng = np.random.default_rng(3)
    lat, lon, day = rng.uniform(0, 6, 900), rng.uniform(10, 16, 900), rng.integers(0, 20, 900)
    values = rng.standard_normal(900) + lat
    time = np.datetime64("2019-01-01") + day.astype("m8[D]")
    median, std = editing.surroundings(lat, lon, time, values)
    west = np.cos(np.deg2rad(lat.mean()))
    bins = np.stack([(lat - lat.min()) // 1, (lon - lon.min()) * west // 1, (day - day.min()) // 5]).astype(int)
    for number in range(0, 900, 50):
        near = (np.abs(bins - bins[:, number, None]) <= 1).all(axis=0)
        some = values[near] if near.sum() >= 30 else values
        assert median[number] == np.median(some)
        assert std[number] == pytest.approx(1.4826 * np.median(np.abs(some - np.median(some))))


def test_one_satellite_that_differs_is_told_and_kept(sea, tmp_path, caplog):
    paths = []
    for seed, off in ((0, 0.0), (1, 0.0), (2, 2.0)):
        one = points(seed)
        paths.append(written(tmp_path / f"s{seed}.nc", one, adt=(one["ssh"] + off,)))
    found = table(paths, sea)
    assert found.sizes["point"] == table(paths, sea, OFF).sizes["point"]
    (sentence,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "s2 lies" in sentence
    assert 1.5 < float(sentence.split("lies ")[1].split(" m")[0]) < 2.1


# --- the guard in metres ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "attributes", "limit", "words"),
    [
        ("sla", {}, 3.0, "sea level anomaly"),
        ("ssha", {}, 3.0, "sea level anomaly"),
        ("height", {"standard_name": "sea_surface_height_above_sea_level"}, 3.0, "sea level anomaly"),
        ("adt", {"standard_name": "sea_surface_height_above_geoid"}, 10.0, "height above the geoid"),
        ("ssh", {}, 10.0, "height above the geoid"),  # as low as one
    ],
)
def test_the_guard_depends_on_what_is_read(sea, tmp_path, caplog, name, attributes, limit, words):
    one = points(0)
    ssh = one["ssh"].copy()
    ssh[[500, 900]] = limit + 0.1, -limit - 1
    path = written(tmp_path / "a.nc", one, **{name: (ssh, attributes)})
    with caplog.at_level(logging.INFO):
        found = table([path], sea, Editing(sigma=None, jumps=None), variable=name)
    assert np.abs(found.track_ssh).max() < limit
    expected = f"2 of {found.sizes['point'] + 2} heights lie beyond {limit:g} m, the limit of a {words} "
    assert expected + f"({-limit - 1:.3g} to {limit + 0.1:.3g} m)" in caplog.text
    kept = table([path], sea, Editing(sigma=None, jumps=None, highest=None), variable=name)
    assert kept.sizes["point"] == found.sizes["point"] + 2


def test_heights_above_the_ellipsoid_pass(sea, tmp_path):
    one = points(0)
    path = written(tmp_path / "a.nc", one, ssh=(one["ssh"] - 42.0 + 2 * (one["lat"] - 38),))
    assert table([path], sea).sizes["point"] == table([path], sea, OFF).sizes["point"]


def test_anomalies_in_unlabelled_centimetres_are_refused(sea, tmp_path):
    one = points(0)
    path = written(tmp_path / "a.nc", one, sla=(100 * one["ssh"],))
    with pytest.raises(
        Refusal, match=r"\d+ of \d+ heights of .* lie beyond 3 m, the limit of a sea level anomaly: set"
    ):
        table([path], sea)
    with_units = written(tmp_path / "b.nc", one, sla=(100 * one["ssh"], {"units": "cm"}))
    assert np.abs(table([with_units], sea).track_ssh).max() < 2


# --- gridded observations ----------------------------------------------------------------------------------------


def test_a_cell_of_a_map_is_edited(tmp_path, caplog):
    """In training files, and in those to predict from: a value of 5 m among those of 0.3 m."""
    observed = seen()
    observed[7, 8, 9] = 5.0
    fields(ssh=truth(), nadir_obs=observed).to_netcdf(tmp_path / "a.nc")
    data = source(tmp_path / "a.nc")
    with caplog.at_level(logging.INFO):
        found = data.read(tmp_path / "a.nc")
    expected = seen()
    expected[7, 8, 9] = np.nan
    np.testing.assert_allclose(found.observations, expected, atol=1e-7)
    count = np.isfinite(observed).sum()
    assert f"1 of {count} heights lie more than 5 robust standard deviations from those around them (5 to 5 m)" in (
        caplog.text
    )
    data.prepare()
    assert np.nanmax([np.nanmax(data.samples(split).observations) for split in ("train", "valid", "test")]) < 1
    kept = source(tmp_path / "a.nc", editing={"sigma": None}).read(tmp_path / "a.nc")
    np.testing.assert_allclose(kept.observations, observed, atol=1e-7)


def test_maps_with_rings_and_fronts_pass():
    day = np.arange(DAYS)[:, None, None]
    maps = current(LAT[:, None], LON, day).astype(np.float32)
    before = maps.copy()
    editing.edit_maps(maps, LAT, LON, heights.UNKNOWN, Editing(), "maps")
    np.testing.assert_array_equal(maps, before)


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flag": "none"}, "data.editing.flag is unknown: .*did you mean flags"),
        ({"flags": 3}, r"data.editing.flags=3 must be auto, none, or names of flags such as \[nasa_flag\]"),
        ({"sigma": 0}, "data.editing.sigma=0 must be a number above 0, or null"),
        ({"jumps": "no"}, "data.editing.jumps=no must be a number above 0, or null"),
        ({"highest": -1}, "data.editing.highest=-1 must be a number above 0, or null"),
    ],
)
def test_options_that_cannot_work(change, words):
    with pytest.raises(Refusal, match=words):
        source(None, editing=change).check()
