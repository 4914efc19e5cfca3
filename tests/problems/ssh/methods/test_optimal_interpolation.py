"""Optimal interpolation against dense matrices and simulated Gaussian fields."""

import logging
import re

import numpy as np
import pytest
import xarray as xr
from scipy.stats import chi2

from dlgd.core import progress
from dlgd.core.errors import Refusal
from dlgd.problems.ssh.methods import oi_posterior, optimal_interpolation
from dlgd.problems.ssh.methods.oi_tiles import cut
from dlgd.problems.ssh.methods.optimal_interpolation import OptimalInterpolation
from dlgd.problems.ssh.methods.sea_points import points_of
from tests.problems.ssh.methods.small_seas import MEAN, STD, correlation, dates, dense, random_samples, samples

KINDS = ("gaussian", "matern12", "matern32", "matern52")
USUAL = {
    "covariance": "gaussian", "lengths_in": "degrees", "Lx": 1.2, "Ly": 0.9, "Lt": 3.0, "noise": 0.05, "std": None,
    "reach": 1000.0, "most": 10**6, "averaged": 1, "precision": "float64", "device": "cpu", "tune": False,
}  # fmt: skip
LENGTHS = (3.0, 0.9, 1.2)


def oi(**options):
    return OptimalInterpolation(**USUAL | options)


# --- the posterior ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("maps", [False, True])
def test_dense_posterior(kind, maps):
    days = random_samples()
    if maps:
        days = days.drop_vars([name for name in days if name.startswith("track")])
    method = oi(covariance=kind)
    mean, std = dense(days, kind, LENGTHS, 0.05, STD, maps=maps)
    np.testing.assert_allclose(method.predict(days), mean, rtol=0, atol=1e-8)
    np.testing.assert_allclose(method.error_maps(days), std, rtol=0, atol=1e-8)


