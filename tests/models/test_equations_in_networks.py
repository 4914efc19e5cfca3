"""Networks that contain equations: the true ones as a bilinear network, their parameters, tangents and adjoints; and
networks whose step is computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dlgd.core.contract import Scaling
from dlgd.models.forecasts import CHANGE
from dlgd.physics.integrators import EULER, RK4, trajectory
from dlgd.physics.lorenz import Lorenz63
from tests.models.made import FORECAST, batch_of, forecast, make, seeded, series

L63, L96 = FORECAST["lorenz63"], FORECAST["lorenz96"]
SYSTEMS = pytest.mark.parametrize("system", FORECAST)


def physical(spec, scaled: torch.Tensor) -> torch.Tensor:
    return spec.scaling.mean + spec.scaling.std * scaled


def scaled_truth(spec, steps: int, windows: int, every: int = 1, scheme=RK4) -> torch.Tensor:
    """Windows (B, C, 1 + steps, X) of the true system, from random states; double precision."""
    size = len(spec.output_channels) * spec.grid[-1]
    start = physical(spec, torch.randn(windows, size, generator=seeded(), dtype=torch.float64))
    states = trajectory(spec.dynamics, start, spec.dt / every, steps * every, every=every, scheme=scheme)
    scaled = (states - spec.scaling.mean) / spec.scaling.std
    return scaled.unflatten(-1, (-1, spec.grid[-1])).permute(1, 2, 0, 3)


def set_weights(network, linear, bias, left, right) -> None:
    """Of a bilinear network: so that its tendency is linear u + bias + left u * right u."""
    cells, rate = network.dynamics.cells, network.dynamics.rate
    with torch.no_grad():
        for weight, value in (
            (cells.linear.weight, linear / rate),
            (cells.linear.bias, bias / rate),
            (cells.left.weight, left / rate),
            (cells.right.weight, right),
            (cells.last.weight, torch.eye(len(left))),
        ):
            weight.copy_(value)


def exact_bilinear(system: str, **changes):
    """The bilinear network that is the true system: its weights follow from x = mean + std u."""
    spec = FORECAST[system]
    mean, std = spec.scaling.mean, spec.scaling.std
    if system == "lorenz63":
        sigma, rho, beta = 10.0, 28.0, 8 / 3
        linear = [[-sigma, sigma, 0.0], [rho - mean, -1.0, -mean], [mean, mean, -beta]]
        bias = [0.0, (mean * (rho - mean) - mean) / std, (mean**2 - beta * mean) / std]
        left, right = [[0.0, 0, 0], [-std, 0, 0], [std, 0, 0]], [[0.0, 0, 0], [0, 0, 1], [0, 1, 0]]
    else:  # the five nearest stand at -2, -1, 0, 1, 2
        linear, bias = [[-mean, 0.0, -1.0, mean, 0.0]], [(8.0 - mean) / std]
        left, right = [[-std, 0.0, 0.0, std, 0.0]], [[0.0, 1.0, 0.0, 0.0, 0.0]]
    network = make("bilinear_ode", spec, hidden=len(bias), **changes).double()
    set_weights(network, *(torch.tensor(value, dtype=torch.float64) for value in (linear, bias, left, right)))
    return network


@SYSTEMS
def test_a_bilinear_network_contains_the_true_equations(system):
    spec, network = FORECAST[system], exact_bilinear(system)
    states = torch.randn(5, 4, network.dynamics.size, generator=seeded(), dtype=torch.float64)
    expected = spec.dynamics.tendency(physical(spec, states)) / spec.scaling.std
    torch.testing.assert_close(network.dynamics.tendency(states), expected, rtol=0, atol=1e-12)


@SYSTEMS
@pytest.mark.parametrize(("name", "scheme"), [("rk4", RK4), ("euler", EULER)])
@pytest.mark.parametrize("substeps", [1, 3])
def test_true_equations_make_the_true_trajectory(system, name, scheme, substeps):
    """As products, and as equations whose parameters are learned and start at the truth."""
    spec = FORECAST[system]
    truth = scaled_truth(spec, steps=12, windows=4, every=substeps, scheme=scheme)
    options = {"scheme": name, "substeps": substeps}
    for network in (exact_bilinear(system, **options), make("lorenz_ode", spec, factor=1.0, **options).double()):
        torch.testing.assert_close(forecast(network, truth), truth[:, :, 1:], rtol=1e-9, atol=1e-11)


@SYSTEMS
def test_single_precision_is_enough(system):
    """The rounding of one step is below a millionth of the change: skill 1 - 1e-6 asks for a thousandth."""
    truth = scaled_truth(FORECAST[system], steps=1, windows=100)
    prediction = forecast(exact_bilinear(system).float(), truth.float())
    change = truth[:, :, 1:] - truth[:, :, :1]
    assert (prediction - truth[:, :, 1:]).square().sum() < 1e-10 * change.square().sum()


@pytest.mark.parametrize("name", ["neural_ode", "bilinear_ode", "lorenz_ode"])
@SYSTEMS
def test_right_hand_sides_have_tangents_and_adjoints(name, system):
    dynamics = make(name, FORECAST[system]).double().dynamics
    state, p, g = torch.randn(3, 6, dynamics.size, generator=seeded(), dtype=torch.float64)
    step = 1e-6
    differences = (dynamics.tendency(state + step * p) - dynamics.tendency(state - step * p)) / (2 * step)
    torch.testing.assert_close(dynamics.tangent(state, p), differences, rtol=1e-6, atol=1e-6)
    left, right = (dynamics.tangent(state, p) * g).sum(), (p * dynamics.adjoint(state, g)).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=0)


def test_parameters_of_the_equations_start_at_a_factor_of_the_truth():
    network = make("lorenz_ode", L63, factor=0.5)
    equations = network.dynamics.equations()
    assert isinstance(equations, Lorenz63)
    assert [x.item() for x in (equations.sigma, equations.rho, equations.beta)] == pytest.approx([5, 14, 4 / 3])
    assert make("lorenz_ode", L96, factor=0.5).dynamics.equations().forcing.item() == 4.0


@SYSTEMS
def test_parameters_of_the_equations_are_found(system):
    spec = FORECAST[system]
    network = make("lorenz_ode", spec, factor=0.8)
    truth = scaled_truth(spec, steps=2, windows=200).float()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for step in range(150):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 150)
        optimizer.zero_grad()
        (forecast(network, truth) - truth[:, :, 1:]).square().mean().backward()
        optimizer.step()
    for factor in network.parameters():
        assert factor.item() == pytest.approx(1.0, abs=2e-3)


def test_the_scaling_may_come_later():
    """A network is made before the data are prepared, and its scaling travels with its weights."""
    late, right = make("lorenz_ode", replace(L63, scaling=Scaling())), make("lorenz_ode", L63)
    input = batch_of(L63).input
    assert not torch.allclose(late(input).prediction, right(input).prediction)
    late.use_scaling(L63.scaling)
    assert torch.equal(late(input).prediction, right(input).prediction)
    again = make("lorenz_ode", replace(L63, scaling=Scaling()))
    again.load_state_dict(late.state_dict())
    assert torch.equal(again(input).prediction, right(input).prediction)


def test_a_residual_perceptron_is_an_euler_step():
    for spec in (L63, L96):
        euler = make("neural_ode", spec, scheme="euler", hidden=7, layers=2, activation="silu").double()
        residual = make("residual_mlp", spec, hidden=7, layers=2, activation="silu").double()
        residual.layers.load_state_dict(euler.dynamics.cells.state_dict())
        input = batch_of(spec).input.double()
        torch.testing.assert_close(residual(input).prediction, euler(input).prediction)


def test_a_tcn_by_hand():
    """One layer of three steps: before the first known state stands the first known state."""
    spec = series("lorenz63", 2)
    network = make("tcn", spec, layers=1, width=4, kernel=3, activation="relu")
    known = batch_of(spec).input[:, :, :2, 0]  # (B, C, 2)
    states = torch.stack([known[:, :, 0], known[:, :, 0], known[:, :, 1]], dim=2)
    hidden = torch.relu(torch.einsum("bct,hct->bh", states, network.layers[0].weight[..., 0]) + network.layers[0].bias)
    change = hidden @ network.last.weight[:, :, 0, 0].T + network.last.bias
    found = network(batch_of(spec).input).prediction[:, :, 0, 0]
    torch.testing.assert_close(found, known[:, :, 1] + CHANGE * change)
