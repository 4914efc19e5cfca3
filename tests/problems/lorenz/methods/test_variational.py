"""4D-Var: linear systems against dense least squares, Lorenz-63 against its truth."""

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import RK4, advance, trajectory
from dlgd.physics.lorenz import Lorenz63
from dlgd.physics.systems import attributes_of
from dlgd.problems.lorenz.methods.least_squares import minimize
from dlgd.problems.lorenz.methods.variational import StrongFourDVar, WeakFourDVar
from dlgd.problems.lorenz.methods.variational_costs import StrongConstraint, WeakConstraint
from dlgd.problems.lorenz.methods.windows import Background, windows_of
from tests.problems.lorenz.methods.linear_windows import conditional, prior, system, windows_of_linear

STEPS, DT = 80, 0.01
DIMS = ("sample", "time", "variable")


def lorenz63(count, *, noise=2.0, components=(0, 1, 2), seed=0, **attrs):
    """Windows of Lorenz-63, some components observed every 8 steps."""
    generator, dynamics = torch.Generator().manual_seed(seed), Lorenz63()
    start = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    start = advance(dynamics, 5 * start + torch.tensor([0.0, 0, 25]), DT, 1500)
    state = trajectory(dynamics, start, DT, STEPS - 1).movedim(0, 1)
    observations = torch.full_like(state, torch.nan)
    drawn = torch.randn(state.shape, generator=generator, dtype=torch.float64)
    for component in components:
        observations[:, 4::8, component] = (state + noise**0.5 * drawn)[:, 4::8, component]
    known = {"task": "assimilate", "name": "lorenz63", "dt": DT, "noise_variance": noise, **attributes_of(dynamics)}
    return xr.Dataset(
        {"state": (DIMS, state.numpy()), "observations": (DIMS, observations.numpy())}, attrs=known | attrs
    )


def weak(**changed):
    options = {"annealing": [0.1, 1e-3], "start": "interpolation", "background": True, "starts": 1, "tolerance": 1e-6}
    return WeakFourDVar(**{**options, "most_steps": 60, "seed": 0, "device": "cpu", **changed})


def strong(**changed):
    options = {"extension": 10, "background": True, "starts": 1, "tolerance": 1e-6, "most_steps": 60}
    return StrongFourDVar(**{**options, "seed": 0, "device": "cpu", **changed})


def answer(method, samples):
    method.fit(lorenz63(100, seed=9))
    return method.predict(samples)


def mse(estimate, samples):
    return ((estimate - samples.state.values) ** 2).mean()


# --- linear systems ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3])
def test_weak_4dvar_of_a_linear_system_is_the_smoother_of_rauch_tung_and_striebel(size):
    windows, background, variance = windows_of_linear(system(size), count=3, steps=15), prior(size), 0.2
    cost = WeakConstraint(windows, background, variance)
    solution = minimize(cost, torch.zeros_like(windows.values), tolerance=1e-20)
    assert solution.converged.all()
    for number in range(3):
        wanted, covariance = conditional(windows, number, background, model_variance=variance)
        np.testing.assert_allclose(solution.x[number], wanted, atol=1e-8)
        expected = cost.variances(solution.x)[number].flatten()
        np.testing.assert_allclose(expected, np.diagonal(covariance), rtol=1e-8)


@pytest.mark.parametrize("size", [1, 3])
def test_strong_4dvar_of_a_linear_system_is_the_smoother_without_model_error(size):
    windows, background = windows_of_linear(system(size), count=3, steps=15), prior(size)
    solved = strong(tolerance=1e-20, extension=4).solve(windows, background)
    for number in range(3):
        wanted, _ = conditional(windows, number, background)
        np.testing.assert_allclose(solved.x[number], wanted, atol=1e-8)


def test_without_a_background_only_the_observations_count():
    windows, flat = windows_of_linear(system(3), count=2, steps=25, share=0.8), prior(3)
    wide = Background(flat.mean, flat.covariance * 1e6)
    for method in (strong(background=False, tolerance=1e-20), weak(background=False, annealing=[0.2], tolerance=1e-20)):
        solved = method.solve(windows, flat)
        variance = 0.2 if isinstance(method, WeakFourDVar) else 0.0
        for number in range(2):
            wanted, _ = conditional(windows, number, wide, model_variance=variance)
            np.testing.assert_allclose(solved.x[number], wanted, atol=1e-4)


# --- Lorenz-63 ---------------------------------------------------------------------------------------------


def plain_cost(x, samples, variance, background):
    """Of one window x (T, n), by hand."""
    observations = torch.from_numpy(samples.observations.values[0])
    loss = torch.nan_to_num(observations - x).where(~observations.isnan(), 0) ** 2 / samples.attrs["noise_variance"]
    errors = x[1:] - RK4.step(Lorenz63(), x[:-1], DT)
    departure = x[0] - background.mean
    return (
        loss.sum() + (errors**2).sum() / variance + departure @ torch.linalg.inv(background.covariance) @ departure
    ) / 2


