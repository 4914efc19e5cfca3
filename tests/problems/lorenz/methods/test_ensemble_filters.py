"""Ensemble filters and smoothers: linear systems against the Kalman filter, updates against dense algebra, scores by
hand."""

import re
from dataclasses import fields

import hydra
import numpy as np
import pytest
import torch
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.physics.integrators import trajectory
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.physics.systems import attributes_of
from dlgd.problems.lorenz.methods.ensemble import ETKF, LETKF, EnKF, EnKS
from dlgd.problems.lorenz.methods.ensemble_updates import (
    combine,
    rotation,
    square_root,
    stochastic,
    symmetric,
    triangular,
    weights_on_ring,
)
from dlgd.problems.lorenz.methods.windows import windows_of
from tests.problems.lorenz.methods.linear_windows import conditional, exact_ensemble, prior, system, windows_of_linear

SIZE, STEPS = 3, 14
DIMS = ("sample", "time", "variable")
COMMON = {"inflation": 1.0, "seed": 0, "device": "cpu"}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def kalman(windows, number, background):
    """Mean (steps, n) and covariance (steps, n, n) of the filter: of each state given the observations up to it."""
    means, covariances = [], []
    for t in range(windows.values.shape[1]):
        mean, covariance = conditional(windows, number, background, until=t + 1)
        means.append(mean[t])
        covariances.append(covariance.reshape(STEPS, SIZE, STEPS, SIZE)[t, :, t])
    return np.array(means), np.array(covariances)


# --- linear systems ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rotated", [False, True])
def test_the_square_root_filter_is_the_kalman_filter(rotated):
    """Exactly, from an ensemble with the mean and the covariance of the background; observations differ by window."""
    windows, background = windows_of_linear(system(SIZE), count=4, steps=STEPS), prior(SIZE)
    record = ETKF(members=6, rotated=rotated, **COMMON).cycles(windows, exact_ensemble(background, 6, 4), generator())
    for number in range(4):
        mean, covariance = kalman(windows, number, background)
        np.testing.assert_allclose(record.estimate[number], mean, atol=1e-9)
        seen = windows.observed[number].any(1).numpy()
        spread = np.sqrt(np.trace(covariance, axis1=1, axis2=2) / SIZE)
        np.testing.assert_allclose(record.analysis_spread[number][seen], spread[seen], atol=1e-9)


def test_the_square_root_smoother_is_that_of_rauch_tung_and_striebel():
    windows, background = windows_of_linear(system(SIZE), count=4, steps=STEPS), prior(SIZE)
    smoother = EnKS(update="square_root", members=6, lag=STEPS, **COMMON)
    record = smoother.cycles(windows, exact_ensemble(background, 6, 4), generator())
    for number in range(4):
        mean, _ = conditional(windows, number, background)
        np.testing.assert_allclose(record.estimate[number], mean, atol=1e-9)


def test_a_lag_leaves_out_later_observations():
    windows, background = windows_of_linear(system(SIZE), count=1, steps=STEPS, share=0.9), prior(SIZE)
    for lag in (1, 3):
        smoother = EnKS(update="square_root", members=6, lag=lag, **COMMON)
        record = smoother.cycles(windows, exact_ensemble(background, 6, 1), generator())
        analyses = range(1, STEPS, 2)  # the other steps are never observed
        for t in range(STEPS):
            # of two states between which there is an observation, the later one is corrected once more
            last = [step for number, step in enumerate(analyses) if analyses[max(0, number - lag)] <= t or number < lag]
            wanted, _ = conditional(windows, 0, background, until=last[-1] + 1)
            np.testing.assert_allclose(record.estimate[0, t], wanted[t], atol=1e-9)


@pytest.mark.parametrize("members", [1500])
def test_the_stochastic_filter_and_smoother_tend_to_the_kalman_ones(members):
    windows, background = windows_of_linear(system(SIZE), count=1, steps=STEPS), prior(SIZE)
    ensemble = background.draw(1, members, generator(1))
    filtered = EnKF(members=members, **COMMON).cycles(windows, ensemble, generator())
    smoother = EnKS(update="stochastic", members=members, lag=STEPS, **COMMON)
    mean, covariance = kalman(windows, 0, background)
    tolerance = 6 * np.sqrt(np.trace(covariance, axis1=1, axis2=2).max() / members)
    np.testing.assert_allclose(filtered.estimate[0], mean, atol=tolerance)
    seen = windows.observed[0].any(1).numpy()
    spread = np.sqrt(np.trace(covariance, axis1=1, axis2=2) / SIZE)
    np.testing.assert_allclose(filtered.analysis_spread[0][seen], spread[seen], rtol=0.03)
    wanted, _ = conditional(windows, 0, background)
    estimate = smoother.cycles(windows, background.draw(1, members, generator(1)), generator()).estimate
    np.testing.assert_allclose(estimate[0], wanted, atol=tolerance)
    assert abs(wanted - mean).max() > 5 * tolerance, "smoothing makes a difference that the tolerance would show"


