"""Optimal interpolation on one core against the algorithm of the SSH mapping data challenge 2020a, on the same points
in one run: every day on its own, all points of the box, an explicit inverse."""

import functools
import time

import numpy as np
import pytest
import torch

from dlgd.problems.ssh.methods.oi_posterior import Grid, Prior, Selection, posterior
from dlgd.problems.ssh.methods.sea_points import Points, superobservations

LX = LY = 1.0  # degrees
LT, NOISE, WEST, SOUTH, SIZE = 7.0, 0.05, -65.0, 33.0, 10.0
DAYS = 70
MAPPED = np.arange(21, 49.0)  # days far from either end
CHECKED = [5, 15, 25]


def sea(days, lat, lon, waves=1500):
    """A random field of variance 1 whose correlation is that of the prior, by random Fourier features."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(0, 2**0.5, (waves, 3)) / (LT, LY, LX)
    phases = rng.uniform(0, 2 * np.pi, waves)
    place = np.stack((days, lat, lon), -1).reshape(-1, 3)
    parts = [np.cos(some @ numbers.T + phases).sum(1) for some in np.array_split(place, 1 + len(place) // 2000)]
    return np.concatenate(parts).reshape(np.shape(days)) * (2 / waves) ** 0.5


def tracks():
    """Four altimeters, 0.85 passes each a day over a box that is a degree wider: straight inclined lines, a point every
    7 km, averages of five."""
    rng = np.random.default_rng(1)
    days, lats, lons, satellites = [], [], [], []
    for satellite in range(4):
        for number, day in enumerate(np.arange(0.0, DAYS, 1 / 0.85) + rng.uniform()):
            lat = np.arange(SOUTH - 1, SOUTH + SIZE + 1, 0.055)
            slope = 0.65 if number % 2 == 0 else -0.65  # degrees of longitude to one of latitude
            lon = WEST - 6 + (2.83 * 1.618 * number + 0.7 * satellite) % 22 + slope * (lat - SOUTH - SIZE / 2)
            inside = (lon > WEST - 1) & (lon < WEST + SIZE + 1)
            lats.append(lat[inside])
            lons.append(lon[inside])
            days.append(np.full(inside.sum(), day) + np.arange(inside.sum()) / 86400)
            satellites.append(np.full(inside.sum(), satellite))
    days, lat, lon = (np.concatenate(parts) for parts in (days, lats, lons))
    ssh = sea(days, lat, lon) + NOISE * rng.normal(size=len(days))
    return superobservations(Points(days, lat, lon, ssh), np.concatenate(satellites), 5)


def the_challenge(points, day, lat, lon):
    """Its equations, in its order: (B H^T (H B H^T + R)^-1) y."""
    chosen = points.take(np.abs(points.days - day) < 2 * LT)
    lat, lon = (axis.ravel() for axis in np.meshgrid(lat, lon, indexing="ij"))
    number = len(chosen)
    to_grid, among = np.empty((len(lat), number)), np.empty((number, number))
    for n in range(number):
        t, y, x = chosen.days[n], chosen.lat[n], chosen.lon[n]
        to_grid[:, n] = np.exp(-(((day - t) / LT) ** 2) - ((lon - x) / LX) ** 2 - ((lat - y) / LY) ** 2)
        among[:, n] = np.exp(
            -(((chosen.days - t) / LT) ** 2) - ((chosen.lon - x) / LX) ** 2 - ((chosen.lat - y) / LY) ** 2
        )
    inverse = np.linalg.inv(among + NOISE**2 * np.eye(number))
    return to_grid @ inverse @ chosen.ssh


def seconds_of(work):
    """Of this process alone, so that other programs on the machine count little."""
    began = time.process_time()
    answer = work()
    return time.process_time() - began, answer


@pytest.mark.bench
def test_maps_per_second():
    torch.set_num_threads(1)
    points = tracks()
    axes = np.linspace(SOUTH, SOUTH + SIZE, 51), np.linspace(WEST, WEST + SIZE, 51)
    grid = Grid(MAPPED, *axes, np.ones((51, 51), dtype=bool))
    prior = Prior("gaussian", (LT, LY, LX), NOISE, 1.0)
    truth = sea(*np.meshgrid(MAPPED, *axes, indexing="ij"))
    theirs = [seconds_of(lambda day=day: the_challenge(points, day, *axes).reshape(51, 51)) for day in MAPPED[CHECKED]]
    slow, dense = min(seconds for seconds, _ in theirs), np.stack([answer for _, answer in theirs])
    usual = np.sqrt(((dense - truth[CHECKED]) ** 2).mean())
    count = (np.abs(points.days - MAPPED[0]) < 2 * LT).sum()
    print(f"\n{count} points; the challenge's algorithm: {slow:.2f} s a map, RMSE {usual:.4f} of a field of std 1")
    for precision in (torch.float64, torch.float32):
        work = functools.partial(posterior, prior, points, grid, Selection(2.5, 2000), precision=precision)
        pairs = [seconds_of(work) for _ in range(2)]
        fast, maps = min(seconds for seconds, _ in pairs) / len(MAPPED), pairs[0][1][0, CHECKED]
        error, difference = (np.sqrt(((maps - other) ** 2).mean()) for other in (truth[CHECKED], dense))
        print(f"{precision}: {fast:.3f} s, {slow / fast:.0f} times; RMSE {error:.4f}, {difference:.4f} from theirs")
        assert slow > 10 * fast
        assert error < 1.02 * usual


def test_the_same_map_from_the_same_points():
    points = tracks()
    few = points.take(np.abs(points.days - 30.0) < 3)
    axes = np.linspace(SOUTH, SOUTH + SIZE, 21), np.linspace(WEST, WEST + SIZE, 21)
    grid = Grid(np.array([30.0]), *axes, np.ones((21, 21), dtype=bool))
    maps = posterior(Prior("gaussian", (LT, LY, LX), NOISE, 1.0), few, grid, Selection(100.0, 10**6))
    np.testing.assert_allclose(maps[0, 0].ravel(), the_challenge(few, 30.0, *axes), atol=1e-8)
