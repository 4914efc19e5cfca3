"""The stochastic system against closed forms of its discrete steps, and against the deterministic integrator."""

import numpy as np
import pytest
import torch

from dlgd.physics.integrators import EULER, trajectory
from dlgd.physics.lorenz import Lorenz63
from dlgd.physics.stochastic_lorenz import (
    USUAL,
    Noise,
    forecast,
    ornstein_uhlenbeck,
    pushed,
    simulate,
)

DT = 0.01
STILL = Noise(state=0.0, forcing=0.0, decay=0.0, feedback=0.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_without_noise_and_forcing_it_is_eulers_scheme_of_lorenz_63():
    start = torch.tensor([1.0, 1.0, 20.0], dtype=torch.float64)
    found = simulate(USUAL, rng(), dt=DT, steps=301, start=(1, 1, 20, 0), noise=STILL)
    wanted = trajectory(Lorenz63(), start, DT, 300, scheme=EULER)
    np.testing.assert_allclose(found[:, :3], wanted, rtol=1e-9)
    later = simulate(USUAL, rng(), dt=DT, steps=101, spin_up=200, start=(1, 1, 20, 0), noise=STILL)
    np.testing.assert_array_equal(later, found[200:])


def test_a_forcing_without_feedback_has_the_variance_and_the_memory_of_its_discrete_process():
    """W_(n+1) = (1 - r dt) W_n + q sqrt(dt) n: variance q^2 dt / (1 - (1 - r dt)^2), autocorrelation (1 - r dt)^lag."""
    kept, q, steps = 1 - 0.5 * DT, 0.2, 400_000
    noise = Noise(forcing=q, decay=0.5, feedback=0.0)
    runs = [simulate(USUAL, rng(seed), dt=DT, steps=steps, spin_up=2000, noise=noise)[:, 3] for seed in range(4)]
    variance = q**2 * DT / (1 - kept**2)
    assert np.mean([run.var() for run in runs]) == pytest.approx(variance, rel=0.03)
    for lag in (20, 200):
        found = np.mean([np.mean(run[lag:] * run[:-lag]) for run in runs]) / variance
        assert found == pytest.approx(kept**lag, abs=0.03)


def test_the_noise_of_y_is_itos():
    """With X = 0 for ever, Y_(n+1) = Y_n (1 - dt + s sqrt(dt) n): E[Y^2] grows by (1 - dt)^2 + s^2 dt in a step."""
    steps, s = 100, 0.08
    start = torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64).expand(1, 20_000, 3)
    parameters = torch.tensor([0.0, 28.0, 8 / 3, 0.0, 1.6], dtype=torch.float64).expand(1, 20_000, 5)
    normals = torch.randn(steps, 1, 20_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    path = forecast(start, torch.zeros(1, steps, dtype=torch.float64), parameters, DT, normals)
    factor = (1 - DT) ** 2 + s**2 * DT
    assert path[-1, 0, :, 1].square().mean().item() == pytest.approx(4 * factor**steps, rel=0.005)
    spread = path[-1, 0, :, 1].std() / path[-1, 0, :, 1].mean()
    assert spread.item() == pytest.approx(s, rel=0.03), "Z is another noise, X none"
    assert torch.equal(path[..., 0], torch.zeros_like(path[..., 0]))
    correlation = torch.corrcoef(path[-1, 0, :, 1:].T)[0, 1]
    assert abs(correlation.item()) < 0.03


def test_members_repeat_the_simulation_of_the_same_noise_and_forcing():
    """Three normal numbers for each step of the simulation, in the order Y, Z, W."""
    steps = 200
    truth = simulate(USUAL, rng(7), dt=DT, steps=steps + 1, spin_up=0, start=(1, 1, 20, 0.5))
    drawn = torch.from_numpy(rng(7).standard_normal((steps, 3))[:, None, None, :2].copy())
    forcing = torch.from_numpy(truth[None, :-1, 3].copy())
    parameters = torch.tensor(USUAL, dtype=torch.float64)[None, None]
    start = torch.tensor([[[1.0, 1.0, 20.0]]], dtype=torch.float64)
    path = forecast(start, forcing, parameters, DT, drawn)
    np.testing.assert_allclose(path[:, 0, 0], truth[:, :3], rtol=1e-9)
    slow = forecast(start.float(), forcing.float(), parameters.float(), DT, drawn.float())  # without the compiled loop
    torch.testing.assert_close(slow[:50], path[:50].float(), rtol=1e-3, atol=1e-3)


def test_each_member_has_parameters_of_its_own_and_a_push_by_the_sign_of_w():
    generator = torch.Generator().manual_seed(1)
    states = 5 * torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    forcing = torch.tensor([[-1.5, 0.5], [2.0, 0.0]], dtype=torch.float64)
    parameters = torch.tensor(USUAL, dtype=torch.float64) * (1 + 0.1 * torch.rand(2, 4, 5, generator=generator))
    path = forecast(states, forcing, parameters, DT, None)
    for t in (0, 1):
        equations = pushed(parameters, forcing[:, t, None])
        torch.testing.assert_close(path[t + 1], EULER.step(equations, path[t], DT))
    alone = EULER.step(pushed(parameters, torch.zeros(2, 1)), states, DT)
    push = (path[1] - alone)[..., 0] / DT
    wanted = parameters[..., 3] * torch.tensor([[-1.0], [1.0]]) * torch.tensor([[1.5], [2.0]]) ** parameters[..., 4]
    torch.testing.assert_close(push, wanted)


def test_an_ornstein_uhlenbeck_process_is_stationary_and_forgets_in_its_time():
    found = ornstein_uhlenbeck(rng(), 4000, 300, dt=0.1, time=5.0, std=0.7)
    np.testing.assert_allclose(found[:, [0, 150, 299]].std(axis=0), 0.7, rtol=0.04)
    assert np.mean(found[:, 0] * found[:, 50]) / 0.49 == pytest.approx(np.exp(-1), abs=0.04)
