"""Climatology and interpolation in time, series by series with NumPy and SciPy."""

import numpy as np
import pytest
import xarray as xr
from scipy.interpolate import CubicSpline

from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.methods.interpolation import Climatology, Interpolation

DIMS = ("sample", "time", "variable")
STEPS = 30


def samples(share=0.2, seed=0, task="assimilate"):
    rng = np.random.default_rng(seed)
    state = rng.normal(3, 2, (6, STEPS, 2)).astype(np.float64)
    observations = np.where(rng.random(state.shape) < share, state + rng.normal(0, 1, state.shape), np.nan)
    return xr.Dataset(
        {"state": (DIMS, state), "observations": (DIMS, observations)}, attrs={"task": task, "name": "lorenz63"}
    )


def fitted(method):
    method.fit(samples(seed=1))
    return method


def series(window, number, variable):
    values = window.observations.values[number, :, variable]
    (times,) = np.nonzero(np.isfinite(values))
    return times, values[times]


def test_linear_in_time_is_numpy_interp_of_each_series():
    window = samples()
    answer = fitted(Interpolation(kind="linear")).predict(window)
    for number in range(6):
        for variable in range(2):
            wanted = np.interp(np.arange(STEPS), *series(window, number, variable))
            np.testing.assert_allclose(answer[number, :, variable], wanted, atol=1e-12)


def test_cubic_in_time_is_the_natural_spline_of_each_series_and_stays_constant_outside():
    window = samples()
    answer = fitted(Interpolation(kind="cubic")).predict(window)
    for number in range(6):
        for variable in range(2):
            times, values = series(window, number, variable)
            spline = CubicSpline(times, values, bc_type="natural")
            inside = slice(times[0], times[-1] + 1)
            np.testing.assert_allclose(answer[number, inside, variable], spline(np.arange(STEPS)[inside]), atol=1e-10)
            assert (answer[number, : times[0], variable] == answer[number, times[0], variable]).all()
            np.testing.assert_allclose(answer[number, times[-1] :, variable], values[-1], atol=1e-10)


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_few_observations(kind):
    """None: the mean of the training split; one: its value; two: a line."""
    window = samples(share=0.0)
    observations = window.observations.values
    observations[0, 4, 0] = 5.0
    observations[1, [4, 8], 1] = 2.0, 4.0
    answer = fitted(Interpolation(kind=kind)).predict(window)
    mean = samples(seed=1).state.values.mean((0, 1))
    np.testing.assert_allclose(answer[2], np.tile(mean, (STEPS, 1)))
    np.testing.assert_allclose(answer[0, :, 0], 5.0)
    np.testing.assert_allclose(answer[0, :, 1], mean[1])
    np.testing.assert_allclose(answer[1, :, 1], np.interp(np.arange(STEPS), [4, 8], [2.0, 4.0]))


def test_climatology_is_the_mean_of_the_training_part():
    answer = fitted(Climatology()).predict(samples())
    assert answer.shape == (6, STEPS, 2)
    np.testing.assert_allclose(answer, np.broadcast_to(samples(seed=1).state.values.mean((0, 1)), answer.shape))


@pytest.mark.parametrize("method", [Climatology(), Interpolation(kind="linear")], ids=["climatology", "linear"])
def test_what_does_not_fit(method):
    with pytest.raises(ValueError, match="only after fit"):
        method.predict(samples())
    with pytest.raises(Refusal, match=r"data=lorenz63 data.task=forecast does not ask for: type data=lorenz63"):
        method.fit(samples(task="forecast"))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"baseline\.kind=quintic is unknown: choose one of linear, cubic"):
        Interpolation(kind="quintic")
