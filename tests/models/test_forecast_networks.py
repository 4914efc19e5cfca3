"""Every network of conf/model that forecasts: shapes, the input that it reads, the ring, gradients, numbers of weights,
learning, refusals. See test_equations_in_networks.py for the equations that some contain."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dlgd.models.forecasts import CHANGE
from dlgd.physics.integrators import trajectory
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from tests.models.made import ASSIMILATION, FORECAST, batch_of, fitting, forecast, make, seeded, series

L63, L96 = FORECAST["lorenz63"], FORECAST["lorenz96"]
NAMES = fitting(L63)
SYSTEMS = pytest.mark.parametrize("system", FORECAST)
EACH = pytest.mark.parametrize("name", NAMES)


def weights(network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


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
    asks = "data=lorenz96 asks for the assimilation of observations: try model=dilated_resnet"
    words = f"model={name} makes forecasts but {asks}"
    with pytest.raises(ValueError, match=words):
        make(name, ASSIMILATION["lorenz96"])
