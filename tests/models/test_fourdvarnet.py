"""4DVarNet: its cost and gradient, the true equations as prior, counts of steps, what is minimized, refusals."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

from dlgd.core.contract import Scaling
from dlgd.losses.pointwise import mse
from dlgd.models.fourdvarnet import root_mean_square
from dlgd.physics.integrators import trajectory
from tests.models.made import ASSIMILATION, FORECAST, batch_of, make, seeded

L63, L96 = ASSIMILATION["lorenz63"], ASSIMILATION["lorenz96"]
SYSTEMS = pytest.mark.parametrize("system", ASSIMILATION)
PRIORS = pytest.mark.parametrize("prior", ["unet", "cnn", "ode"])


def fourdvarnet(spec=L63, **changes):
    return make("fourdvarnet", spec, **{"width": 6, "kernel": 5, "hidden": 7, "steps": 3} | changes)


def true_window(spec, steps: int = 12) -> torch.Tensor:
    """(2, C, T, X), scaled, in double precision."""
    size, mean, std = len(spec.output_channels) * spec.grid[-1], spec.scaling.mean, spec.scaling.std
    start = mean + std * torch.randn(2, size, generator=seeded(), dtype=torch.float64)
    states = (trajectory(spec.dynamics, start, spec.dt, steps) - mean) / std
    return states.unflatten(-1, (-1, spec.grid[-1])).permute(1, 2, 0, 3)


class Descent(nn.Module):
    """Fixed steps down the gradient, in place of what is learned."""

    def __init__(self, rate: float = 1.0) -> None:
        super().__init__()
        self.rate, self.asked = rate, []

    def forward(self, gradient, memory):
        self.asked.append(gradient)
        return self.rate * gradient, (gradient, gradient)


# --- the cost ----------------------------------------------------------------------------------------------


@SYSTEMS
def test_a_true_trajectory_costs_nothing_where_the_equations_are_the_prior(system):
    spec = ASSIMILATION[system]
    network, x = fourdvarnet(spec, prior="ode").double(), true_window(spec)
    nothing = torch.zeros_like(x)
    assert network.cost(x, nothing, nothing).max() < 1e-24
    shaken = x + 0.01 * torch.randn(x.shape, generator=seeded())
    assert network.cost(shaken, nothing, nothing).min() > 1e-4
    first = x.clone()
    first[:, :, 0] += 1.0  # the first state is free, but the second follows from it
    assert (network.prior(first) - first)[:, :, 0].abs().max() == 0
    assert (network.prior(first) - first)[:, :, 1].abs().max() > 0.5


@PRIORS
def test_the_cost_by_hand(prior):
    network, batch = fourdvarnet(prior=prior), batch_of(L63)
    guess, y, flags = batch.input.chunk(3, dim=1)
    with torch.no_grad():
        network.observation_weight[:] = torch.tensor([1.0, 2.0, 0.5])[:, None, None]
        network.prior_weights[:] = torch.tensor([0.1, 3.0, 1.0])[:, None, None]
    phi = network.prior(guess + 1)
    expected = torch.zeros(6)
    for channel, (a, b) in enumerate(((1.0, 0.1), (2.0, 3.0), (0.5, 1.0))):
        seen = flags[:, channel] == 1
        departure = torch.where(seen, guess[:, channel] + 1 - y[:, channel], 0.0)
        expected += a**2 * departure.square().sum(dim=(1, 2))
        expected += b**2 * (guess[:, channel] + 1 - phi[:, channel]).square().sum(dim=(1, 2))
    torch.testing.assert_close(network.cost(guess + 1, y, flags), expected)


@PRIORS
def test_the_gradient_against_differences_of_the_cost(prior):
    network = fourdvarnet(prior=prior).double()
    guess, y, flags = batch_of(L63, count=2).input.double().chunk(3, dim=1)
    direction = torch.randn(guess.shape, generator=seeded(), dtype=torch.float64)
    gradient = network.gradient(guess, y, flags, differentiable=False)
    assert not gradient.requires_grad
    step = 1e-5
    ahead, behind = (network.cost(guess + sign * step * direction, y, flags) for sign in (1, -1))
    torch.testing.assert_close(
        (gradient * direction).sum(dim=(1, 2, 3)), (ahead - behind) / (2 * step), rtol=1e-5, atol=0
    )


@PRIORS
@SYSTEMS
def test_fixed_steps_lower_the_cost(prior, system):
    """Small ones, all the more the more they are."""
    spec = ASSIMILATION[system]
    guess, y, flags = batch_of(spec).input.chunk(3, dim=1)
    guess, costs = guess + 0.3, []
    for steps in (1, 5, 20):
        network = fourdvarnet(spec, prior=prior, steps=steps)
        network.solver = Descent(1e-3 * steps)
        costs.append(network.cost(network(torch.cat([guess, y, flags], dim=1)).prediction, y, flags))
    costs.insert(0, network.cost(guess, y, flags))
    for former, latter in itertools.pairwise(costs):
        assert (latter < former).all()


# --- steps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "repeats"), [(1, 1), (4, 1), (3, 2)])
def test_numbers_of_steps(steps, repeats):
    network = fourdvarnet(steps=steps, repeats=repeats)
    network.solver = Descent()
    input = batch_of(L63).input
    assert len(network.estimates(input)) == repeats
    assert len(network.solver.asked) == steps * repeats


def test_gradients_are_seen_in_units_of_the_first():
    """Of each sample, so that none depends on the others."""
    network = fourdvarnet(steps=3)
    network.solver = Descent()
    guess, y, flags = batch_of(L63).input.chunk(3, dim=1)
    network(batch_of(L63).input)
    first = network.gradient(guess, y, flags, differentiable=False)
    size = first.square().mean(dim=(1, 2, 3)).sqrt()[:, None, None, None]
    torch.testing.assert_close(network.solver.asked[0].detach(), first / size)
    second = network.gradient(guess - first / size / 3, y, flags, differentiable=False)
    torch.testing.assert_close(network.solver.asked[1].detach(), second / size, rtol=1e-4, atol=1e-5)


def test_where_there_is_no_gradient_nothing_moves():
    network = fourdvarnet(prior="ode").double().eval()
    network.solver = Descent()
    x = true_window(L63)
    input = torch.cat([x, torch.zeros_like(x), torch.zeros_like(x)], dim=1)
    assert torch.isfinite(network(input).prediction).all()
    assert root_mean_square(torch.zeros(2, 3, 4, 1)).min() > 0


def test_the_solver_remembers():
    """The same gradient twice does not give the same change twice."""
    solver = fourdvarnet().solver.eval()
    gradient = torch.randn(2, 3, 9, 1, generator=seeded())
    first, memory = solver(gradient, None)
    second, _ = solver(gradient, memory)
    again, _ = solver(gradient, None)
    assert torch.equal(first, again)
    assert not torch.allclose(first, second)


def test_repeats_are_trained_apart():
    """The second's loss has no way back into the first."""
    network, input = fourdvarnet(repeats=2), batch_of(L63).input.requires_grad_()
    network.solver = Descent()
    first, second = network.estimates(input)
    assert first.requires_grad
    (through,) = torch.autograd.grad(first.sum(), input, retain_graph=True)
    (later,) = torch.autograd.grad(second.sum(), input)
    assert through[:, :3].abs().sum() > 0
    assert later[:, :3].abs().sum() == 0, "the first guess counts for the first repeat alone"


