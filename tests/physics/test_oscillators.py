"""Systems whose limit sets are known in closed form, or to many digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dlgd.physics.integrators import EULER, RK4, advance, trajectory
from dlgd.physics.oscillators import DoubleWell, Linear, Pendulum, Torus, VanDerPol


def test_a_linear_step_is_the_stability_function():
    """1 + z, and the first five terms of exp(z)."""
    z = torch.tensor([0.3 + 1.2j, -2.0 + 0.1j, -0.5 - 2.5j])
    one = torch.ones(3, 1, dtype=z.dtype)
    for scheme, terms in ((EULER, 2), (RK4, 5)):
        found = scheme.step(Linear(z[:, None]), one, 1.0)[:, 0]
        expected = sum(z**n / math.factorial(n) for n in range(terms))
        torch.testing.assert_close(found, expected)


def test_the_pendulum_keeps_its_energy_and_has_the_period_of_the_elliptic_integral():
    """4 K(sin(angle / 2)) (Landau and Lifshitz, Mechanics, 11)."""
    from scipy.special import ellipk

    system, amplitude, dt = Pendulum(), 2.0, 1e-3
    period = 4 * ellipk(math.sin(amplitude / 2) ** 2)
    path = trajectory(system, torch.tensor([amplitude, 0.0], dtype=torch.float64), dt, round(1.2 * period / dt))
    energy = system.energy(path)
    assert float((energy - energy[0]).abs().max()) < 1e-10
    velocity = path[:, 1].numpy()
    turns = np.flatnonzero((velocity[:-1] > 0) & (velocity[1:] <= 0))  # back at its start
    share = velocity[turns[0]] / (velocity[turns[0]] - velocity[turns[0] + 1])
    assert dt * (turns[0] + share) == pytest.approx(period, abs=1e-6)


@pytest.mark.parametrize(
    ("system", "start", "rest"),
    [
        (Pendulum(friction=0.4), [2.0, 0.0], [0.0, 0.0]),
        (Pendulum(friction=0.4), [0.0, 3.0], [2 * math.pi, 0.0]),
        (DoubleWell(friction=0.5), [0.3, 0.0], [1.0, 0.0]),
        (DoubleWell(friction=0.5), [-0.3, 0.0], [-1.0, 0.0]),
    ],
)
def test_friction_brings_a_state_of_rest(system, start, rest):
    path = trajectory(system, torch.tensor(start, dtype=torch.float64), 0.02, 4000)
    np.testing.assert_allclose(path[-1], rest, atol=1e-5)
    assert (system.energy(path).diff() <= 1e-12).all()


def test_the_double_well_turns_around_its_wells_with_frequency_sqrt_2():
    path = trajectory(DoubleWell(friction=0.0), torch.tensor([1.0001, 0.0], dtype=torch.float64), 0.01, 5000)
    time = 0.01 * np.arange(5001)
    np.testing.assert_allclose(path[:, 0], 1 + 1e-4 * np.cos(math.sqrt(2) * time), atol=1e-6)


def test_van_der_pol_has_one_orbit():
    """With damping 1: amplitude 2.00862 and period 6.66329 (Andersen and Geer 1982, SIAM J. Appl. Math. 42)."""
    starts = torch.tensor([[0.1, 0.0, 0.0], [4.0, -3.0, 0.0]], dtype=torch.float64)
    path = trajectory(VanDerPol(1.0), advance(VanDerPol(1.0), starts, 0.01, 6000), 0.001, 14_000)
    assert path[..., 0].abs().amax(0).tolist() == pytest.approx([2.00862, 2.00862], abs=1e-4)
    x = path[:, 0, 0].numpy()
    up = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    times = 0.001 * (up + x[up] / (x[up] - x[up + 1]))
    assert times[1] - times[0] == pytest.approx(6.66329, abs=1e-4)


def test_a_forcing_adds_its_amplitude_to_the_tendency():
    state = torch.tensor([0.5, 0.2, 1.0], dtype=torch.float64)
    change = VanDerPol(1.0, amplitude=0.5, period=4.0).tendency(state) - VanDerPol(1.0).tendency(state)
    np.testing.assert_allclose(change, [0, 0.5 * math.cos(1.0), math.pi / 2 - 1])


def test_a_torus_with_rational_frequencies_closes():
    start = torch.tensor([0.1, 0.2], dtype=torch.float64)
    end = advance(Torus((2.0, 3.0)), start, 2 * math.pi / 100, 100)
    np.testing.assert_allclose((end - start) / (2 * math.pi), [2, 3], atol=1e-12)
