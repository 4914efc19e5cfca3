"""The iterative smoother: a linear model against the ensemble smoother, a nonlinear one against scipy's minimum."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import advance
from dlgd.physics.lorenz import Lorenz63
from dlgd.problems.lorenz.methods.ensemble import EnKS
from dlgd.problems.lorenz.methods.iterative_smoother import IEnKS
from dlgd.problems.lorenz.methods.windows import Windows
from tests.problems.lorenz.methods.linear_windows import conditional, exact_ensemble, prior, system, windows_of_linear

SIZE, STEPS = 3, 14


def generator():
    return torch.Generator().manual_seed(0)


def smoother(**changed):
    options = {"members": 6, "inflation": 1.0, "rotated": False, "lag": 2, "most_iterations": 10, "tolerance": 1e-20}
    return IEnKS(**options | {"seed": 0, "device": "cpu"} | changed)


@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("most_iterations", [1, 4])
def test_with_a_linear_model_it_is_the_ensemble_smoother(lag, most_iterations):
    """After one iteration, and no other one changes anything; rows differ in what they observe."""
    windows, background = windows_of_linear(system(SIZE), count=4, steps=STEPS), prior(SIZE)
    ensemble = exact_ensemble(background, 6, 4)
    wanted = EnKS(update="square_root", members=6, lag=lag, inflation=1.0, seed=0, device="cpu")
    wanted = wanted.cycles(windows, ensemble, generator())
    record = smoother(lag=lag, most_iterations=most_iterations).cycles(windows, ensemble, generator())
    torch.testing.assert_close(record.estimate, wanted.estimate)
    torch.testing.assert_close(record.analysis_mean, wanted.analysis_mean)
    torch.testing.assert_close(record.analysis_spread, wanted.analysis_spread)


def test_with_a_linear_model_and_a_long_lag_it_is_the_smoother_of_rauch_tung_and_striebel():
    windows, background = windows_of_linear(system(SIZE), count=2, steps=STEPS), prior(SIZE)
    record = smoother(lag=STEPS, rotated=True).cycles(windows, exact_ensemble(background, 6, 2), generator())
    for number in range(2):
        wanted, _ = conditional(windows, number, background)
        np.testing.assert_allclose(record.estimate[number], wanted, atol=1e-9)


def lorenz63(count, noise=1e-5, steps=25):
    """Windows whose last step is observed, far from the forecast of the members (count, 4, 3)."""
    source = generator()
    members = torch.tensor([1.5, -1.5, 25.0]) + torch.randn(count, 4, 3, generator=source, dtype=torch.float64)
    truth = members.mean(1) + 0.3 * torch.randn(count, 3, generator=source, dtype=torch.float64)
    values = torch.zeros(count, steps + 1, 3, dtype=torch.float64)
    observed = torch.zeros_like(values, dtype=torch.bool)
    values[:, -1], observed[:, -1] = advance(Lorenz63(), truth, 0.01, steps), True
    return Windows(Lorenz63(), 0.01, noise, values, observed), members


def test_with_a_nonlinear_model_it_finds_the_minimum_of_the_cost():
    """With such precise observations the members come so near to one another that their slopes are derivatives."""
    windows, members = lorenz63(2)
    record = smoother(members=4, lag=1, most_iterations=40).cycles(windows, members, generator())
    for number in range(2):
        mean = members[number].mean(0)
        departures = members[number] - mean

        def cost(w, mean=mean, departures=departures, y=windows.values[number, -1]):
            there = advance(windows.dynamics, mean + torch.from_numpy(w) @ departures, windows.dt, 25)
            return float(3 * (w**2).sum() / 2 + ((there - y) ** 2).sum() / (2 * windows.noise_variance))

        w = min((minimize(cost, start, tol=1e-12) for start in 0.2 * np.eye(4)), key=lambda found: found.fun).x
        wanted = mean + torch.from_numpy(w) @ departures
        np.testing.assert_allclose(record.estimate[number, 0], wanted, atol=2e-3)
        once = smoother(members=4, lag=1, most_iterations=1).cycles(windows, members, generator())
        assert abs(once.estimate[number, 0] - wanted).max() > 0.02, "one iteration is not enough"


def test_a_batch_is_its_experiments_one_by_one():
    """Though they need different numbers of iterations."""
    windows, members = lorenz63(4, noise=0.5)
    together = smoother(members=4, tolerance=1e-6).cycles(windows, members, generator()).estimate
    for number in range(4):
        rows = slice(number, number + 1)
        alone = smoother(members=4, tolerance=1e-6).cycles(windows.take(rows), members[rows], generator()).estimate
        torch.testing.assert_close(alone[0], together[number])


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"lag": 0}, "baseline.lag=0"),
        ({"most_iterations": 0}, "baseline.most_iterations=0"),
        ({"tolerance": 0.0}, "baseline.tolerance=0"),
        ({"inflation": 0.0}, "baseline.inflation=0"),
        ({"members": 1}, "baseline.members=1"),
    ],
)
def test_options_that_cannot_work_are_refused(changed, sentence):
    with pytest.raises(Refusal, match=sentence):
        smoother(**changed)