# --- what is minimized -------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeats", [1, 2])
def test_the_objective(repeats):
    network, batch = fourdvarnet(repeats=repeats, dropout=0.0, prior_weight=0.3), batch_of(L63)
    ((player, total, terms),) = network.objectives(batch, mse(spec=L63))
    assert player == "network"
    assert set(terms) == {"mse", "prior"}
    expected, phi = 0.0, network.prior
    estimates = network.estimates(batch.input)
    for x in estimates:
        expected += (x - batch.target).square().mean()
        expected += 0.15 * ((phi(x) - x).square().mean() + (phi(batch.target) - batch.target).square().mean())
    torch.testing.assert_close(total, expected)
    assert torch.equal(network(batch.input).prediction, estimates[-1])


def test_dropout_in_training_alone():
    network, input = fourdvarnet(dropout=0.5), batch_of(L63).input
    assert not torch.equal(network(input).prediction, network(input).prediction)
    network.eval()
    assert torch.equal(network(input).prediction, network(input).prediction)


@pytest.mark.parametrize("prior", ["unet", "ode"])
def test_a_short_training_helps(prior):
    """Windows of the true system, of which every 16th state is observed; linear interpolation is the first guess."""
    network = fourdvarnet(L63, prior=prior, dropout=0.0, steps=4)
    truth = true_window(L63, steps=1000).float()[:, :, 400:, 0].unfold(2, 33, 32)  # (2, 3, n, 33)
    truth = truth.permute(0, 2, 1, 3).flatten(0, 1)[..., None]  # (B, 3, 33, 1)
    flags = torch.zeros_like(truth)
    flags[:, :, ::16] = 1.0
    guess = nn.functional.interpolate(truth[:, :, ::16, 0], size=33, mode="linear", align_corners=True)[..., None]
    input = torch.cat([guess, flags * truth, flags], dim=1)
    before = (guess - truth).square().mean().item()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        loss = (network(input).prediction - truth).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * before


