"""Grids against spherical geometry worked out otherwise."""

import numpy as np
import pytest

from dlgd.core.constants import EARTH_RADIUS_M as R
from dlgd.core.errors import Refusal
from dlgd.physics import grids

POLES = (65.0, 80.0), (65.0, -100.0)  # of the tripolar grid's cap: latitude, longitude


def haversine(lat1, lon1, lat2, lon2):
    """Great-circle distance in m."""
    phi1, phi2, lam1, lam2 = map(np.deg2rad, (lat1, lat2, lon1, lon2))
    h = np.sin((phi2 - phi1) / 2) ** 2 + np.cos(phi1) * np.cos(phi2) * np.sin((lam2 - lam1) / 2) ** 2
    return 2 * R * np.arcsin(np.sqrt(h))


def polar_polygon(lat, sides):
    """Area (m2) within a regular polygon of great-circle arcs round a pole, its corners at latitude `lat`."""
    half = np.tan(np.deg2rad(90 - abs(lat)) / 2) ** 2  # of two sides; their product in the triangle's formula
    turn = 2 * np.pi / sides
    return sides * 2 * R**2 * np.arctan(half * np.sin(turn) / (1 + half * np.cos(turn)))


def corner(grid, row, column):
    return grid.position(np.asarray(float(row)), np.asarray(float(column)))


# --- a part of the globe ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stretching", [0.0, 0.3])
def test_a_region_is_covered(stretching):
    """The band between two parallels has the area R^2 (lon1 - lon0) (sin lat1 - sin lat0), Archimedes."""
    grid = grids.regional(80, 160, lat=(30.0, 46.0), lon=(-6.0, 37.0), stretching=stretching)
    band = R**2 * np.deg2rad(43.0) * (np.sin(np.deg2rad(46.0)) - np.sin(np.deg2rad(30.0)))
    assert grid.area.sum() == pytest.approx(band, rel=1e-6)
    assert corner(grid, 0, 0) == pytest.approx((30.0, -6.0))
    assert corner(grid, 80, 160) == pytest.approx((46.0, 37.0))
    assert (grid.topology.west_east, grid.topology.south_north) == ("closed", "closed")
    spacing = grid.west_length[:, 0]
    assert spacing[40] / spacing[0] == pytest.approx((1 - stretching) / (1 + stretching), rel=1e-2)


@pytest.mark.parametrize(
    "wrong", [{"lat": (46.0, 30.0)}, {"lat": (30.0, 90.0)}, {"lon": (0.0, 360.0)}, {"stretching": 1.0}], ids=str
)
def test_a_region_that_cannot_be(wrong):
    with pytest.raises(Refusal, match="must"):
        grids.regional(8, 8, **({"lat": (30.0, 46.0), "lon": (-6.0, 37.0)} | wrong))