def test_the_gradient_is_zero_at_the_solution_and_the_cost_is_the_one_written_by_hand():
    samples, variance = lorenz63(1), 1e-2
    background = Background.learnt(lorenz63(100, seed=9))
    cost = WeakConstraint(windows_of(samples), background, variance)
    start = torch.from_numpy(np.nan_to_num(samples.state.values) + 1)
    solution = minimize(cost, start, tolerance=1e-20)
    x = solution.x[0].clone().requires_grad_()
    by_hand = plain_cost(x, samples, variance, background)
    (gradient,) = torch.autograd.grad(by_hand, x)
    assert by_hand.item() == pytest.approx(solution.cost.item(), rel=1e-12)
    assert gradient.abs().max() < 1e-5
    x = start[0].clone().requires_grad_()
    (wanted,) = torch.autograd.grad(plain_cost(x, samples, variance, background), x)
    torch.testing.assert_close(cost.normal_equations(start)[0][0], wanted)


def test_the_gradient_of_the_strong_constraint_is_that_of_autograd():
    samples = lorenz63(2)
    background = Background.learnt(lorenz63(100, seed=9))
    cost = StrongConstraint(windows_of(samples).until(30), background)
    x = torch.from_numpy(samples.state.values[:, 0] + 0.5).requires_grad_()
    (wanted,) = torch.autograd.grad(cost.cost(x).sum(), x)
    torch.testing.assert_close(cost.normal_equations(x.detach())[0], wanted)


@pytest.mark.parametrize("method", [strong(starts=3), weak(annealing=[0.1, 1e-3, 1e-6])], ids=["strong", "weak"])
def test_without_noise_the_truth_is_found(method):
    samples = lorenz63(30, noise=0.0)
    assert mse(answer(method, samples), samples) < 1e-5


def test_with_noise_the_cost_is_below_that_of_the_truth():
    samples = lorenz63(30)
    windows, background = windows_of(samples), Background.learnt(lorenz63(100, seed=9))
    truth = torch.from_numpy(samples.state.values)
    for solved, cost, start in (
        (weak().solve(windows, background), WeakConstraint(windows, background, 1e-3), truth),
        (strong().solve(windows, background), StrongConstraint(windows, background), truth[:, 0]),
    ):
        assert solved.converged.all()
        assert (solved.cost < cost.cost(start) + 1e-6).all()


def test_expected_errors_are_as_large_as_the_errors():
    """40 windows, each component observed: one minimum. The ratio of means would be 0 of a std of nothing."""
    samples, method = lorenz63(40), weak(annealing=[0.1, 1e-4])
    error = answer(method, samples) - samples.state.values
    expected = method.error_std(samples)
    assert 0.8 < (expected**2).mean() / (error**2).mean() < 1.3
    assert 0.6 < (np.abs(error) < expected).mean() < 0.76  # 0.683 of a Gaussian


@pytest.mark.parametrize("start", ["interpolation", "ensemble"])
def test_both_first_guesses_lead_to_the_same_trajectories(start):
    samples = lorenz63(40, components=(0,))
    estimate = answer(weak(start=start), samples)
    reference = answer(weak(start="interpolation", annealing=[1.0, 0.1, 0.01, 1e-3]), samples)
    assert (abs(estimate - reference).max((1, 2)) < 0.05).mean() > 0.9
    assert mse(estimate, samples) < 3.0, "a tenth of what the climate gives is hardly an assimilation"


def test_more_starts_never_end_higher():
    windows, background = windows_of(lorenz63(60, components=(0,))), Background.learnt(lorenz63(100, seed=9))
    for make in (strong, weak):
        options = {"extension": STEPS} if make is strong else {"annealing": [1e-4], "most_steps": 4}
        one, three = (make(starts=starts, **options).solve(windows, background) for starts in (1, 3))
        assert (three.cost <= one.cost).all()
        assert (three.cost < one.cost - 1).any()


def test_windows_do_not_depend_on_those_beside_them():
    samples = lorenz63(12)
    together = answer(weak(), samples)
    np.testing.assert_allclose(answer(weak(), samples.isel(sample=slice(5, 7))), together[5:7], atol=1e-9)


def test_what_the_samples_say_of_the_initial_state_counts():
    samples = lorenz63(20, components=(0,))
    known = samples.assign_attrs(background_mean=[1.5, -1.5, 25.0], background_variance=1e-4)
    first = answer(weak(), known)[:, 0]
    assert abs(first - [1.5, -1.5, 25.0]).max() < 0.5 < abs(answer(weak(), samples)[:, 0] - first).max()


def test_windows_that_do_not_converge_are_counted_in_the_log(caplog):
    answer(weak(most_steps=1), lorenz63(4))
    assert "4 windows had not converged after 1 steps" in caplog.text


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"start": "zero"}, "baseline.start=zero is unknown: choose one of interpolation, ensemble"),
        ({"annealing": []}, r"baseline.annealing=\[\] must be a list of numbers above 0, such as \[10,1\]"),
        ({"annealing": [1.0, -1.0]}, r"baseline.annealing=\[1.0, -1.0\] must be a list of numbers above 0"),
        ({"starts": 0}, "baseline.starts=0"),
        ({"tolerance": 0.0}, "baseline.tolerance=0.0"),
        ({"device": "tpu"}, "baseline.device=tpu is unknown"),
    ],
)
def test_options_that_mean_nothing(changed, sentence):
    with pytest.raises(ValueError, match=sentence):
        weak(**changed)
    with pytest.raises(ValueError, match=r"baseline\.extension=0"):
        strong(extension=0)


def test_other_tasks_are_refused():
    with pytest.raises(Refusal, match=r"data=lorenz63 data\.task=forecast does not ask for"):
        weak().fit(lorenz63(2, task="forecast"))
    with pytest.raises(ValueError, match="only after fit"):
        weak().predict(lorenz63(2))