def test_the_compiled_filter_is_the_one_of_single_operations():
    """With observations that differ by experiment, some of none at a step, before the last one and at it."""
    for steps in (STEPS, STEPS - 1):
        windows, background = windows_of_linear(system(SIZE), count=5, steps=steps, share=0.3), prior(SIZE)
        ensemble, truth = background.draw(5, 6, generator(1)), draw(5, steps, SIZE)
        method = ETKF(members=6, rotated=True, **COMMON | {"inflation": 1.2})
        ours = method.cycles(windows, ensemble, generator(), truth)
        theirs = super(ETKF, method).cycles(windows, ensemble, generator(), truth)
        for field in fields(ours):
            torch.testing.assert_close(getattr(ours, field.name), getattr(theirs, field.name))


# --- updates -----------------------------------------------------------------------------------------------


def test_perturbed_observations_move_members_by_the_kalman_gain():
    """Members x + K (y + noise - H x), through the smaller inverse on either side of N = n."""
    for members in (4, 9):
        ensemble, noise, y = draw(1, members, 6), draw(1, members, 6, seed=1), draw(6, seed=2)
        mean, sigma = ensemble.mean(1, keepdim=True), 0.7
        departures = (ensemble - mean) / sigma / (members - 1) ** 0.5
        weights = stochastic(departures, (y - mean[:, 0]) / sigma, noise / sigma)
        covariance = torch.cov(ensemble[0].T)
        gain = covariance @ torch.linalg.inv(covariance + sigma**2 * torch.eye(6))
        wanted = ensemble[0] + (y + noise[0] - ensemble[0]) @ gain.T
        torch.testing.assert_close(combine(weights, ensemble[None])[0, 0], wanted)


@pytest.mark.parametrize("update", [symmetric, triangular])
@pytest.mark.parametrize("members", [4, 9])
def test_square_roots_have_the_mean_and_covariance_of_kalman(update, members):
    ensemble, y, sigma = draw(2, members, 6), draw(2, 6, seed=2), 0.7
    mean = ensemble.mean(1, keepdim=True)
    departures = (ensemble - mean) / sigma / (members - 1) ** 0.5
    analysis = combine(update(departures, (y - mean[:, 0]) / sigma), ensemble[None])[0]
    for number in range(2):
        covariance = torch.cov(ensemble[number].T)
        gain = covariance @ torch.linalg.inv(covariance + sigma**2 * torch.eye(6))
        torch.testing.assert_close(analysis[number].mean(0), mean[number, 0] + gain @ (y[number] - mean[number, 0]))
        torch.testing.assert_close(torch.cov(analysis[number].T), covariance - gain @ covariance)


def test_the_symmetric_root_is_symmetric_and_what_is_not_observed_changes_nothing():
    departures = draw(2, 5, 4)
    departures = departures - departures.mean(1, keepdim=True)
    departures[1] = 0
    weights = symmetric(departures, torch.zeros(2, 4, dtype=torch.float64))
    torch.testing.assert_close(weights, weights.mT)
    torch.testing.assert_close(weights[1], torch.eye(5, dtype=torch.float64))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 5, dtype=torch.float64))