@pytest.mark.parametrize("together", [1, 3000, 2**21])
def test_many_tiles_padded_in_batches_are_the_dense_posterior_too(together, monkeypatch):
    """Each of them sees everything."""
    monkeypatch.setitem(oi_posterior.MAX_BATCH_ELEMENTS, "cpu", together)
    days = random_samples(ny=24, nx=20, spacing=0.25, points=60)
    lengths = (0.7, 0.4, 0.5)
    assert len(cut(np.arange(9) / 0.7, oi_posterior.TILE_DAYS)) > 3
    mean, std = dense(days, "gaussian", lengths, 0.05, 0.4)
    method = oi(Lt=0.7, Ly=0.4, Lx=0.5, std=0.4)
    np.testing.assert_allclose(method.predict(days), mean, rtol=0, atol=1e-8)
    np.testing.assert_allclose(method.error_maps(days), std, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", ["gaussian", "matern32"])
def test_few_near_observations_come_closer_to_all_of_them_as_the_reach_grows(kind):
    days = random_samples(days=8, ny=14, nx=14, points=250)
    mean, std = dense(days, kind, (1.0, 0.6, 0.8), 0.05, STD)
    answers = [oi(covariance=kind, reach=reach, Lt=1.0, Ly=0.6, Lx=0.8) for reach in (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)]
    errors = [np.sqrt(((method.predict(days) - mean) ** 2).mean()) for method in answers]
    assert (np.diff(errors) < 0).all()
    assert errors[0] > 1e-2 * STD
    assert errors[-1] < (1e-5 if kind == "gaussian" else 2e-3) * STD
    few, more = (np.abs(method.error_maps(days) - std).max() for method in answers[2:5:2])
    assert more < few < 0.2 * STD
    assert (answers[2].error_maps(days) > std - 1e-9).all()  # who knows less is less certain


def test_the_most_observations_of_a_tile():
    days = random_samples(points=300)
    mean, _ = dense(days, "gaussian", LENGTHS, 0.05, STD)
    errors = [np.abs(oi(most=most).predict(days) - mean).max() for most in (30, 150, 300)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-8
    nearest = oi(most=1, Lt=1e3, Lx=1e3, Ly=1e3)  # a tile, all of whose observations are equally good
    assert np.ptp(nearest.predict(days)) < 1e-2
    np.testing.assert_array_equal(oi(most=30).predict(days), oi(most=30).predict(days))


def test_single_precision_and_other_orders():
    days = random_samples(days=30, points=300)
    answer = oi(reach=2.5).predict(days)
    np.testing.assert_allclose(oi(reach=2.5, precision="float32").predict(days), answer, atol=2e-4)
    turned = days.isel(sample=[7, 3, 20], point=slice(None, None, -1)).transpose("lon", "lat", ...)
    np.testing.assert_allclose(oi().predict(turned), oi().predict(days)[[7, 3, 20]], atol=1e-8)


def test_kilometres():
    days = random_samples()
    degree = 6371 * np.pi / 180
    middle = np.deg2rad((30 + 33.5) / 2)
    same = oi(lengths_in="km", Lx=1.2 * degree * np.cos(middle), Ly=0.9 * degree)
    np.testing.assert_allclose(same.predict(days), oi().predict(days), atol=1e-10)


def test_the_standard_deviation_is_that_of_the_errors():
    """In fields drawn from the prior: 100 times far apart, four places in each far apart."""
    rng = np.random.default_rng(5)
    lat, lon = 30 + 8.0 * np.arange(2), 10 + 8.0 * np.arange(2)
    grid = np.stack(np.meshgrid(0.0, lat, lon, indexing="ij"), -1).reshape(-1, 3)
    places = (np.repeat(grid, 6, axis=0) + rng.uniform(-1, 1, (24, 3)) * LENGTHS) / LENGTHS
    both = np.concatenate((grid / LENGTHS, places))
    factor = np.linalg.cholesky(correlation("matern32", both, both) + 1e-12 * np.eye(28))
    fields = MEAN + STD * (factor @ rng.normal(size=(28, 100))).T  # (100, 28)
    noisy = fields[:, 4:] + 0.08 * rng.normal(size=(100, 24))
    starts = 1000.0 * np.arange(100)
    days = samples(fields[:, :4].reshape(100, 2, 2), np.full((100, 2, 2), np.nan), lat=lat, lon=lon)
    days = days.assign_coords(time=("sample", dates(starts))).assign(
        track_ssh=("point", noisy.ravel()),
        track_time=("point", dates((starts[:, None] + places[:, 0] * LENGTHS[0]).ravel())),
        track_lat=("point", np.tile(places[:, 1] * LENGTHS[1], 100)),
        track_lon=("point", np.tile(places[:, 2] * LENGTHS[2], 100)),
        track_satellite=("point", np.zeros(2400, dtype=int)),
    )
    method = oi(covariance="matern32", noise=0.08, reach=8.0)
    std = method.error_maps(days)
    assert (std < 0.95 * STD).all()
    ratio = (method.predict(days) - days.ssh.values) / std
    assert abs((np.abs(ratio) < 1).mean() - 0.6827) < 3 * np.sqrt(0.6827 * 0.3173 / 400)
    assert chi2.ppf(0.001, 400) < (ratio**2).sum() < chi2.ppf(0.999, 400)


def test_errors_are_expected_of_some_maps_evenly_spread(monkeypatch):
    days = random_samples(days=10)
    method = oi(std=None)
    np.testing.assert_array_equal(method.error_std(days), method.error_maps(days))
    monkeypatch.setattr(optimal_interpolation, "EXPECTED", 3)
    some = oi(std=None).error_std(days)
    np.testing.assert_allclose(some[[0, 4, 9]], method.error_maps(days)[[0, 4, 9]], atol=1e-8)
    assert np.isnan(some[[1, 2, 3, 5, 6, 7, 8]]).all()
    assert oi(std=0.3).error_std(days) is None
    known = method.error_maps(days)
    assert np.isfinite(known).all()
    np.testing.assert_array_equal(method.error_std(days), known)  # which are at hand then


def test_with_a_background_a_map_far_from_observations_is_the_mean_of_its_cell():
    """Without one, it is the mean of all; observations of the background itself change nothing anywhere."""
    train, days = random_samples(days=40), random_samples(days=5, seed=1)
    slope = xr.DataArray(np.linspace(-1, 1, 8)[:, None] + np.linspace(0, 0.5, 10), dims=("lat", "lon"))
    train = train.assign(ssh=train.ssh + slope)
    mean = train.ssh.mean("sample")
    at = {axis: xr.DataArray(days[f"track_{axis}"].values, dims="point") for axis in ("lat", "lon")}
    inside = mean.interp(**at)
    seen = days.isel(point=np.flatnonzero(np.isfinite(inside))).assign(track_ssh=inside.dropna("point"))
    method = oi(background="mean")
    method.fit(train)
    np.testing.assert_allclose(method.predict(seen), np.broadcast_to(mean, (5, 8, 10)), atol=1e-6)
    np.testing.assert_allclose(method.predict(days.isel(point=[])), np.broadcast_to(mean, (5, 8, 10)), atol=1e-6)
    np.testing.assert_allclose(oi().predict(days.isel(point=[])), MEAN, atol=1e-6)
    far = method.error_maps(days.isel(point=[]))
    np.testing.assert_allclose(far, (train.ssh - mean).std(), rtol=1e-6)
    maps = days.drop_vars([name for name in days if name.startswith("track")])
    maps["observations"] = ("day", "lat", "lon"), np.broadcast_to(mean, days.observations.shape)
    np.testing.assert_allclose(method.predict(maps), np.broadcast_to(mean, (5, 8, 10)), atol=1e-6)


# --- land, and nothing to see -------------------------------------------------------------------------------


def test_land():
    days = random_samples(ny=16, nx=20, spacing=0.25)
    land = np.zeros((16, 20), dtype=bool)
    land[:8, 5:], land[10, 10] = True, True
    coast = days.assign(ssh=days.ssh.where(xr.DataArray(~land, dims=("lat", "lon"))))
    coast["ssh"][3] = np.nan  # a day that is missing altogether is no land
    answer, everywhere = oi(Lx=0.5, Ly=0.4).predict(coast), oi(Lx=0.5, Ly=0.4).predict(days)
    assert np.isnan(answer[:, land]).all()
    np.testing.assert_allclose(answer[:, ~land], everywhere[:, ~land], atol=1e-8)
    assert np.isnan(oi().error_maps(coast)[:, land]).all()
    unknown = days.drop_vars("ssh")
    np.testing.assert_array_equal(np.isfinite(oi().predict(unknown)), True)
    unknown["sea"] = ("lat", "lon"), ~land
    np.testing.assert_array_equal(oi(Lx=0.5, Ly=0.4).predict(unknown), answer)


@pytest.mark.parametrize("table", [True, False])
def test_no_observation_at_all(table):
    days = random_samples()
    days = days.isel(point=[]) if table else days.drop_vars([name for name in days if name.startswith("track")])
    days["observations"] = days.observations * np.nan
    np.testing.assert_allclose(oi().predict(days), MEAN)
    np.testing.assert_allclose(oi().error_maps(days), STD)
    far = random_samples().assign(track_lon=("point", np.full(40, 60.0)))
    np.testing.assert_allclose(oi(reach=2.0).predict(far), MEAN)
    np.testing.assert_allclose(oi(reach=2.0, std=0.1).error_maps(far), 0.1)


def test_the_points_of_satellites_held_out_are_not_looked_at():
    days = random_samples()
    held = np.arange(40) % 3 == 0
    fewer = days.isel(point=np.nonzero(~held)[0])
    days = days.assign(held_out=("point", held))
    np.testing.assert_allclose(oi().predict(days), oi().predict(fewer), atol=1e-10)
    days["track_ssh"][1] = np.nan  # nor is a point without a value
    assert len(points_of(days, 1)) == (~held).sum() - 1


# --- tuning -----------------------------------------------------------------------------------------------


def waves(times, lat, lon, *, length, duration, seed):
    """A Gaussian random field of this prior, by random Fourier features; arrays of one shape."""
    rng = np.random.default_rng(seed)
    numbers, phases = rng.normal(0, 2**0.5, (400, 3)) / (duration, length, length), rng.uniform(0, 2 * np.pi, 400)
    return MEAN + STD * np.cos(np.stack((times, lat, lon), -1) @ numbers.T + phases).sum(-1) * (2 / 400) ** 0.5


def gaussian_sea(first, seed, days=24, spread=0.5, noise=0.02):
    rng = np.random.default_rng(seed)
    lat, lon = 30 + spread * np.arange(8), -60 + spread * np.arange(8)
    grid = np.meshgrid(first + np.arange(days), lat, lon, indexing="ij")
    truth = waves(*grid, length=1.5, duration=5.0, seed=0)
    where = rng.uniform(first, first + days, 500), rng.uniform(30, 33.5, 500), rng.uniform(-60, -56.5, 500)
    values = waves(*where, length=1.5, duration=5.0, seed=0) + noise * rng.normal(size=500)
    return samples(truth, truth * np.nan, lat=lat, lon=lon, first=first, tracks=(*where, values, np.zeros(500)))


def test_tuning_finds_the_lengths_of_the_field(caplog, monkeypatch, tmp_path):
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path))  # where nothing is tuned yet
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    train, test = gaussian_sea(0, 1), gaussian_sea(60, 2)
    poor = {"Lx": 0.7, "Ly": 0.7, "Lt": 14.0, "noise": 0.1, "reach": 2.0}
    usual, tuned = oi(**poor), oi(**poor, tune=True)
    assert (usual.learns, tuned.learns) == (False, True)
    with pytest.raises(ValueError, match="only after fit"):
        tuned.predict(test)
    tuned.fit(train)
    with caplog.at_level(logging.INFO):
        answer = tuned.predict(test)
    assert "RMSE of these days" in caplog.text
    numbers = [int(number) for number in re.findall(r"OI: set (\d+) of lengths and noise", caplog.text)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 6, "each of the three was made larger and smaller"
    errors = [np.sqrt(((maps - test.ssh.values) ** 2).mean()) for maps in (answer, usual.predict(test))]
    assert errors[0] < 0.6 * errors[1]
    prior = tuned.prior(test)
    np.testing.assert_allclose(prior.lengths, (5.0, 1.5, 1.5), rtol=0.35)
    truth = oi(Lx=1.5, Ly=1.5, Lt=5.0, noise=0.02).predict(test)
    assert errors[0] < 1.2 * np.sqrt(((truth - test.ssh.values) ** 2).mean())
    assert tuned.seconds_per_sample < 1


def test_tuned_parameters_are_kept_for_the_same_training_days(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path))
    train, searched = gaussian_sea(first=0, seed=0, days=6), []
    monkeypatch.setattr(
        optimal_interpolation, "search", lambda cost, start: searched.append(1) or ([1.2, 5.0, 0.04], 0.1)
    )
    priors = []
    for method, days in ((oi(tune=True), train), (oi(tune=True), train.copy()), (oi(tune=True, reach=3.0), train)):
        method.fit(days)
        priors.append(method.prior(train))
    assert len(searched) == 2  # another reach is another question
    assert priors[0] == priors[1]
    assert priors[0].lengths[0] == 5.0
    other = gaussian_sea(first=0, seed=1, days=6)
    method = oi(tune=True)
    method.fit(other)
    method.prior(other)
    assert len(searched) == 3


