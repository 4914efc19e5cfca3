"""Trajectories and how they are cut: the courses' printed figures, honest splits, twin experiments."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.integrate import odeint, solve_ivp
from sklearn.feature_extraction.image import extract_patches_2d

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.physics.integrators import advance
from dlgd.problems.lorenz.data import course_rk45
from dlgd.problems.lorenz.data.presets import PRESETS
from tests.problems.lorenz.data.lorenz_data import encoded, make, ready, small


def slope63(state: np.ndarray) -> np.ndarray:
    x, y, z = state
    return np.array([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8 / 3 * z])


def steps_of(source, split: str) -> np.ndarray:
    """(windows, length): numbers of steps in the series."""
    return source._starts[split][:, None] + np.arange(source.length)


# --- the courses -------------------------------------------------------------------------------------------


def test_the_course_of_2021_has_the_figures_that_it_printed():
    """MeanTr = 8.435 --- StdTr = 13.687, over the windows of training and validation together."""
    source = ready(preset="dlgd2021")
    drawn = np.concatenate([source.samples(split).state.values for split in ("train", "valid")])
    assert drawn.shape == (10_000, 200, 3)
    assert f"{drawn.mean():.3f} {drawn.std():.3f}" == "8.435 13.687"
    assert source.samples("test").sizes["sample"] == 2000
    # linear interpolation, which needs all of the recipe but its noise: an independent figure, 52.127
    test = source.samples("test")
    exact = test.assign(observations=test.state.where(test.observations.notnull()))
    guess = torch.cat([batch.input[:, :3] for batch in source.encode(exact, halo=0, device="cpu")])
    assert np.square(source.to_physical(guess, test) - test.state.values).mean() == pytest.approx(52.127, abs=6e-4)


def test_windows_and_noise_of_the_course_are_those_of_its_random_numbers():
    source = ready(preset="dlgd2021")
    rng = np.random.RandomState(100)
    known = extract_patches_2d(source._series[:12_000], (200, 3), max_patches=10_000, random_state=rng)
    test = extract_patches_2d(source._series[15_000:], (200, 3), max_patches=2000, random_state=rng)
    noise = [np.sqrt(2) * np.moveaxis(rng.randn(len(windows), 3, 200), 1, 2) for windows in (known, test)]
    for split, truth, error in (
        ("train", known[:9500], noise[0][:9500]),
        ("valid", known[9500:], noise[0][9500:]),
        ("test", test, noise[1]),
    ):
        samples = source.samples(split)
        np.testing.assert_array_equal(samples.state, truth)
        seen = np.zeros(truth.shape, bool)
        seen[:, 16:185:8, 0] = True
        np.testing.assert_array_equal(samples.observations, np.where(seen, truth + error, np.nan))


@pytest.mark.parametrize("rtol", [1e-3, 1e-6])
def test_the_courses_solver_is_that_of_scipy(rtol):
    times, start = np.arange(0.01, 8, 0.01), np.array([8.0, 0.0, 30.0])
    ours = course_rk45.solve(slope63, start, times, end=9.0, first_step=0.01, rtol=rtol, atol=1e-6)
    options = {"method": "RK45", "first_step": 0.01, "rtol": rtol, "atol": 1e-6, "t_eval": times}
    theirs = solve_ivp(lambda t, y: slope63(y), (times[0], 9.0), start, **options).y.T
    # rounding errors grow by e in 1.1 units of time, 1,500 times in all; they change the steps, and so their errors
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_a_fused_product_and_sum_is_rounded_once():
    rng, fused = np.random.default_rng(0), 0
    for _ in range(2000):
        a, b = rng.normal(size=2)
        c = -a * b * rng.choice([1 + 1e-15, 0.3, 2.0])
        exact = float(Fraction(a) * Fraction(b) + Fraction(c))
        assert course_rk45._fused(a, b, c) == exact
        fused += exact != a * b + c
    assert fused > 500, "rounding twice is something else"


def test_the_course_on_forecasts():
    source = ready(preset="forecast", task="forecast")
    series = source._series
    assert series.shape == (19_999, 3)
    times = np.arange(0.01, 200, 0.01)[:500]
    np.testing.assert_allclose(series[:500], odeint(lambda y, t: slope63(y), [8.0, 0.0, 30.0], times), atol=1e-5)
    sizes = [source.samples(split).sizes["sample"] for split in SPLITS]
    assert sizes == [7500, 2500, 2000]
    known = np.concatenate([steps_of(source, split) for split in ("train", "valid")])
    assert known.shape[1] == 30
    assert 3000 <= known.min() < 3010
    assert 14_990 < known.max() < 15_000
    assert steps_of(source, "test").min() >= 17_500
    # validation is a random quarter: it is among the training windows
    assert np.isin(steps_of(source, "valid"), steps_of(source, "train")).mean() > 0.99
    # printed: 8.299 to 8.410, 13.659 to 13.808, in four draws
    assert source.statistics["mean"] == pytest.approx(8.36, abs=0.15)
    assert source.statistics["std"] == pytest.approx(13.73, abs=0.15)


def test_the_starters_windows_share_their_observations():
    counts = {"train": 300, "valid": 20, "test": 20}
    source = make(preset="starter", samples=counts)
    source.prepare()
    assert source.samples("test").sizes["time"] == 200
    series = np.full_like(source._series, np.nan)
    for split in SPLITS:
        samples = source.samples(split)
        for steps, observed in zip(steps_of(source, split), samples.observations.values, strict=True):
            known = ~np.isnan(series[steps])
            np.testing.assert_array_equal(series[steps][known], observed[known])
            series[steps] = observed
    step, variable = np.nonzero(~np.isnan(series))
    assert set(step % 8) == {0}
    assert set(variable) == {0}
    assert (np.diff(source._starts["test"]) == 1).all()


def test_the_long_run_of_the_course_begins_as_its_own():
    """And what it learns from lies after all that the course tests on."""
    source = make(preset="dlgd2021_long")
    long = PRESETS["lorenz63"]["dlgd2021_long"].recipe
    course = replace(long.solver, steps=3000)(source.dynamics, source.plan)
    longer = replace(long.solver, steps=6000)(source.dynamics, source.plan)
    np.testing.assert_array_equal(longer[:2950], course[:2950])  # its last step of time is cut short
    starts = long.starts(source.plan, np.random.RandomState(0))
    assert {split: len(found) for split, found in starts.items()} == {"train": 48_000, "valid": 1000, "test": 97}
    assert starts["test"][0] >= 15_000
    assert starts["test"][-1] + 200 <= 20_000 <= starts["train"][0]
    assert starts["train"][-1] + 200 < starts["valid"][0]


@pytest.mark.slow
def test_lorenz96_as_of_2020():
    source = make("lorenz96", preset="dinae2020", samples={"train": 18, "valid": 2, "test": 5})
    source.prepare()
    assert source._series.shape == (10_000, 40)
    seen = {split: ~np.isnan(source.samples(split).observations.values) for split in SPLITS}
    assert (seen["train"] == seen["train"][0]).all(), "the same pattern in all windows"
    assert (seen["train"][0] != seen["test"][0]).any()
    assert (seen["train"].sum(axis=2)[:, ::4] == 20).all()
    assert seen["train"].mean() == 0.125
    assert source._series.mean() == pytest.approx(2.342, abs=0.06)


# --- honest splits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["assimilate", "forecast"])
@pytest.mark.parametrize("changes", [{}, {"stride": 7, "gap": 100}])
def test_no_step_is_in_two_parts(task, changes):
    source = small(task=task, **changes)
    steps = {split: steps_of(source, split) for split in SPLITS}
    for before, after in (("train", "valid"), ("valid", "test")):
        gap = changes.get("gap", 1000)
        assert steps[after].min() - steps[before].max() == gap + 1
    for split in ("valid", "test"):
        assert len(np.unique(steps[split])) == steps[split].size, "windows are independent"
    assert steps["train"][0, 0] == 0
    assert steps["train"][1, 0] == changes.get("stride", 200)
    for split in SPLITS:
        samples = source.samples(split)
        truth = np.concatenate([samples.given.values, samples.state.values], 1) if task == "forecast" else samples.state
        np.testing.assert_array_equal(truth, source._series[steps[split]])


@pytest.mark.parametrize("name", ["lorenz63", "lorenz96"])
def test_the_run_obeys_the_equations(name):
    source = small(name)
    series = torch.from_numpy(source._series)
    one_step = advance(source.dynamics, series[:-1], source.spec.dt)
    torch.testing.assert_close(one_step, series[1:], rtol=0, atol=1e-12)
    assert len(series) == source._starts["test"][-1] + 200


def test_climate():
    """Means and standard deviations of long runs: z 23.55 and 8.63 of Lorenz-63, 2.342 and 3.640 of Lorenz-96."""
    z = ready().samples("train").state.values[..., 2]
    assert (z.mean(), z.std()) == (pytest.approx(23.55, abs=0.05), pytest.approx(8.63, abs=0.05))
    other = ready("lorenz96").statistics
    assert (other["mean"], other["std"]) == (pytest.approx(2.342, abs=0.01), pytest.approx(3.640, abs=0.01))


# --- twin experiments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "preset", "steps", "every", "count", "noise", "burn_in", "variance"),
    [
        ("lorenz63", "sakov2012", 25_026, 25, 1001, 2.0, 16.0, 2.0),
        ("lorenz63", "ramgraber2022", 2003, 2, 1001, 4.0, 16.0, 1.0),
        ("lorenz96", "sakov2008", 1002, 1, 1001, 1.0, 20.0, 0.001),
    ],
)
def test_twin_experiments(name, preset, steps, every, count, noise, burn_in, variance):
    source = ready(name, preset=preset)
    test = source.samples("test")
    assert (test.sizes["sample"], test.sizes["time"]) == (20, steps)
    seen = ~np.isnan(test.observations.values)
    assert (seen[0].any(axis=1).nonzero()[0] == every * np.arange(1, count + 1)).all()
    assert seen.sum() == 20 * count * source.dynamics.size
    assert np.nanvar(test.observations - test.state) == pytest.approx(noise, rel=0.01)
    mean = {"sakov2012": [1.509, -1.531, 25.46], "ramgraber2022": [0.0] * 3}.get(preset, [1.0] + [0.0] * 39)
    assert test.attrs["background_mean"] == mean
    assert test.attrs["background_variance"] == variance
    assert test.attrs["burn_in"] == burn_in
    first = test.state.values[:, 0] - mean
    assert np.square(first).mean() == pytest.approx(variance, rel=0.5)
    assert np.square(first).mean(axis=1).min() > 0, "experiments begin in different states"
    state = torch.from_numpy(test.state.values)
    torch.testing.assert_close(
        advance(source.dynamics, state[:, :-1], source.spec.dt), state[:, 1:], rtol=0, atol=1e-12
    )
    climate = 23.55 if name == "lorenz63" else 2.342
    free = source.samples("train").state.values[..., -1]
    assert free.mean() == pytest.approx(climate, abs=0.25 if name == "lorenz63" else 0.1)


# --- what does not fit -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"preset": "dlgd2021", "window": 5000, "samples": {"train": 9, "valid": 1}},
            "data.preset has 5000 steps for test, too few for windows of 5000",
        ),
        (
            {"preset": "forecast", "task": "forecast", "leads": 2499, "samples": {"train": 1}},
            "2499 steps for test, too few .* smaller data.w",
        ),
        ({"preset": "dlgd2021", "samples": {"test": 4801}}, "data.samples.test ask for 4801 windows.* room for 4800"),
        ({"preset": "starter", "samples": {"train": 8802}}, "data.samples.train ask for 8802 .* room for 8801"),
        ({"sigma": 1e4}, "the trajectory is not finite at data.dt=0.01: choose a smaller one"),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(Refusal, match=words):
        make(**changes).prepare()


def test_first_guesses_of_parts_are_made_of_their_own_observations():
    batch = encoded(small())
    assert batch.input[:, 0].std() > 0
    assert (batch.input[:, 1].std(), batch.input[:, 2].std()) == (0, 0), "y and z are never observed"
