"""A passive tracer against exact solutions, and what is conserved while a turbulent flow stirs it."""

import math

import numpy as np
import pytest
import torch

from dlgd.physics.qg import TwoLayerFlow
from dlgd.physics.tracer import PassiveTracer

SIZE, CELLS, DAY = 1.0e6, 32, 86400.0


def make_flow(cells: int = CELLS, **options) -> TwoLayerFlow:
    settings = {"size": SIZE, "cells": cells, "deformation_radius": 4e4, "depth_ratio": 0.25, "beta": 1.8e-11}
    return TwoLayerFlow(**settings | {"dtype": torch.float64} | options)


def make(flow: TwoLayerFlow, **options) -> PassiveTracer:
    return PassiveTracer(flow, **{"gradient": 0.0, "restoring": 0.0, "dissipation": 0.0} | options)


def grid(cells: int) -> tuple[torch.Tensor, torch.Tensor]:
    """y and x (n, n), m."""
    place = torch.arange(cells, dtype=torch.float64) * SIZE / cells
    return torch.meshgrid(place, place, indexing="ij")


def still() -> torch.Tensor:
    return torch.zeros(CELLS, CELLS, dtype=torch.float64)


def advanced(
    tracer: PassiveTracer, theta: torch.Tensor, velocity: torch.Tensor, seconds: float, steps: int
) -> torch.Tensor:
    """The maps of the departure after some steps in a steady flow."""
    spectrum = tracer.flow.spectrum(theta)
    for _ in range(steps):
        spectrum = tracer.advance(spectrum, velocity, velocity, seconds / steps)
    return tracer.flow.maps(spectrum)


def test_a_shear_flow_tilts_a_wave_as_the_exact_solution_says():
    """u = U sin(k y): theta(x, y, t) = theta_0(x - u(y) t, y)."""
    flow = make_flow(96)
    y, x = grid(96)
    k, seconds = 2 * math.pi / SIZE, 6 * DAY
    u = 0.3 * torch.sin(k * y)
    found = advanced(make(flow), torch.cos(k * x), torch.stack((u, 0 * u)), seconds, 60)
    exact = torch.cos(k * (x - u * seconds))
    assert 0.3 * k * seconds > 0.9, "it is tilted by about a radian"
    assert (found - exact).abs().max() < 1e-6


def test_a_uniform_flow_carries_a_blob_along_with_an_error_of_fourth_order():
    flow = make_flow()
    y, x = grid(CELLS)
    k = 2 * math.pi / SIZE

    def blob(east: float, north: float) -> torch.Tensor:
        return torch.exp(0.7 * torch.cos(k * (x - east)) + 0.5 * torch.cos(k * (y - north)))

    velocity = torch.stack((0.5 + 0 * x, 0.25 + 0 * x))
    seconds = 5 * DAY
    exact = blob(0.5 * seconds, 0.25 * seconds)
    found = (advanced(make(flow), blob(0, 0), velocity, seconds, steps) for steps in (20, 40))
    errors = [float((maps - exact).abs().max()) for maps in found]
    assert errors[1] < 1e-4
    assert 14 < errors[0] / errors[1] < 18


def stirred(tracer: PassiveTracer, days: int, theta: torch.Tensor) -> list[torch.Tensor]:
    """The spectrum of the departure each day in a turbulent flow."""
    flow = tracer.flow
    state = flow.random_state(speed=0.4, seed=2, wavelength=2.5e5)
    series, steps = [theta], 40
    for _ in range(days):
        for _ in range(steps):
            before = flow.velocity(state)[[0, 2]]
            state = flow.advance(state, DAY / steps, 1)
            theta = tracer.advance(theta, before, flow.velocity(state)[[0, 2]], DAY / steps)
        series.append(theta)
    return series


@pytest.mark.parametrize("dissipation", [0.0, 1 / 3600])
def test_mean_and_variance_change_by_dissipation_alone(dissipation):
    flow = make_flow()
    theta = 3.0 + torch.randn(CELLS, CELLS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    tracer = make(flow, dissipation=dissipation)
    start = flow.spectrum(theta) * (tracer._kept.abs() > 0)
    maps = [flow.maps(one) for one in stirred(tracer, 5, start)]
    means, variances = (np.array([float(of(one)) for one in maps]) for of in (torch.mean, torch.var))
    np.testing.assert_allclose(means, means[0], rtol=1e-12)
    if dissipation == 0:
        np.testing.assert_allclose(variances, variances[0], rtol=2e-3)  # of the steps in time
    else:
        assert (np.diff(variances) < 0).all()
        assert variances[-1] < 0.7 * variances[0]


def test_dissipation_and_restoring_of_a_wave_at_rest():
    """The largest wave falls to 1/e in the time of dissipation, one of half its wavenumber hardly, all in that of the
    restoring."""
    flow = make_flow()
    _, x = grid(CELLS)
    largest, rest = flow.columns - 1, torch.stack((still(), still()))
    for number, damped in ((largest, 1.0), (largest // 2, (largest // 2 / largest) ** 8)):
        wave = torch.cos(2 * math.pi * number * x / SIZE)
        tracer = make(flow, dissipation=1 / 7200, restoring=1 / (10 * DAY))
        found = advanced(tracer, wave, rest, 7200.0, 4)
        assert float(found[0, 0]) == pytest.approx(math.exp(-damped - 7200 / (10 * DAY)), rel=1e-6)


def test_a_flow_to_the_north_brings_water_from_the_south():
    """Uniform v in a gradient G: theta = -G v tau (1 - exp(-t / tau))."""
    flow, gradient, tau = make_flow(), -8e-6, 10 * DAY
    velocity = torch.stack((still(), 0.1 + still()))
    tracer = make(flow, gradient=gradient, restoring=1 / tau)
    found = advanced(tracer, still(), velocity, 5 * DAY, 50)
    np.testing.assert_allclose(found, -gradient * 0.1 * tau * (1 - math.exp(-0.5)), rtol=1e-8)
    assert (found > 0).all()
