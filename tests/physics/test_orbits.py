"""Ground tracks against the closed forms of circular repeat orbits."""

from __future__ import annotations

import numpy as np
import pytest

from dlgd.core.constants import EARTH_RADIUS_KM, SECONDS_PER_DAY
from dlgd.physics.orbits import SATELLITES, Box, latitude_longitude, points_over

NAMES = sorted(SATELLITES)
GULF_STREAM = Box(33.0, 43.0, -65.0, -55.0)


def distance_km(one, other):
    """Along the sphere, of unit vectors (..., 3)."""
    return EARTH_RADIUS_KM * 2 * np.arcsin(np.linalg.norm(one - other, axis=-1) / 2)


def unit(lat, lon):
    lat, lon = np.deg2rad(lat), np.deg2rad(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


@pytest.mark.parametrize("name", NAMES)
def test_the_track_repeats_itself_after_its_cycle_and_not_before(name):
    orbit = SATELLITES[name].orbit
    time = np.linspace(0, 7000, 50)
    here = orbit.positions(time, 12.0)
    np.testing.assert_allclose(orbit.positions(time + orbit.cycle_s, 12.0), here, atol=1e-9)
    for revolution in range(1, orbit.revolutions):
        later = orbit.positions(time[:1] + revolution * orbit.cycle_s / orbit.revolutions, 12.0)
        assert distance_km(later, here[:1]) > 0.9 * 2 * np.pi * EARTH_RADIUS_KM / orbit.revolutions


@pytest.mark.parametrize("name", NAMES)
def test_latitudes_reach_the_inclination_and_no_further(name):
    orbit = SATELLITES[name].orbit
    lat, lon = latitude_longitude(orbit.positions(np.arange(0, 20000.0), 0.0))
    highest = min(orbit.inclination_deg, 180 - orbit.inclination_deg)
    assert highest - 0.01 < lat.max() <= highest + 1e-9
    assert -highest - 1e-9 <= lat.min() < -highest + 0.01
    assert np.abs(lon).max() <= 180


@pytest.mark.parametrize("name", NAMES)
def test_ground_speed(name):
    """v^2 = R^2 (n^2 + w^2 cos^2 lat - 2 n w cos i): the orbit's speed and that of the Earth below it."""
    orbit = SATELLITES[name].orbit
    time = np.linspace(0, 6000, 200)
    found = distance_km(orbit.positions(time + 0.5), orbit.positions(time - 0.5))
    lat, _ = latitude_longitude(orbit.positions(time))
    n, w = orbit.motion, orbit.rotation
    squares = n**2 + (w * np.cos(np.deg2rad(lat))) ** 2 - 2 * n * w * np.cos(np.deg2rad(orbit.inclination_deg))
    np.testing.assert_allclose(found, EARTH_RADIUS_KM * np.sqrt(squares), rtol=1e-6)
    assert 5.5 < found.min() < found.max() < 7.5  # km/s, as handbooks say


@pytest.mark.parametrize(("name", "printed_km"), [("jason", 315), ("geosat", 164), ("sentinel3", 104), ("envisat", 80)])
def test_distance_between_neighbouring_tracks_at_the_equator(name, printed_km):
    orbit = SATELLITES[name].orbit
    crossings = np.arange(orbit.revolutions) * orbit.cycle_s / orbit.revolutions
    lat, lon = latitude_longitude(orbit.positions(crossings, 5.0))
    np.testing.assert_allclose(lat, 0, atol=1e-9)
    gaps = np.diff(np.sort(lon % 360)) * np.pi / 180 * EARTH_RADIUS_KM
    np.testing.assert_allclose(gaps, 2 * np.pi * EARTH_RADIUS_KM / orbit.revolutions, rtol=1e-6)
    assert gaps[0] == pytest.approx(printed_km, rel=0.01)


def test_the_first_crossing_goes_northward_at_the_node():
    for satellite in SATELLITES.values():
        lat, lon = latitude_longitude(satellite.orbit.positions(np.array([0.0, 1.0]), -60.0))
        assert lat[0] == pytest.approx(0)
        assert lon[0] == pytest.approx(-60.0)
        assert lat[1] > 0


def test_points_beside_the_track_are_as_far_as_they_should_and_at_right_angles():
    orbit, across = SATELLITES["swot"].orbit, np.array([-60.0, -10.0, 10.0, 60.0])
    time = np.linspace(0, 6000, 40)
    swath = unit(*orbit.beside(time, across, 30.0))
    below = orbit.positions(time, 30.0)
    np.testing.assert_allclose(distance_km(swath, below[:, None]), np.tile(np.abs(across), (40, 1)), rtol=1e-6)
    course = orbit.positions(time + 0.01, 30.0) - below
    for place in range(4):
        aside = swath[:, place] - below * np.sum(swath[:, place] * below, axis=-1, keepdims=True)
        along = np.sum(course * aside, axis=-1) / np.linalg.norm(course, axis=-1) / np.linalg.norm(aside, axis=-1)
        assert np.abs(along).max() < 2e-3
    _, lon = orbit.beside(time[:1], np.array([-60.0, 60.0]), 30.0)
    assert lon[0, 1] > 30.0 > lon[0, 0], "of a northward track, the right is the east"


def test_a_swath_leaves_a_gap_below_the_satellite():
    across = SATELLITES["swot"].across_km(7.0)
    assert across.min() == -60
    assert across.max() == 60
    assert np.abs(across).min() == 10
    np.testing.assert_allclose(across, -across[::-1])
    assert 6.5 < np.diff(across[across > 0]).mean() < 7.5
    assert SATELLITES["jason"].across_km(7.0).tolist() == [0.0]


@pytest.mark.parametrize("name", ["jason", "swot"])
def test_points_over_a_box_are_those_of_the_whole_track(name):
    """Against all points of two cycles and a half, one by one."""
    satellite, spacing = SATELLITES[name], 80.0
    orbit, duration, start = satellite.orbit, 2.5 * SATELLITES[name].orbit.cycle_s, 1.3e5
    found = points_over(GULF_STREAM, satellite, duration_s=duration, spacing_km=spacing, node_deg=17.0, start_s=start)
    step = spacing / orbit.speed_km_s
    within = np.arange(0, orbit.cycle_s, step)
    time = np.concatenate([within - start + cycle * orbit.cycle_s for cycle in range(4)])
    time = time[(time >= 0) & (time <= duration)]
    lat, lon = orbit.beside(time + start, satellite.across_km(spacing), 17.0)
    inside = (lat >= 33) & (lat <= 43) & (lon >= -65) & (lon <= -55)
    assert inside.sum() == len(found.time_s) > 50
    # cycles are repeated, not computed: rounding alone differs
    np.testing.assert_allclose(found.lat, lat[inside], atol=1e-6)
    np.testing.assert_allclose(found.lon, lon[inside], atol=1e-6)
    np.testing.assert_allclose(found.time_s, np.broadcast_to(time[:, None], inside.shape)[inside], atol=1e-3)
    assert (np.diff(found.time_s) >= 0).all()


def test_consecutive_points_are_seven_kilometres_apart():
    found = points_over(
        GULF_STREAM, SATELLITES["envisat"], duration_s=35 * SECONDS_PER_DAY, spacing_km=7.0, node_deg=0.0, start_s=0.0
    )
    places, close = unit(found.lat, found.lon), np.diff(found.time_s) < 2
    gaps = distance_km(places[1:], places[:-1])[close]
    assert 6.5 < gaps.min() < gaps.max() < 7.8


@pytest.mark.parametrize("west", [-5.0, 175.0, 355.0])
def test_boxes_in_any_convention_of_longitudes(west):
    box = Box(40.0, 50.0, west, west + 10)
    found = points_over(
        box, SATELLITES["jason"], duration_s=10 * SECONDS_PER_DAY, spacing_km=7.0, node_deg=0.0, start_s=0.0
    )
    assert len(found.lon) > 500
    assert west <= found.lon.min() < found.lon.max() <= west + 10


def test_a_box_that_no_track_reaches():
    box = Box(80.0, 85.0, 0.0, 20.0)
    found = points_over(
        box, SATELLITES["jason"], duration_s=10 * SECONDS_PER_DAY, spacing_km=7.0, node_deg=0.0, start_s=0.0
    )
    assert len(found.time_s) == 0