def test_tuning_without_truth_is_refused():
    train = gaussian_sea(0, 1)
    method = oi(tune=True)
    method.fit(train.assign(ssh=train.ssh * np.nan))
    with pytest.raises(Refusal, match=r"tune=true needs .* truth"):
        method.predict(train)


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"covariance": "cubic"}, "covariance=cubic is unknown: choose one of gaussian, matern12"),
        ({"lengths_in": "miles"}, "lengths_in=miles"),
        ({"precision": "float16"}, "precision=float16"),
        ({"device": "tpu"}, "device=tpu"),
        ({"Lx": 0.0}, "baseline.Lx=0.0 must be a number above 0"),
        ({"noise": 0.0}, "baseline.noise=0.0 must be a number above 0"),
        ({"reach": -1.0}, "baseline.reach=-1.0 must be a number above 0"),
        ({"std": 0.0}, "baseline.std=0.0 must be a number above 0, or null"),
        ({"std": "nonsense"}, "std=nonsense"),
        ({"most": 0}, "most=0"),
        ({"averaged": 0}, "averaged=0"),
    ],
)
def test_options_that_cannot_work(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        oi(**options)


def test_other_data_are_refused():
    other = xr.Dataset(
        {"observations": (("sample", "time", "variable"), np.zeros((1, 2, 3)))}, attrs={"name": "lorenz63"}
    )
    for work in (oi().fit, oi().predict, oi().error_maps):
        with pytest.raises(Refusal, match=r"baseline=oi .* data=lorenz63 does not give: type data=ssh"):
            work(other)


def test_points_that_cannot_be_told_apart_are_refused():
    days = random_samples(points=200)
    days["track_lat"] = days.track_lat * 0 + 31.0
    with pytest.raises(Refusal, match=r"raise baseline\.noise, or type baseline\.precision=float64"):
        oi(noise=1e-5, Lt=50.0, precision="float32").predict(days)


@pytest.mark.gpu
def test_the_same_maps_on_a_gpu():
    days = random_samples(days=20, points=300)
    for options in ({}, {"reach": 2.0}, {"covariance": "matern32", "Lx": 0.5}):
        here, there = oi(**options), oi(**options, device="cuda")
        np.testing.assert_allclose(there.predict(days), here.predict(days), atol=1e-8)
        np.testing.assert_allclose(there.error_maps(days), here.posterior_std(days), atol=1e-7)
