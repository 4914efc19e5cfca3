"""Cycled 4D-Var and ensembles of 4D-Vars: linear systems against Kalman's gain with a constant covariance and against
the exact smoother."""

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import RK4
from dlgd.problems.lorenz.methods.cycled_variational import CycledFourDVar
from dlgd.problems.lorenz.methods.variational_ensemble import FourDVarEnsemble
from dlgd.problems.lorenz.methods.windows import Background, Windows
from tests.problems.lorenz.methods.linear_windows import DT, conditional, prior, system, windows_of_linear
from tests.problems.lorenz.methods.test_variational import lorenz63

SIZE, STEPS = 3, 12


def generator():
    return torch.Generator().manual_seed(0)


def cycled(covariance=None, **changed):
    options = {"members": 1, "background_scale": 1.0, "lag": 1, "tolerance": 1e-20, "most_steps": 50}
    method = CycledFourDVar(**options | {"seed": 0, "device": "cpu"} | changed)
    if covariance is not None:
        method.fit(training_states(covariance))
    return method


def training_states(covariance):
    """Samples whose states have exactly this covariance."""
    drawn = torch.randn(50, SIZE, generator=generator(), dtype=torch.float64)
    drawn = torch.linalg.qr(drawn - drawn.mean(0)).Q * 49**0.5 @ torch.linalg.cholesky(covariance).T
    return xr.Dataset({"state": (("sample", "time", "variable"), drawn[:, None].numpy())}, attrs={"task": "assimilate"})


def constant_gain(windows, number, start, covariance, lag):
    """First and last states of each window, by dense algebra: the background moves by M, its covariance stays."""
    jacobian = RK4.jacobian(windows.dynamics, torch.zeros(SIZE, dtype=torch.float64), DT).numpy()
    analyses = [t for t in range(STEPS) if windows.observed[:, t].any()]
    begin, state, answers = 0, start.copy(), {}
    for index, t in enumerate(analyses):
        if index >= lag:
            ahead = analyses[index - lag]
            state, begin = np.linalg.matrix_power(jacobian, ahead - begin) @ state, ahead
        seen = windows.observed[number, t].numpy()
        propagator = np.linalg.matrix_power(jacobian, t - begin)
        h = propagator[seen]
        gain = covariance @ h.T @ np.linalg.inv(h @ covariance @ h.T + windows.noise_variance * np.eye(len(h)))
        state = state + gain @ (windows.values[number, t].numpy()[seen] - h @ state)
        answers[t] = propagator @ state
    return answers


@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("members", [1, 4])
def test_cycled_4dvar_of_a_linear_system_has_the_gain_of_a_constant_covariance(lag, members):
    """The mean of an ensemble of them, too, whose perturbations sum to 0."""
    windows, background = windows_of_linear(system(SIZE), count=3, steps=STEPS), prior(SIZE)
    method = cycled(background.covariance, members=members, lag=lag)
    first = background.mean + torch.randn(3, members, SIZE, generator=generator(), dtype=torch.float64)
    record = method.cycles(windows, first, generator())
    for number in range(3):
        start = first[number].mean(0).numpy()
        wanted = constant_gain(windows, number, start, background.covariance.numpy(), lag)
        for t, state in wanted.items():
            np.testing.assert_allclose(record.analysis_mean[number, t], state, atol=1e-7)


def test_the_scale_is_that_of_the_climate():
    windows, background = windows_of_linear(system(SIZE), count=1, steps=STEPS), prior(SIZE)
    first = background.mean.expand(1, 1, SIZE).clone()
    small = cycled(4 * background.covariance, background_scale=0.25).cycles(windows, first, generator())
    whole = cycled(background.covariance).cycles(windows, first, generator())
    torch.testing.assert_close(small.estimate, whole.estimate)


def test_the_spread_of_an_ensemble_is_that_of_errors_with_this_gain():
    """One observation of everything: covariance (I - K) B (I - K)^T + K R K^T, here a number for each variable."""
    members, noise, scale = 4000, 0.5, 2.0
    observed = torch.ones(1, 1, SIZE, dtype=torch.bool)
    windows = Windows(system(SIZE), DT, noise, torch.ones(1, 1, SIZE, dtype=torch.float64), observed)
    covariance = scale * torch.eye(SIZE, dtype=torch.float64)
    first = Background(torch.zeros(SIZE, dtype=torch.float64), covariance).draw(1, members, generator())
    record = cycled(covariance, members=members).cycles(windows, first, generator().manual_seed(1))
    gain = scale / (scale + noise)
    wanted = ((1 - gain) ** 2 * scale + gain**2 * noise) ** 0.5
    assert record.analysis_spread[0, 0].item() == pytest.approx(wanted, rel=0.03)


def test_scores_of_one_member_have_no_spread():
    train, test = lorenz63(20, seed=9), lorenz63(3, seed=1)
    for members, spread in ((1, False), (3, True)):
        method = cycled(members=members, tolerance=1e-3)
        method.fit(train)
        scores = method.scores(test)
        assert ("spread_a" in scores) is spread
        assert scores["rmse_s"] < scores["rmse_f"]


def ensemble(**changed):
    options = {"members": 4, "annealing": [1e-3], "start": "interpolation", "background": True, "starts": 1}
    return FourDVarEnsemble(
        **options | {"tolerance": 1e-20, "most_steps": 60, "seed": 0, "device": "cpu"} | changed
    )  # fmt: skip


def test_an_ensemble_of_4dvars_of_a_linear_system_samples_the_posterior():
    """Its mean is exact for any number of members, its spread is that of many."""
    members, variance = 200, 1e-3  # so small that the errors of the model, which are not perturbed, do not show
    windows, background = windows_of_linear(system(SIZE), count=2, steps=STEPS), prior(SIZE)
    method = ensemble(members=members, annealing=[variance])
    shifts = method._perturbations(SIZE, generator()) @ torch.linalg.cholesky(background.covariance).T
    priors = [Background(background.mean + shift, background.covariance) for shift in shifts]
    mean, std = method.ensemble(windows, background, priors, generator().manual_seed(5))
    for number in range(2):
        wanted, covariance = conditional(windows, number, background, model_variance=variance)
        np.testing.assert_allclose(mean[number], wanted, atol=1e-6)
        np.testing.assert_allclose(std[number], np.sqrt(np.diag(covariance)).reshape(STEPS, SIZE), rtol=0.15)


def test_an_ensemble_of_4dvars_says_how_large_its_errors_are():
    train, test = lorenz63(50, seed=9), lorenz63(20, seed=1)
    method = ensemble(members=8, annealing=[0.1, 1e-3], tolerance=1e-3)
    method.fit(train)
    errors, std = method.predict(test) - test.state.values, method.error_std(test)
    assert 0.5 < (std**2).mean() / (errors**2).mean() < 2
    wanted = np.sqrt((std[:, 4::8] ** 2).mean(-1)).mean()
    assert method.scores(test)["spread_a"] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: cycled(members=0), r"baseline\.members=0"),
        (lambda: cycled(background_scale=0.0), r"baseline\.background_scale=0"),
        (lambda: cycled(lag=0), r"baseline\.lag=0"),
        (lambda: cycled(tolerance=0.0), r"baseline\.tolerance=0"),
        (lambda: cycled(most_steps=0), r"baseline\.most_steps=0"),
        (lambda: ensemble(members=1), r"baseline\.members=1"),
    ],
)
def test_options_that_cannot_work_are_refused(make, sentence):
    with pytest.raises(Refusal, match=sentence):
        make()
