"""Every network of conf/model that forecasts: shapes, what it looks at, the ring, gradients; equations that it
contains; numbers of weights; that it learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dlgd.core.contract import Scaling
from dlgd.models.forecasts import CHANGE
from dlgd.physics.integrators import EULER, RK4, trajectory
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from tests.models.made import ASSIMILATION, FORECAST, batch_of, fitting, make, seeded, series

L63, L96 = FORECAST["lorenz63"], FORECAST["lorenz96"]
NAMES = fitting(L63)
SYSTEMS = pytest.mark.parametrize("system", FORECAST)
EACH = pytest.mark.parametrize("name", NAMES)


def weights(network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def physical(spec, scaled: torch.Tensor) -> torch.Tensor:
    return spec.scaling.mean + spec.scaling.std * scaled


def scaled_truth(spec, steps: int, windows: int, every: int = 1, scheme=RK4) -> torch.Tensor:
    """Windows (B, C, 1 + steps, X) of the true system, from random states; double precision."""
    size = len(spec.output_channels) * spec.grid[-1]
    start = physical(spec, torch.randn(windows, size, generator=seeded(), dtype=torch.float64))
    states = trajectory(spec.dynamics, start, spec.dt / every, steps * every, every=every, scheme=scheme)
    scaled = (states - spec.scaling.mean) / spec.scaling.std
    return scaled.unflatten(-1, (-1, spec.grid[-1])).permute(1, 2, 0, 3)


def forecast(network, windows: torch.Tensor, given: int = 1) -> torch.Tensor:
    """From the first steps of windows, of which the others are hidden."""
    input = windows.clone()
    input[:, :, given:] = 0.0
    return network(input).prediction


# --- for all -----------------------------------------------------------------------------------------------


def test_they_are_found():
    assert {"neural_ode", "bilinear_ode", "lorenz_ode", "residual_mlp", "lstm", "gru", "tcn"} == set(NAMES)
    assert fitting(L96) == NAMES


@EACH
@SYSTEMS
@pytest.mark.parametrize("given", [1, 4])
@pytest.mark.parametrize("steps", [1, 5, 12])
def test_shapes_for_any_number_of_steps(name, system, given, steps):
    spec = series(system, given)
    network = make(name, spec)
    assert network.halo == 0
    windows = 0.3 * torch.randn(2, len(spec.output_channels), given + steps, spec.grid[-1], generator=seeded())
    prediction = forecast(network, windows, given)
    assert prediction.shape == (2, len(spec.output_channels), steps, spec.grid[-1])
    assert prediction.dtype == torch.float32
    assert torch.isfinite(prediction).all()
    changes = torch.diff(torch.cat([windows[:, :, given - 1 : given], prediction], dim=2), dim=2)
    assert 0 < changes.abs().max() < 10 * CHANGE, "a new network starts near persistence"


@EACH
@SYSTEMS
def test_steps_that_are_not_known_are_not_looked_at(name, system):
    """And the first steps of a forecast do not depend on how many follow."""
    spec = series(system, 3)
    network, windows = make(name, spec), batch_of(spec).input
    filled = windows + torch.arange(windows.shape[2])[:, None].ge(3)
    assert torch.equal(network(windows).prediction, network(filled).prediction)
    shorter = network(windows[:, :, :5]).prediction
    torch.testing.assert_close(shorter, network(windows).prediction[:, :, :2])


@EACH
def test_the_ring_has_no_first_variable(name):
    spec = series("lorenz96", 3)
    network, input = make(name, spec), batch_of(spec).input
    turned = network(input.roll(3, dims=-1)).prediction
    torch.testing.assert_close(turned, network(input).prediction.roll(3, dims=-1))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"lorenz_ode"}))
@pytest.mark.parametrize("reach", [1, 2])
def test_a_step_reaches_as_far_as_the_kernel(name, reach):
    """On the ring, either way."""
    spec = replace(L96, grid=(2, 12))
    changes = {"layers": 1} if name == "tcn" else {}
    changes |= {"scheme": "euler"} if "ode" in name else {}
    network = make(name, spec, kernel=2 * reach + 1, **changes)
    input = torch.randn(1, 1, 2, 12, generator=seeded(), requires_grad=True)
    network(input).prediction[0, 0, 0, 5].backward()
    touched = input.grad[0, 0, 0].nonzero()[:, 0].tolist()
    assert touched == list(range(5 - reach, 6 + reach))


@EACH
@SYSTEMS
def test_every_parameter_gets_a_gradient(name, system):
    spec = series(system, 2)
    network = make(name, spec)
    network(batch_of(spec).input).prediction.square().sum().backward()
    for parameter_name, parameter in network.named_parameters():
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@EACH
def test_half_precision_is_kept_out(name):
    network, input = make(name, L63), batch_of(L63).input
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(input).prediction, network(input).prediction.float())
        prediction = network(input).prediction
    assert torch.equal(prediction, network(input).prediction)


@pytest.mark.parametrize(("name", "seen"), [("residual_mlp", 20), ("lstm", 20), ("gru", 20), ("tcn", 15)])
def test_how_much_of_the_past_counts(name, seen):
    spec = series("lorenz63", 20)
    network = make(name, spec)
    input = batch_of(spec, count=1).input.requires_grad_()
    network(input).prediction[:, :, 0].sum().backward()
    touched = input.grad[0].abs().sum(dim=(0, 2))[:20] > 0
    assert touched.nonzero()[:, 0].tolist() == list(range(20 - seen, 20))


# --- equations in networks ---------------------------------------------------------------------------------


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


# --- the courses' networks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("neural_ode", {"hidden": 20, "layers": 1}, 143),
        ("bilinear_ode", {"hidden": 5}, 65),
        ("lorenz_ode", {}, 3),
        ("gru", {"hidden": 20}, 1563),  # printed as 1.6 K
        ("lstm", {"hidden": 10}, 4 * 10 * (3 + 10 + 2) + 33),
    ],
)
def test_numbers_of_weights_for_three_variables(name, changes, expected):
    assert weights(make(name, L63, **changes)) == expected


def test_a_ring_needs_no_more_weights_the_longer_it_is():
    for name in NAMES:
        assert weights(make(name, L96)) == weights(make(name, replace(L96, grid=(7, 40), dynamics=Lorenz96(size=40))))


# --- learning ----------------------------------------------------------------------------------------------


def short_training(name: str, steps: int, **changes) -> float:
    """Skill against persistence, at one step, after a training on windows of Lorenz's system of 1963."""
    truth = trajectory(Lorenz63(), torch.tensor([8.0, 0.0, 30.0]), 0.01, 6000)[1000:]
    windows = ((truth - 8.5) / 13.75).unfold(0, 2, 2)[..., None]  # (B, 3, 2, 1)
    train, test = windows[:2000], windows[2100:]
    network, generator = make(name, L63, **changes), seeded()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / steps)
        batch = train[torch.randint(len(train), (128,), generator=generator)]
        optimizer.zero_grad()
        (forecast(network, batch) - batch[:, :, 1:]).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        error = (forecast(network, test) - test[:, :, 1:]).square().sum()
    return 1 - (error / (test[:, :, :1] - test[:, :, 1:]).square().sum()).item()