# --- all grids ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [90, 360])
def test_mercator_covers_its_band(columns):
    grid = grids.mercator(columns // 2, columns)
    edge = corner(grid, columns // 2, 0)[0]
    band = 4 * np.pi * R**2 * np.sin(np.deg2rad(edge))
    assert grid.area.sum() == pytest.approx(band, rel=20 / columns**2)
    both_caps = 2 * polar_polygon(edge, columns)  # sides of cells are great circles, not parallels
    assert grid.area.sum() == pytest.approx(4 * np.pi * R**2 - both_caps, rel=1e-10)


def test_tripolar_covers_all_north_of_its_southern_side(tripolar):
    south = corner(tripolar, 0, 0)[0]
    assert -79 < south < -77
    assert tripolar.area.sum() == pytest.approx(2 * np.pi * R**2 * (1 - np.sin(np.deg2rad(south))), rel=1e-4)
    assert tripolar.area.sum() == pytest.approx(4 * np.pi * R**2 - polar_polygon(south, 360), rel=1e-10)
    assert tripolar.area.min() > 0


@pytest.mark.parametrize(
    "make", [lambda: grids.mercator(30, 60), lambda: grids.tripolar(58, 72)], ids=["mercator", "tripolar"]
)
def test_lengths_and_distances_are_those_of_great_circles(make):
    grid = make()
    ny, nx = grid.shape
    for y, x in np.random.default_rng(0).integers((1, 1), (ny, nx), (40, 2)):
        assert grid.south_length[y, x] == pytest.approx(haversine(*corner(grid, y, x), *corner(grid, y, x + 1)))
        assert grid.west_length[y, x] == pytest.approx(haversine(*corner(grid, y, x), *corner(grid, y + 1, x)))
        here = grid.lat[y, x], grid.lon[y, x]
        assert here == pytest.approx(tuple(map(float, corner(grid, y + 0.5, x + 0.5))))
        south, west = (grid.lat[y - 1, x], grid.lon[y - 1, x]), (grid.lat[y, x - 1], grid.lon[y, x - 1])
        assert grid.south_distance[y, x] == pytest.approx(haversine(*here, *south))
        assert grid.west_distance[y, x] == pytest.approx(haversine(*here, *west))
    assert grid.west_distance[:, 0] == pytest.approx(
        haversine(grid.lat[:, 0], grid.lon[:, 0], grid.lat[:, -1], grid.lon[:, -1])
    )
    assert np.isnan(grid.south_distance[0]).all()
    assert grid.lon.min() >= -180
    assert grid.lon.max() < 180


# --- mercator -----------------------------------------------------------------------------------------------


def test_mercator_cells_are_square():
    grid = grids.mercator()
    west_east = (grid.south_length[:-1] + grid.south_length[1:]) / 2
    assert grid.west_length / west_east == pytest.approx(1, abs=1e-3)
    assert grid.area / (grid.west_length * west_east) == pytest.approx(1, abs=1e-3)
    assert grid.lat == pytest.approx(-grid.lat[::-1])
    assert corner(grid, 180, 0)[0] == pytest.approx(np.rad2deg(np.arctan(np.sinh(np.pi / 2))))  # 66.5
    assert np.diff(grid.lon, axis=1) == pytest.approx(1)


# --- tripolar -----------------------------------------------------------------------------------------------


def test_cap_has_its_poles_on_real_land(tripolar, real_sea):
    assert corner(tripolar, 292, 0) == pytest.approx(POLES[0])
    assert corner(tripolar, 292, 180) == pytest.approx(POLES[1])
    assert corner(tripolar, 250, 0) == pytest.approx(POLES[0])  # the whole column ends there
    for pole in (0, 180):
        beside = [(pole + d) % 360 for d in range(-3, 3)]
        assert not real_sea[235:, beside].any()
    assert 0.6 < real_sea.mean() < 0.72
    assert 0.69 < tripolar.area[real_sea].sum() / (4 * np.pi * R**2) < 0.73  # of the Earth; 71 % is sea


def test_fold_joins_the_north_side_to_itself(tripolar):
    columns = np.arange(361.0)
    lat, lon = tripolar.position(np.full(361, 292.0), columns)
    assert haversine(lat, lon, lat[::-1], lon[::-1]) == pytest.approx(0, abs=1e-3)
    assert tripolar.south_length[-1] == pytest.approx(tripolar.south_length[-1, ::-1])
    across = haversine(tripolar.lat[-1], tripolar.lon[-1], tripolar.lat[-1, ::-1], tripolar.lon[-1, ::-1])
    assert tripolar.south_distance[-1] == pytest.approx(across)
    assert across.min() > 100  # m; 780 beside the poles of the cap, 47,000 midway
    # the cap is its own mirror image in the plane of the fold, the meridians of the two poles
    normal = np.array([-np.sin(np.deg2rad(80)), np.cos(np.deg2rad(80)), 0])
    centre = grids.unit_vectors(tripolar.lat[240:], tripolar.lon[240:])
    mirrored = centre - 2 * (centre @ normal)[..., None] * normal
    np.testing.assert_allclose(mirrored, centre[:, ::-1], atol=1e-12)


def test_rows_and_columns_of_the_cap_cross_at_right_angles(tripolar):
    row, column = np.meshgrid(np.arange(240.5, 292), np.arange(360) + 0.5, indexing="ij")
    h = 1e-5

    def along(d_row, d_column):
        ahead = grids.unit_vectors(*tripolar.position(row + d_row, column + d_column))
        behind = grids.unit_vectors(*tripolar.position(row - d_row, column - d_column))
        difference = ahead - behind
        return difference / np.linalg.norm(difference, axis=-1, keepdims=True)

    angle = np.rad2deg(np.arccos(np.sum(along(h, 0) * along(0, h), axis=-1)))
    away = np.abs((column + 90) % 180 - 90) > 3  # columns from a pole
    assert np.abs(angle - 90)[away].max() < 0.01


def test_cap_and_mercator_rows_meet_at_65_degrees_north(tripolar):
    columns = np.arange(0, 360, 0.5)
    joint = 292 - 59
    for nudge in (0.0, -1e-9, 1e-9):
        lat, lon = tripolar.position(np.full(720, joint + nudge), columns)
        assert lat == pytest.approx(65, abs=1e-6)
        assert np.cos(np.deg2rad(lon - 80 - columns)) == pytest.approx(1)
    assert (tripolar.lat[:joint] < 65).all()
    assert (tripolar.lat[joint:] > 65).all()


@pytest.mark.parametrize("refinement", [1 / 3, 0.5])
def test_rows_are_refined_at_the_equator(refinement):
    grid = grids.tripolar(292 if refinement < 0.4 else 276, refinement=refinement)
    lat = grid.position(np.arange(grid.shape[0] + 1.0), np.zeros(grid.shape[0] + 1))[0]
    middle, spacing = (lat[1:] + lat[:-1]) / 2, np.diff(lat)
    over_mercator = spacing / np.cos(np.deg2rad(middle))  # in steps of one degree
    assert over_mercator[np.abs(middle) < 0.5] == pytest.approx(refinement, rel=0.01)
    assert over_mercator[(np.abs(middle) > 30) & (middle < 64)] == pytest.approx(1, rel=1e-3)
    half = over_mercator[np.abs(np.abs(middle) - 8 * np.sqrt(np.log(2))) < 0.4]  # exp(-(lat / 8)^2) = 1/2
    assert half == pytest.approx((1 + refinement) / 2, rel=0.06)


@pytest.mark.parametrize(("rows", "columns"), [(58, 71), (9, 360), (600, 360)])
def test_impossible_tripolar_grids_are_refused(rows, columns):
    with pytest.raises(ValueError, match="a tripolar grid"):
        grids.tripolar(rows, columns)


# --- uniform ------------------------------------------------------------------------------------------------


def test_uniform_plane_is_the_same_everywhere():
    grid = grids.uniform(4, 6, spacing_m=2.0)
    assert grid.shape == (4, 6)
    assert (grid.area == 4).all()
    for length in (grid.south_length, grid.south_distance, grid.west_length, grid.west_distance):
        assert (length == 2).all()
    assert grid.south_length.shape == grid.south_distance.shape == grid.south_position.shape[:2] == (5, 6)
    assert grid.west_length.shape == grid.west_distance.shape == grid.west_position.shape[:2] == (4, 6)
    assert (grid.topology.west_east, grid.topology.south_north) == ("periodic", "periodic")
