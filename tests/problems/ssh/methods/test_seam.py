"""Greenwich, the date line and the end of a global grid are places like others."""

from __future__ import annotations

import numpy as np
import pytest
from omegaconf import OmegaConf

from dlgd.core.paths import CONF
from dlgd.problems.ssh.methods.oi_posterior import Grid, Prior, Selection, posterior
from dlgd.problems.ssh.methods.oi_tiles import cut_ring
from dlgd.problems.ssh.methods.optimal_interpolation import OptimalInterpolation
from dlgd.problems.ssh.methods.sea_points import Points
from tests.problems.ssh.methods.small_seas import random_samples

PRIOR = Prior("gaussian", (7.0, 6.0, 6.0), 0.05, 0.3)


def points(count: int = 400, *, west: float = 0.0, east: float = 360.0) -> Points:
    rng = np.random.default_rng(3)
    days, lat, lon = rng.uniform(0, 3, count), rng.uniform(-12, 12, count), rng.uniform(west, east, count)
    return Points(days, lat, lon, 0.3 * np.sin(np.deg2rad(3 * lon)) * np.cos(np.deg2rad(4 * lat)))


def maps(points: Points, lon: np.ndarray, prior: Prior = PRIOR, *, reach: float = 2.5) -> np.ndarray:
    lat = np.arange(-10.0, 10.1, 2)
    grid = Grid(np.arange(1.0, 3), lat, lon, np.ones((len(lat), len(lon)), bool))
    return posterior(prior, points, grid, Selection(reach, 2000), with_variance=True)


@pytest.mark.parametrize("columns", [1, 37, 90])
def test_a_rolled_globe_has_rolled_maps(columns):
    lon = np.arange(0.0, 360, 2)
    whole = maps(points(), lon)
    rolled = maps(points(), lon + 2 * columns)
    np.testing.assert_allclose(rolled, np.roll(whole, -columns, axis=-1), rtol=0, atol=1e-9)


def test_the_seam_of_a_globe_is_the_exact_answer():
    """Beside dense matrices, whose distances go the shorter way around."""
    lon = np.arange(0.0, 360, 2)
    some = points()
    found = maps(some, lon, reach=6.0)[0, 0]
    lat = np.arange(-10.0, 10.1, 2)
    y, x = (axis.ravel() for axis in np.meshgrid(lat, lon, indexing="ij"))

    def correlation(a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...]) -> np.ndarray:
        t, north, east = (one[:, None] - other for one, other in zip(a, b, strict=True))
        east = (east + 180) % 360 - 180
        return np.exp(-((t / 7) ** 2) - (north / 6) ** 2 - (east / 6) ** 2)

    at = some.days, some.lat, some.lon
    matrix = correlation(at, at) + (0.05 / 0.3) ** 2 * np.eye(len(some))
    exact = correlation((np.full(x.shape, 1.0), y, x), at) @ np.linalg.solve(matrix, some.ssh)
    np.testing.assert_allclose(found, exact.reshape(found.shape), atol=1e-4)


@pytest.mark.parametrize("turn", [0, 360, -360])
def test_a_box_across_greenwich(turn):
    lon = np.arange(357.0, 362.6, 0.5)
    near = points(60, west=355, east=365)
    prior = Prior("gaussian", (7.0, 3.0, 3.0), 0.05, 0.3)
    moved = Points(near.days, near.lat, (near.lon + 180) % 360 - 180 + turn, near.ssh)
    np.testing.assert_allclose(maps(moved, lon, prior), maps(near, lon, prior), rtol=0, atol=1e-9)
    assert abs(maps(near, lon, prior)[0]).max() > 0.05


def test_weights_of_a_ring_sum_to_one():
    total = np.zeros(180)
    for piece in cut_ring(np.arange(0.0, 360, 2), 25.0, 360.0):
        total[piece.members] += piece.weights
        assert piece.high - piece.low < 27
    np.testing.assert_allclose(total, 1)


def test_optimal_interpolation_of_rolled_samples():
    samples = random_samples(nx=36, spacing=10.0, ny=4).drop_vars(
        ["track_ssh", "track_time", "track_lat", "track_lon", "track_satellite"]
    )
    samples = samples.assign_coords(lon=np.arange(0.0, 360, 10))
    rolled = samples.roll(lon=-18).assign_coords(lon=np.arange(180.0, 540, 10))
    usual = OmegaConf.to_container(OmegaConf.load(CONF / "baseline/oi.yaml"))
    usual.pop("_target_")
    oi = OptimalInterpolation(**usual | {"Lx": 12.0, "Ly": 12.0})
    np.testing.assert_allclose(oi.predict(rolled), np.roll(oi.predict(samples), -18, axis=-1), rtol=0, atol=1e-9)