@pytest.mark.parametrize("name", sorted({*NAMES} - {"bilinear_ode", "lorenz_ode"}))
def test_a_short_training_beats_persistence(name):
    assert short_training(name, steps=150) > 0.8


def test_products_learn_the_equations():
    """Their error is a thousandth of that of persistence after some seconds."""
    assert short_training("bilinear_ode", steps=1000) > 0.999


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "spec", "change", "words"),
    [
        ("neural_ode", L63, {"scheme": "rk5"}, "model.scheme=rk5 is unknown: choose one of euler, rk4"),
        ("neural_ode", L63, {"substeps": 0}, "model.substeps=0 must be a whole number of at least 1"),
        ("neural_ode", L63, {"hidden": 0}, "model.hidden=0"),
        ("neural_ode", L63, {"activation": "rely"}, "activation=rely is unknown"),
        ("neural_ode", L63, {"kernel": 4}, "model.kernel=4 must be an odd number of at least 1"),
        ("bilinear_ode", L63, {"hidden": 0}, "model.hidden=0 must be a whole number of at least 1"),
        (
            "bilinear_ode",
            replace(L63, dt=0.0),
            {},
            "model=bilinear_ode needs a time step, which data=lorenz63 does not",
        ),
        ("lorenz_ode", replace(L63, dynamics=None), {}, "model=lorenz_ode needs equations.*try model=neural_ode"),
        ("residual_mlp", L63, {"layers": 0}, "model.layers=0"),
        ("gru", L63, {"hidden": 0}, "model.hidden=0"),
        ("lstm", L96, {"kernel": 2}, "model.kernel=2 must be an odd number of at least 1"),
        ("tcn", L63, {"layers": 0}, "model.layers=0"),
        ("tcn", L63, {"width": 0}, "model.width=0"),
    ],
)
def test_impossible_options(name, spec, change, words):
    with pytest.raises(ValueError, match=words):
        make(name, spec, **change)


@EACH
def test_observations_are_not_for_them(name):
    words = f"model={name} makes forecasts but data=lorenz96 asks for the assimilation of observations: try model=unet"
    with pytest.raises(ValueError, match=words):
        make(name, ASSIMILATION["lorenz96"])
