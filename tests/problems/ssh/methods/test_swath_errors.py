"""Errors that lines of a swath share, as unknowns of optimal interpolation, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics.orbits import SATELLITES
from dlgd.problems.ssh.data import map_samples
from dlgd.problems.ssh.data.tiny import random_sea
from dlgd.problems.ssh.methods.sea_points import points_of
from dlgd.problems.ssh.methods.swath_errors import EDGE_KM, SwathErrors, assumed, of_points
from dlgd.problems.ssh.track_figures import swath
from tests.problems.ssh.data.seas_at_hand import observing
from tests.problems.ssh.methods.small_seas import MEAN, STD, correlation, random_samples
from tests.problems.ssh.methods.test_optimal_interpolation import LENGTHS, oi

ALL = {"constant": 0.05, "linear": 0.3, "quadratic": 0.2, "left": 0.07, "right": 0.1}
SPEED = SATELLITES["swot"].orbit.speed_km_s


def swaths(*, lines: int = 12, seed: int = 0) -> xr.Dataset:
    """Two passes of a swath of six points a line, and points of a nadir altimeter at the same times."""
    rng = np.random.default_rng(seed)
    days = random_samples(seed=seed)
    across = np.array([-24.0, -17, -10, 10, 17, 24])
    line = np.repeat(np.arange(lines), len(across))
    seconds = np.where(line < lines // 2, line, line + 2 * 86400)
    count = len(line)
    columns = {
        "track_ssh": rng.normal(MEAN, STD, 2 * count),
        "track_time": np.tile(days.time.values[2] + seconds.astype("m8[s]"), 2),
        "track_lat": np.tile(30 + 0.3 * line % 4, 2) + rng.normal(0, 0.01, 2 * count),
        "track_lon": np.tile(-58 + np.tile(across, lines) / 90, 2) + rng.normal(0, 0.01, 2 * count),
        "track_satellite": np.repeat([0, 1], count),
        "track_across": np.concatenate([np.tile(across, lines), np.full(count, np.nan)]),
    }
    days = days.drop_vars([name for name in days if str(name).startswith("track")])
    return days.assign({name: ("point", values) for name, values in columns.items()})


def at_sea(roll: float) -> xr.Dataset:
    """Samples of a sea of waves, seen with roll and baseline errors."""
    sea = random_sea(days=9, shape=(24, 24), land=False, seed=0)
    errors = {"roll": roll, "baseline": roll / 2, "length_km": 1000.0}
    record = observing(satellites="swot", noise_std=0.02, swath_errors=errors).observe(sea)
    samples = map_samples.cut(record, slice(0, 9), 0, np.ones((24, 24), bool))
    mean, std = (float(of) for of in (sea.ssh.mean(), sea.ssh.std()))
    return samples.assign_attrs(name="ssh", mean=mean, std=std)


def solved_with_unknowns(days: xr.Dataset, length_km: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and std (sample, lat, lon) of a joint estimate of the sea and of five unknowns of each line, whose
    prior covariance is written out: information form, without Woodbury's identity."""
    noise = 0.05
    seconds = (days.track_time.values - days.track_time.values[0]) / np.timedelta64(1, "s")
    start = (days.track_time.values - days.time.values[0]) / np.timedelta64(1, "D")
    points = np.stack([start, days.track_lat.values, days.track_lon.values], -1) / LENGTHS
    grid = np.stack(np.meshgrid(np.arange(days.sizes["sample"]), days.lat, days.lon, indexing="ij"), -1)
    grid = grid.reshape(-1, 3) / LENGTHS
    of_swath = days.track_satellite.values == 0
    times, number = np.unique(seconds[of_swath], return_inverse=True)
    a = days.track_across.values[of_swath] / EDGE_KM
    functions = [np.ones_like(a), a, a**2, np.where(a < 0, a, 0), np.where(a > 0, a, 0)]
    stds = [ALL[name] for name in ("constant", "linear", "quadratic", "left", "right")]
    apart = SPEED * np.abs(times[:, None] - times)
    together = np.eye(len(times)) if length_km is None else np.exp(-apart / length_km)
    places = np.concatenate([points, grid])
    field = STD**2 * correlation("gaussian", places, places)
    blocks = [std**2 * together for std in stds]
    design = np.zeros((len(points), len(places) + 5 * len(times)))
    design[:, : len(points)] = np.eye(len(points))
    for which, f in enumerate(functions):
        design[np.flatnonzero(of_swath), len(places) + which * len(times) + number] = f
    prior = np.zeros((design.shape[1],) * 2)
    prior[: len(places), : len(places)] = field
    for which, block in enumerate(blocks):
        at = len(places) + which * len(times)
        prior[at : at + len(times), at : at + len(times)] = block
    gain = np.linalg.solve(design @ prior @ design.T + noise**2 * np.eye(len(points)), design @ prior).T
    mean = MEAN + gain @ (days.track_ssh.values - MEAN)
    variance = np.diag(prior) - (gain * (prior @ design.T)).sum(1)
    cells, shape = slice(len(points), len(places)), tuple(days.sizes[name] for name in ("sample", "lat", "lon"))
    return mean[cells].reshape(shape), np.sqrt(variance[cells]).reshape(shape)


