"""Long steps are taken in several: the truth, methods that know the equations, and their derivatives."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dlgd.physics.integrators import (
    RK4,
    adaptive,
    adjoint_trajectory,
    advance,
    rk4,
    substeps_of,
    tangent_trajectory,
    trajectory,
)
from dlgd.physics.lorenz import Lorenz63, Lorenz96

SYSTEMS = [Lorenz63(), Lorenz96(size=40, forcing=8.0)]


def on_attractor(system, count):
    noise = torch.randn(count, system.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return advance(system, 2 + noise, 0.01, 2000)


@pytest.mark.parametrize("system", SYSTEMS, ids=["63", "96"])
@pytest.mark.parametrize("dt", [0.1, 0.2, 0.5])
def test_long_steps_are_as_exact_as_dop853(system, dt):
    start = on_attractor(system, 20)
    exact = adaptive(system, start, [0, dt], rtol=1e-12, atol=1e-12)[1]
    assert (advance(system, start, dt) - exact).abs().max() < 1e-3
    assert (trajectory(system, start, dt, 1)[1] - exact).abs().max() < 1e-3
    graph = advance(system, start.clone().requires_grad_(), dt).detach()  # not compiled
    torch.testing.assert_close(graph, advance(system, start, dt), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("system", "dt", "steps"),
    [(0, 0.001, 1), (0, 0.01, 1), (0, 0.02, 2), (0, 0.2, 20), (1, 0.01, 1), (1, 0.05, 1), (1, 0.1, 10)],
)
def test_how_many(system, dt, steps):
    assert substeps_of(SYSTEMS[system], dt) == steps


def test_usual_steps_are_plain_rk4_to_the_bit():
    for system, dt in zip(SYSTEMS, (0.01, 0.05), strict=True):
        start = on_attractor(system, 5)
        assert torch.equal(advance(system, start, dt, 3), advance(system, start, dt, 3, scheme=RK4))
        assert rk4(system, dt) == RK4


@pytest.mark.parametrize("system", SYSTEMS, ids=["63", "96"])
def test_derivatives_are_those_of_the_substeps(system):
    start, scheme, dt = on_attractor(system, 4), replace(RK4, substeps=7), 0.14
    states = trajectory(system, start, dt, 2, scheme=scheme)
    torch.testing.assert_close(states, trajectory(system, start, dt / 7, 14, every=7, scheme=RK4), rtol=1e-9, atol=1e-9)
    automatic = torch.stack(
        [torch.autograd.functional.jacobian(lambda x: scheme.step(system, x, dt), each) for each in start]
    )
    torch.testing.assert_close(scheme.jacobian(system, start, dt), automatic, rtol=1e-8, atol=1e-8)
    p, g = torch.randn_like(start), torch.randn_like(start)
    grown = tangent_trajectory(system, states, p, dt, scheme=scheme)[-1]
    forcing = torch.stack((torch.zeros_like(g), torch.zeros_like(g), g))
    back = adjoint_trajectory(system, states, forcing, dt, scheme=scheme)[0]
    torch.testing.assert_close((grown * g).sum(), (p * back).sum(), rtol=1e-9, atol=1e-9)