# --- the rest ----------------------------------------------------------------------------------------------


def test_the_number_of_weights_of_the_courses():
    """40.7 K are printed, for gates of 3 x 3 cells. Where the ring is one place wide, the outer two thirds of their
    weights multiply the zeros beyond it: ours are 3 x 1."""
    network = make("fourdvarnet", L63, width=30, kernel=11, hidden=25)
    found = sum(parameter.numel() for parameter in network.parameters())
    beyond = 2 * 3 * (3 + 25) * 4 * 25
    assert found == 15_300 + 3 * 28 * 100 + 100 + 75 + 6
    assert found + beyond == pytest.approx(40_700, abs=50)
    assert tuple(make("fourdvarnet", L96).solver.gates.weight.shape[2:]) == (3, 3)


def test_the_scaling_may_come_later():
    late, right = (make("fourdvarnet", spec, prior="ode").eval() for spec in (replace(L63, scaling=Scaling()), L63))
    x = batch_of(L63).target
    assert not torch.allclose(late.prior(x), right.prior(x))
    late.use_scaling(L63.scaling)
    assert torch.equal(late.prior(x), right.prior(x))
    make("fourdvarnet", L63, prior="unet").use_scaling(L63.scaling)


@pytest.mark.parametrize(
    ("spec", "change", "words"),
    [
        (L63, {"prior": "oder"}, "model.prior=oder is unknown: choose one of unet, cnn, ode"),
        (replace(L63, dynamics=None), {"prior": "ode"}, "model.prior=ode needs equations.*try model.prior=unet"),
        (L63, {"steps": 0}, "model.steps=0"),
        (L63, {"repeats": 0}, "model.repeats=0"),
        (L63, {"prior_weight": -0.1}, "model.prior_weight=-0.1"),
        (L63, {"hidden": 0}, "model.hidden=0"),
        (L63, {"dropout": 1.0}, "model.dropout=1.0"),
        (L63, {"kernel": 4}, "model.kernel=4 must be an odd number of at least 1"),
        (
            FORECAST["lorenz63"],
            {},
            "model=fourdvarnet interpolates .* but data=lorenz63 asks for forecasts",
        ),
    ],
)
def test_refusals(spec, change, words):
    with pytest.raises(ValueError, match=words):
        make("fourdvarnet", spec, **change)