@pytest.mark.parametrize("length_km", [None, 30.0])
def test_the_same_as_with_unknowns_of_each_line(length_km):
    days = swaths()
    mean, std = solved_with_unknowns(days, length_km)
    method = oi(swath_errors={**ALL, "length_km": length_km})
    np.testing.assert_allclose(method.predict(days), mean, rtol=0, atol=1e-8)
    np.testing.assert_allclose(method.error_maps(days), std, rtol=0, atol=1e-8)
    assert np.abs(oi().predict(days) - mean).max() > 0.02


def test_very_uncertain_errors_are_projected_out():
    """A line's data add nothing that a constant, a roll or a baseline could have made."""
    days, free = swaths(), {"constant": 1e3, "linear": 1e3, "quadratic": 1e3}
    a = days.track_across.values / EDGE_KM
    shift = np.where(np.isfinite(a), 0.4 - 0.7 * a + 0.3 * a**2, 0.0)
    moved = days.assign(track_ssh=("point", days.track_ssh.values + shift))
    answers = [oi(swath_errors=free).predict(each) for each in (days, moved)]
    np.testing.assert_allclose(*answers, rtol=0, atol=1e-5)
    assert np.abs(oi().predict(moved) - oi().predict(days)).max() > 0.1


def test_means_of_points_have_means_of_the_functions():
    points = points_of(swaths(), 3)
    assert points.swath is not None
    a = np.array([-24.0, -17, -10]) / EDGE_KM
    np.testing.assert_allclose(points.swath[0, 1:], [1, a.mean(), (a**2).mean(), 0, a.mean()])


def test_errors_of_points_are_told_by_maps():
    """As by one solve of the dense matrix of the observations, for lines whose points lie on cells and days."""
    days, rng, across = random_samples(), np.random.default_rng(3), np.array([-60.0, -35, -10, 10, 35, 60])
    row, which = np.repeat(np.arange(8), 6), np.tile(np.arange(2, 8), 8)
    columns = {
        "track_ssh": rng.normal(MEAN, STD, 48), "track_time": days.time.values[row],
        "track_lat": days.lat.values[row], "track_lon": days.lon.values[which],
        "track_satellite": np.zeros(48, int), "track_across": np.tile(across, 8),
    }  # fmt: skip
    days = days.drop_vars([name for name in days if str(name).startswith("track")])
    days = days.assign({name: ("point", values) for name, values in columns.items()})
    maps = oi(swath_errors=ALL).predict(days)
    found = of_points(days, maps, SwathErrors.of(ALL), np.arange(48))
    a = columns["track_across"] / EDGE_KM
    functions = [np.ones(48), a, a**2, np.minimum(a, 0), np.maximum(a, 0)]
    shared = sum(std**2 * np.outer(f, f) for std, f in zip(ALL.values(), functions, strict=True))
    shared = shared * (row[:, None] == row)
    points = np.stack([row, columns["track_lat"], columns["track_lon"]], -1) / LENGTHS
    whole = STD**2 * correlation("gaussian", points, points) + shared + 0.05**2 * np.eye(48)
    np.testing.assert_allclose(found, shared @ np.linalg.solve(whole, columns["track_ssh"] - MEAN), atol=1e-8)
    assert found.std() > 0.05


def test_simulated_errors_are_known_and_lower_the_error():
    """On a sea of waves, seen with roll and baseline errors: nearly as well as without them."""

    def rmse(samples: xr.Dataset, given: str | None) -> float:
        maps = oi(swath_errors=given, averaged=2, reach=3.0, most=1500).predict(samples)
        return float(np.sqrt(((maps - samples.ssh.values) ** 2).mean()))

    with_errors, without = at_sea(0.3), at_sea(0.0)
    assert "track_across" not in without
    untreated, treated, free = rmse(with_errors, None), rmse(with_errors, "simulated"), rmse(without, "simulated")
    assert free <= treated < untreated
    assert treated - free < 0.5 * (untreated - free)


def test_the_figure_of_a_pass_tells_errors_before_and_after():
    days = at_sea(0.3)
    errors = assumed("simulated", days)
    assert errors is not None
    maps = oi(swath_errors="simulated", averaged=2, reach=3.0, most=1500).predict(days)
    figure = swath(days, "OI", maps, errors)
    assert figure is not None
    before, after = (float(axes.get_title().split()[-2]) for axes in figure.axes[3:5])
    assert after < before / 2


@pytest.mark.parametrize(
    ("given", "said"),
    [({"rol": 0.1}, "rol is unknown"), ({"linear": -1}, "linear"), ({"length_km": 0}, "length_km"), ("all", "must be")],
)
def test_what_is_no_such_error_is_refused(given, said):
    with pytest.raises(Refusal, match=said):
        oi(swath_errors=given)


@pytest.mark.parametrize("swath", [True, False])
def test_errors_typed_for_observations_without_a_swath_are_told(caplog, swath):
    days = swaths()
    oi(swath_errors=ALL).predict(days if swath else days.drop_vars("track_across"))
    assert ("baseline.swath_errors changes nothing" in caplog.text) is not swath
