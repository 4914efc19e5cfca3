"""Maps on curvilinear grids: brought to a regular grid and back with errors of the second order, land left out."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh import curvilinear
from dlgd.problems.ssh.data import own_files
from dlgd.problems.ssh.data.editing import Editing
from dlgd.problems.ssh.grid_points import Points, places_known
from dlgd.problems.ssh.scores.evaluation import SshEvaluation
from tests.problems.ssh.data.sea_files import DAYS, LAT, LON, fields, read, truth


def turned(count: int, *, middle: tuple[float, float] = (38.0, -60.0), degrees: float = 25.0) -> Points:
    """A square of 8 degrees, turned and bent, of count x count points."""
    y, x = np.meshgrid(*2 * [np.linspace(-4, 4, count)], indexing="ij")
    angle, bent = np.deg2rad(degrees), x + 0.02 * y**2
    lat = middle[0] + np.cos(angle) * y + np.sin(angle) * bent
    lon = middle[1] + (np.cos(angle) * bent - np.sin(angle) * y) / np.cos(np.deg2rad(middle[0]))
    return Points(lat, lon)


def waves(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """m, smooth, the same at 0 and 360 degrees."""
    return 0.3 * np.sin(np.deg2rad(18 * lon)) * np.cos(0.6 * lat) + 0.1 * np.cos(np.deg2rad(10 * lon) + 0.3 * lat)


def there(points: Points, *box: float | None) -> curvilinear.Regridding:
    return curvilinear.regridding(points, *(box or (-90.0, 90.0, None, None)))


def samples_of(found: curvilinear.Regridding, sea: np.ndarray | None = None) -> xr.Dataset:
    axes = {"lat": found.lat, "lon": found.lon}
    return xr.Dataset(coords=axes | curvilinear.coordinates(found.points, sea))


def errors(count: int) -> tuple[float, float]:
    """The largest errors of the regular maps and of these brought back, m."""
    points = turned(count)
    found = there(points)
    true = waves(points.lat, points.lon)
    regular = found.regular(true)
    exact = waves(found.lat[:, None], found.lon)
    returned = curvilinear.back(regular, samples_of(found))
    assert np.isfinite(returned).all()
    return float(np.nanmax(abs(regular - exact))), float(abs(returned - true).max())


def test_errors_fall_with_the_square_of_the_spacing_there_and_back():
    coarse, fine = errors(41), errors(81)
    for one, other in zip(coarse, fine, strict=True):
        assert 3 < one / other < 5.5
    assert max(fine) < 0.01


@pytest.mark.parametrize("middle", [(38.0, 0.0), (38.0, 180.0), (-45.0, 359.0)])
def test_a_plane_is_exact_across_greenwich_and_the_date_line(middle):
    points = turned(31, middle=middle)
    wrapped = Points(points.lat, (points.lon + 180) % 360 - 180)
    found = there(wrapped)
    assert (np.diff(found.lon) > 0).all()
    plane = 0.1 * points.lat + 0.05 * (points.lon - middle[1])
    regular = found.regular(plane)
    east = (found.lon - middle[1] + 180) % 360 - 180
    known = np.isfinite(regular)
    np.testing.assert_allclose(regular[known], (0.1 * found.lat[:, None] + 0.05 * east)[known], atol=1e-9)
    assert known.sum() > 0.9 * points.lat.size
    np.testing.assert_allclose(curvilinear.back(regular, samples_of(found)), plane, atol=1e-9)


def test_a_globe_has_no_seam():
    """Bent lines of latitude, all around."""
    x, y = np.meshgrid(np.arange(0.0, 360, 4), np.arange(-60.0, 60.1, 4))
    points = Points(y + 3 * np.sin(np.deg2rad(x)), (x + 73) % 360 - 180)
    found = there(points)
    assert len(found.lon) * (found.lon[1] - found.lon[0]) == pytest.approx(360)

    def smooth(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        return np.sin(np.deg2rad(2 * lon)) * np.cos(np.deg2rad(lat))

    inside = abs(found.lat) < 55
    regular = found.regular(smooth(points.lat, points.lon))
    exact = smooth(found.lat[:, None], found.lon)
    assert abs(regular - exact)[inside].max() < 0.006
    assert abs(curvilinear.back(regular, samples_of(found)) - smooth(points.lat, points.lon)).max() < 0.012


def test_land_is_left_out_and_comes_back_as_it_was():
    points = turned(41)
    true = waves(points.lat, points.lon)
    sea = np.hypot(points.lat - 38, points.lon + 60) > 1.5
    found = there(points)
    regular = found.regular(np.where(sea, true, np.nan))
    land = np.isnan(regular) & np.isfinite(found.regular(true))
    far = np.hypot(found.lat[:, None] - 38, found.lon + 60)
    assert land[far < 1.2].all()
    assert not land[far > 1.9].any()
    returned = curvilinear.back(regular, samples_of(found, sea))
    assert np.isnan(returned[~sea]).all()
    assert abs(returned - true)[sea].max() < 0.1  # beside land of the first order


def test_cells_of_a_box_are_those_of_the_whole_grid():
    points = turned(41)
    whole, part = there(points), there(points, 37.0, 39.0, -62.0, -58.0)
    rows, columns = np.searchsorted(whole.lat, part.lat - 1e-6), np.searchsorted(whole.lon, part.lon - 1e-6)
    np.testing.assert_allclose(whole.lat[rows], part.lat)
    values = waves(points.lat, points.lon)
    np.testing.assert_allclose(
        part.regular(values[part.rows, part.columns]), whole.regular(values)[np.ix_(rows, columns)], atol=0.003
    )
    assert part.points.lat.size < points.lat.size / 2
    with pytest.raises(Refusal, match="fewer than two"):
        there(points, 60.0, 70.0, -62.0, -58.0)


# --- files -----------------------------------------------------------------------------------------------------------


def on_two_dimensions(lat: np.ndarray, lon: np.ndarray, names: tuple[str, str], **values: np.ndarray) -> xr.Dataset:
    axes = {names[0]: (("y", "x"), lat), names[1]: (("y", "x"), lon)}
    stamps = {"time": DAYS.astype("datetime64[ns]")}
    return xr.Dataset({name: (("time", "y", "x"), value) for name, value in values.items()} | axes, stamps)


@pytest.mark.parametrize("names", [("nav_lat", "nav_lon"), ("lat_rho", "lon_rho"), ("TLAT", "TLONG")])
@pytest.mark.parametrize("transposed", [False, True])
def test_repeated_axes_are_read_as_axes(tmp_path, names, transposed):
    lat, lon = np.meshgrid(LAT, LON % 360, indexing="ij")
    lat[:3, :4] = np.nan  # as NEMO leaves out domains without sea
    values = truth()
    if transposed:
        lat, lon, values = lat.T, lon.T, values.transpose(0, 2, 1)
    on_two_dimensions(lat, lon, names, zos=values).to_netcdf(tmp_path / "a.nc")
    fields(zos=truth()).to_netcdf(tmp_path / "b.nc")
    xr.testing.assert_allclose(read(tmp_path / "a.nc"), read(tmp_path / "b.nc"))


def test_files_of_curvilinear_maps(tmp_path, caplog):
    points = turned(33)
    sea = np.hypot(points.lat - 40, points.lon + 60) > 1
    ssh = waves(points.lat, points.lon) * np.cos(0.1 * np.arange(len(DAYS)))[:, None, None]
    ssh = np.where(sea, ssh, np.nan)
    on_two_dimensions(points.lat, points.lon, ("nav_lat", "nav_lon"), zos=ssh).to_netcdf(tmp_path / "a.nc")
    curvilinear.regridding.cache_clear()
    with caplog.at_level(logging.INFO):
        record = read(tmp_path / "a.nc")
    assert sum("33 x 33 points is brought to a regular one" in one for one in caplog.messages) == 1
    assert record.ssh.dtype == np.float32
    exact = waves(record.lat.values[:, None], record.lon.values)
    away = np.hypot(record.lat.values[:, None] - 40, record.lon.values + 60) > 1.6
    assert np.nanmax(abs(record.ssh[0].values - exact)[away]) < 0.03
    np.testing.assert_array_equal(record[curvilinear.SEA], sea)


def test_points_that_all_stand_in_one_place_do_not_widen_the_grid(tmp_path, caplog):
    """Models write 0 N 0 E where they have no cells."""
    points = turned(33)
    lat, lon = points.lat.copy(), points.lon.copy()
    lat[:3], lon[:3] = 0.0, 0.0
    ssh = np.where(lat == 0, 0.0, waves(points.lat, points.lon)) + np.zeros((len(DAYS), 1, 1))
    on_two_dimensions(lat, lon, ("nav_lat", "nav_lon"), zos=ssh).to_netcdf(tmp_path / "a.nc")
    record = read(tmp_path / "a.nc")
    assert record.lat.min() > 30
    assert record.lon.max() < -50
    np.testing.assert_allclose(
        record.ssh[0].sel(lat=40, lon=-60, method="nearest"),
        waves(*(record[axis].sel({axis: at}, method="nearest").values for axis, at in (("lat", 40), ("lon", -60)))),
        atol=0.02,
    )
    assert "99 points of its grid stand in one place" in caplog.text


@pytest.mark.parametrize("at", [(0, 0), (32, 15), (16, 16)])
def test_a_stray_point_does_not_widen_the_grid(tmp_path, caplog, at):
    """One point at 0 N 0 E, or two beside one another; it comes back as unknown."""
    points = turned(33)
    lat, lon = points.lat.copy(), points.lon.copy()
    there = at[0], slice(at[1], at[1] + (2 if at[1] else 1))
    lat[there], lon[there] = 0.0, 0.0
    ssh = waves(points.lat, points.lon) + np.zeros((len(DAYS), 1, 1))
    ssh[:, *there] = 0.0
    on_two_dimensions(lat, lon, ("nav_lat", "nav_lon"), zos=ssh).to_netcdf(tmp_path / "a.nc")
    on_two_dimensions(points.lat, points.lon, ("nav_lat", "nav_lon"), zos=ssh).to_netcdf(tmp_path / "b.nc")
    record, whole = read(tmp_path / "a.nc"), read(tmp_path / "b.nc")
    np.testing.assert_allclose(record.lat[[0, -1]], whole.lat[[0, -1]], atol=0.5)
    np.testing.assert_allclose(record.lon[[0, -1]], whole.lon[[0, -1]], atol=0.5)
    assert f"a.nc: {2 if at[1] else 1} points of its grid stand far from all of their neighbours" in caplog.text
    assert "b.nc" not in caplog.text


def test_no_point_of_a_usual_grid_is_far():
    """On a globe to the poles, on a grid that is stretched tenfold, with holes, with faces side by side."""
    x, y = np.meshgrid(np.arange(0.0, 360, 2), np.linspace(-90.0, 90, 91))
    stretched = np.meshgrid(np.cumsum(np.geomspace(1, 10, 60)) / 20, 30 + np.cumsum(np.geomspace(1, 10, 50)) / 20)
    holes = turned(33)
    some = np.random.default_rng(0).random(holes.lat.shape) < 0.5
    for lat, lon in (
        (y, x),
        stretched[::-1],
        (np.where(some, holes.lat, np.nan), np.where(some, holes.lon, np.nan)),
        (np.concatenate((holes.lat, holes.lat)), np.concatenate((holes.lon, holes.lon + 120))),
    ):
        found, lost, stray = places_known(lat, lon)
        assert (lost, stray) == (0, 0)
        np.testing.assert_array_equal(found.lat, lat)


def test_predictions_stand_on_the_persons_own_points(tmp_path):
    points = turned(33)
    ssh = np.repeat(waves(points.lat, points.lon)[None], len(DAYS), 0)
    ssh[:, :5, :5] = np.nan
    file = on_two_dimensions(points.lat, points.lon, ("lat_rho", "lon_rho"), ssh=ssh, observations=ssh)
    file.to_netcdf(tmp_path / "a.nc")
    samples = own_files.read(tmp_path / "a.nc", Editing())
    evaluation = SshEvaluation(box=None, spectra=False, spectral_box=None, segment_km=1000.0, animation=False)
    std = np.full(samples.ssh.shape, 0.05)
    answer = evaluation.with_error_std(evaluation.dataset(samples, samples.ssh.values), samples, std)
    assert answer.ssh.dims == answer.ssh_error_std.dims == ("time", "y", "x")
    np.testing.assert_array_equal(answer.lat, points.lat)
    np.testing.assert_array_equal(np.isnan(answer.ssh), np.isnan(ssh))
    assert np.nanmax(abs(answer.ssh.values - ssh)) < 0.06
    np.testing.assert_allclose(answer.ssh_error_std.values[np.isfinite(ssh)], 0.05, rtol=1e-6)


# --- unevenly spaced axes --------------------------------------------------------------------------------------------


def mercator() -> tuple[np.ndarray, np.ndarray]:
    """Latitudes of square cells and longitudes whose steps grow eastward, degrees."""
    return np.rad2deg(np.arctan(np.sinh(np.linspace(0.5, 0.9, 49)))), -65 + np.cumsum(np.linspace(0.4, 0.6, 30))


def test_unevenly_spaced_axes_are_read_as_the_same_points_of_two_dimensions(tmp_path, caplog):
    lat, lon = mercator()
    ssh = waves(lat[:, None], lon) * np.cos(0.1 * np.arange(len(DAYS)))[:, None, None]
    ssh[:, :6, :6] = np.nan
    fields(zos=ssh, lat=lat, lon=lon).to_netcdf(tmp_path / "axes.nc")
    points = np.meshgrid(lat, lon, indexing="ij")
    on_two_dimensions(*points, ("nav_lat", "nav_lon"), zos=ssh).to_netcdf(tmp_path / "points.nc")
    curvilinear.regridding.cache_clear()
    with caplog.at_level(logging.INFO):
        found, other = read(tmp_path / "axes.nc"), read(tmp_path / "points.nc")
    assert "unevenly spaced grid of 49 x 30 points is brought to a regular one" in caplog.text
    xr.testing.assert_allclose(found.drop_dims(["y", "x"]), other.drop_dims(["y", "x"]), atol=1e-5)
    exact = waves(found.lat.values[:, None], found.lon.values)
    inside = (found.lat.values[:, None] > 32) & (found.lon.values < -52)
    assert np.nanmax(abs(found.ssh[0].values - exact)[inside]) < 0.02


def test_predictions_stand_on_unevenly_spaced_axes(tmp_path):
    lat, lon = mercator()
    ssh = np.repeat(waves(lat[:, None], lon)[None], len(DAYS), 0)
    ssh[:, :5, :5] = np.nan
    mine = fields(ssh=ssh, observations=ssh, lat=lat, lon=lon % 360).isel(lat=slice(None, None, -1))
    mine.to_netcdf(tmp_path / "a.nc")
    samples = own_files.read(tmp_path / "a.nc", Editing())
    evaluation = SshEvaluation(box=None, spectra=False, spectral_box=None, segment_km=1000.0, animation=False)
    answer = evaluation.dataset(samples, samples.ssh.values)
    assert answer.ssh.dims == ("time", "lat", "lon")
    np.testing.assert_array_equal(answer.lat, mine.lat)
    np.testing.assert_array_equal(answer.lon, mine.lon)
    np.testing.assert_array_equal(np.isnan(answer.ssh), np.isnan(mine.ssh))
    assert np.nanmax(abs(answer.ssh.values - mine.ssh.values)) < 0.03
    answer.to_netcdf(tmp_path / "answer.nc")
    with xr.open_dataset(tmp_path / "answer.nc") as written:
        assert written.ssh.sel(lat=lat[20], lon=lon[7] % 360).notnull().all()


def test_a_box_may_hold_the_even_part_of_stretched_axes(tmp_path):
    lat = np.append(LAT, LAT[-1] + 0.25 * np.cumsum(1.1 ** np.arange(1, 9)))
    day = np.arange(len(DAYS))[:, None, None]
    values = np.sin(0.3 * lat[:, None] + 0.2 * LON + 0.1 * day)
    fields(zos=values, lat=lat).to_netcdf(tmp_path / "a.nc")
    record = read(tmp_path / "a.nc", box=[LAT[0], LAT[-1], LON[0], LON[-1]])
    np.testing.assert_allclose(record.ssh, values[:, : len(LAT)], rtol=1e-6)