def test_rotations_keep_mean_and_covariance_and_have_no_preferred_direction():
    turn, ensemble = rotation(7, generator()), draw(7, 3)
    torch.testing.assert_close(turn @ turn.T, torch.eye(7, dtype=torch.float64))
    torch.testing.assert_close((turn @ ensemble).mean(0), ensemble.mean(0))
    torch.testing.assert_close(torch.cov((turn @ ensemble).T), torch.cov(ensemble.T))
    source = generator(1)
    mean = torch.stack([rotation(4, source) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(mean, torch.full((4, 4), 0.25, dtype=torch.float64), rtol=0, atol=0.05)


def test_the_taper_is_that_of_gaspari_and_cohn():
    weights = weights_on_ring(200, 6.0, "gaspari_cohn")
    half = (10 / 3) ** 0.5 * 6
    distance = torch.minimum(torch.arange(200), 200 - torch.arange(200)).double()
    assert torch.equal(weights, weights.T)
    assert torch.equal(weights[3], weights[0].roll(3))
    assert weights[0, 0] == 1
    assert (weights[0][distance >= 2 * half] == 0).all()
    assert (weights[0][distance < 2 * half] > 0).all()
    near = distance < 8
    torch.testing.assert_close(weights[0][near], torch.exp(-((distance / 6) ** 2) / 2)[near], atol=0.04, rtol=0)
    # the correlation function of homogeneous balls of that diameter, (4.10) at its half width: 5 / 24
    at_half = weights_on_ring(11, 3 / (10 / 3) ** 0.5, "gaspari_cohn")[0, 3]
    assert at_half.item() == pytest.approx(5 / 24)
    assert weights_on_ring(9, 2.0, "step")[0].tolist() == [1, 1, 1, 0, 0, 0, 0, 1, 1]


# --- Lorenz ------------------------------------------------------------------------------------------------


def experiment(dynamics, *, count, steps, every, share=1.0, **attrs):
    """Twin experiments, each with its own observations of noise variance 1, the first of them after `every` steps."""
    dt = 0.05
    mean = torch.full((dynamics.size,), 2.0, dtype=torch.float64)
    start = trajectory(dynamics, mean + draw(count, dynamics.size), dt, 200)[-1]
    state = trajectory(dynamics, start, dt, steps).movedim(0, 1)
    observed = torch.zeros_like(state, dtype=torch.bool)
    observed[:, every::every] = torch.rand(count, steps // every, dynamics.size, generator=generator(4)) < share
    observations = torch.where(observed, state + draw(*state.shape, seed=5), torch.nan)
    known = {"task": "assimilate", "name": "lorenz96", "dt": dt, "noise_variance": 1.0, **attributes_of(dynamics)}
    return xr.Dataset(
        {"state": (DIMS, state.numpy()), "observations": (DIMS, observations.numpy())}, attrs=known | attrs
    )


RING = Lorenz96(size=12)


def test_the_local_filter_with_a_wide_radius_is_the_global_one():
    samples = experiment(RING, count=3, steps=20, every=2, share=0.6)
    windows, ensemble = windows_of(samples), 2 + draw(3, 8, 12)
    wide = LETKF(members=8, rotated=False, radius=100.0, taper="step", **COMMON)
    everywhere = ETKF(members=8, rotated=False, **COMMON)
    local, whole = (method.cycles(windows, ensemble, generator()) for method in (wide, everywhere))
    torch.testing.assert_close(local.estimate, whole.estimate, rtol=1e-7, atol=1e-7)


def test_the_local_filter_sees_the_observations_around_each_variable():
    departures, innovation = draw(1, 5, 12), draw(1, 12, seed=1)
    departures = departures - departures.mean(1, keepdim=True)
    local = LETKF(members=5, rotated=False, radius=2.0, taper="step", **COMMON)
    weights = local.update(departures, innovation, torch.ones(1, 12, dtype=torch.bool), generator())
    for variable in range(12):
        around = [(variable + shift) % 12 for shift in range(-2, 3)]
        torch.testing.assert_close(weights[:, variable], symmetric(departures[..., around], innovation[:, around]))
    ensemble = draw(3, 1, 5, 12, seed=2)
    wanted = torch.stack([weights[0, v] @ ensemble[:, 0, :, v, None] for v in range(12)], -1)[:, :, 0]
    torch.testing.assert_close(combine(weights, ensemble)[:, 0], wanted)


def test_local_products_are_weighted_by_the_taper():
    departures, innovation, counts = draw(1, 5, 12), draw(1, 12, seed=1), weights_on_ring(12, 1.5, "gaspari_cohn")
    departures = departures - departures.mean(1, keepdim=True)
    local = LETKF(members=5, rotated=False, radius=1.5, taper="gaspari_cohn", **COMMON)
    weights = local.update(departures, innovation, torch.ones(1, 12, dtype=torch.bool), generator())
    scaled = departures * counts[4].sqrt()  # as if those observations were less precise
    wanted = square_root(scaled @ scaled.mT, (scaled @ (innovation * counts[4].sqrt())[..., None])[..., 0])
    torch.testing.assert_close(weights[:, 4], wanted)


def test_a_batch_is_its_experiments_one_by_one():
    """Though at most steps some of them have no observation: these are not inflated either."""
    samples = experiment(RING, count=4, steps=30, every=1, share=0.03)
    windows, ensemble = windows_of(samples), 2 + draw(4, 20, 12)
    method = ETKF(members=20, rotated=False, **COMMON | {"inflation": 1.3})
    together = method.cycles(windows, ensemble, generator()).estimate
    for number in range(4):
        alone = method.cycles(windows.take(slice(number, number + 1)), ensemble[number : number + 1], generator())
        torch.testing.assert_close(alone.estimate[0], together[number])


def plain_etkf(samples, ensemble, inflation):
    """One experiment after the other in NumPy, with what its scores are made of."""
    dynamics, dt, burn_in = Lorenz63(), samples.attrs["dt"], samples.attrs["burn_in"]
    rows, ranks = [], np.zeros(ensemble.shape[1] + 1)
    for number, members in enumerate(ensemble.numpy()):
        truth, observations = samples.state.values[number], samples.observations.values[number]
        scores = {"rmse_f": [], "rmse_a": [], "spread_f": [], "spread_a": []}
        for step in range(1, len(truth)):
            members = trajectory(dynamics, torch.from_numpy(members), dt, 1)[-1].numpy()
            if np.isnan(observations[step]).all():
                continue
            forecast, mean = members, members.mean(0)
            covariance = np.cov(members.T)
            gain = covariance @ np.linalg.inv(covariance + np.eye(3))
            departures = members - mean
            values, vectors = np.linalg.eigh(departures @ departures.T / (len(members) - 1))
            root = vectors @ np.diag((1 + values) ** -0.5) @ vectors.T
            members = mean + gain @ (observations[step] - mean) + inflation * root @ departures
            if step * dt >= burn_in:
                for key, state in (("f", forecast), ("a", members)):
                    scores[f"rmse_{key}"].append(np.sqrt(np.mean((state.mean(0) - truth[step]) ** 2)))
                    scores[f"spread_{key}"].append(np.sqrt(state.var(0, ddof=1).mean()))
                for variable in range(3):
                    ranks[(members[:, variable] < truth[step, variable]).sum()] += 1
        rows.append({key: np.mean(values) for key, values in scores.items()})
    return {key: np.mean([row[key] for row in rows]) for key in rows[0]}, ranks


def test_scores_and_ranks_are_those_of_a_plain_loop():
    samples = experiment(Lorenz63(), count=3, steps=60, every=3, burn_in=1.0, name="lorenz63")
    samples = samples.assign_attrs(background_mean=[1.0, 1.0, 20.0], background_variance=4.0, dt=0.01)
    method = ETKF(members=5, rotated=False, **COMMON | {"inflation": 1.1})
    ensemble = method.first_ensemble(samples, windows_of(samples), generator(0))
    wanted, ranks = plain_etkf(samples.assign_attrs(burn_in=0.3), ensemble, 1.1)
    samples = samples.assign_attrs(burn_in=0.3)
    method.predict(samples)
    assert method.scores(samples) == pytest.approx(wanted, rel=1e-9)
    np.testing.assert_array_equal(method.ranks(samples), ranks)
    assert ranks.sum() == 3 * 3 * 11, "11 of 20 analyses come at 0.3 or later"


def test_a_smoother_is_better_than_its_filter_and_that_than_its_forecast():
    samples = experiment(RING, count=4, steps=200, every=2, burn_in=2.0)
    smoother = EnKS(update="square_root", members=20, lag=5, **COMMON | {"inflation": 1.05})
    smoother.fit(experiment(RING, count=4, steps=50, every=2))
    scores = smoother.scores(samples)
    assert scores["rmse_s"] < 0.9 * scores["rmse_a"] < 0.8 * scores["rmse_f"]
    assert 0.7 < scores["spread_a"] / scores["rmse_a"] < 1.5
    estimate = smoother.predict(samples)
    errors = np.sqrt(((estimate - samples.state.values) ** 2).mean(-1))
    assert errors[:, 40::2].mean() == pytest.approx(scores["rmse_s"])


def test_experiments_are_split_where_they_would_not_fit_into_memory(monkeypatch):
    samples = experiment(RING, count=5, steps=20, every=2)
    train = experiment(RING, count=4, steps=50, every=2)

    def ran():
        method = EnKF(members=10, **COMMON)
        method.fit(train)
        return method.predict(samples), method.scores(samples)

    whole = ran()
    monkeypatch.setattr("dlgd.problems.lorenz.methods.ensemble.MAX_BATCH_ELEMENTS", 10 * 12 * 2 * 2)
    split = ran()
    assert whole[0].shape == split[0].shape == samples.state.shape
    assert not np.array_equal(whole[0], split[0]), "other draws"
    assert split[1]["rmse_a"] == pytest.approx(whole[1]["rmse_a"], rel=0.3)


def test_the_seed_alone_decides():
    samples, train = experiment(RING, count=2, steps=20, every=2), experiment(RING, count=4, steps=50, every=2)

    def estimate(seed):
        method = EnKF(members=10, **COMMON | {"seed": seed})
        method.fit(train)
        return method.predict(samples)

    first = estimate(0)
    np.testing.assert_array_equal(estimate(0), first)
    assert not np.array_equal(estimate(1), first)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: EnKF(members=1, **COMMON), "baseline.members=1"),
        (lambda: EnKF(members=5, **COMMON | {"inflation": 0.0}), "baseline.inflation=0"),
        (lambda: EnKF(members=5, **COMMON | {"device": "tpu"}), "baseline.device=tpu is unknown"),
        (lambda: EnKS(update="stochastic", members=5, lag=0, **COMMON), "baseline.lag=0"),
        (lambda: EnKS(update="exact", members=5, lag=1, **COMMON), "update=exact is unknown: choose one of"),
        (lambda: LETKF(members=5, rotated=True, radius=0.0, taper="step", **COMMON), "baseline.radius=0"),
        (lambda: LETKF(members=5, rotated=True, radius=1.0, taper="box", **COMMON), "choose one of gaspari_cohn, step"),
    ],
)
def test_options_that_mean_nothing(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_what_does_not_fit():
    samples = experiment(Lorenz63(), count=2, steps=10, every=2)
    with pytest.raises(ValueError, match="only after fit"):
        EnKF(members=5, **COMMON).predict(samples)
    assert EnKF(members=5, **COMMON).ranks(samples.drop_vars("state")) is None
    local = LETKF(members=5, rotated=True, radius=2.0, taper="step", **COMMON)
    with pytest.raises(Refusal, match="localizes on a ring of variables: type data=lorenz96, or baseline=etkf"):
        local.predict(samples)
    method = EnKF(members=5, **COMMON)
    method.fit(samples)
    with pytest.raises(ValueError, match="no observation after its burn-in of 99 time units"):
        method.scores(samples.assign_attrs(burn_in=99.0))
    with pytest.raises(Refusal, match=r"not finite any more at step 2: try more baseline\.members"):
        method.cycles(windows_of(samples), torch.full((2, 5, 3), torch.inf, dtype=torch.float64), generator())


@pytest.mark.parametrize(("members", "worse"), [(3, True), (40, False)])
def test_a_filter_worse_than_its_observations_is_told(members, worse, caplog):
    """Few members without inflation lose the truth."""
    start = torch.from_numpy(np.random.default_rng(0).normal(0, 5, (6, 3)))
    states = trajectory(Lorenz63(), start, 0.01, 2600)[600:].movedim(0, 1).numpy()
    noisy = states + np.random.default_rng(1).normal(size=states.shape)
    noisy[:, np.arange(states.shape[1]) % 20 != 0] = np.nan
    attributes = attributes_of(Lorenz63()) | {"dt": 0.01, "noise_variance": 1.0, "task": "assimilate", "burn_in": 2.0}
    samples = xr.Dataset({"state": (DIMS, states), "observations": (DIMS, noisy)}, attrs=attributes)
    method = EnKF(members=members, inflation=1.0 if worse else 1.05, seed=0, device="cpu")
    method.fit(samples)
    scores = method.scores(samples)
    assert (scores["rmse_a"] > 1.0) == worse
    assert ("is worse than its own observations" in caplog.text) == worse


@pytest.mark.parametrize("name", ["enkf", "etkf", "letkf", "enks", "enkf_n", "ienks", "particle", "cycled_4dvar"])
def test_what_is_advised_is_an_option_of_the_method(name):
    options = OmegaConf.load(CONF / "baseline" / f"{name}.yaml")
    advised = re.findall(r"baseline\.(\w+)", hydra.utils.get_class(options._target_).remedy)
    assert advised
    assert set(advised) <= set(options)
