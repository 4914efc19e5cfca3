"""4DVarNet of maps: the minimum of a known cost, gradients, memory, the boundary, its prior at two scales, refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from dlgd.core.specs import INVERSE, SEA
from dlgd.losses.pointwise import mse
from dlgd.models import priors
from tests.models.made import MAPS, batch_of, make, seeded, with_sst

SPEC = MAPS["all"]


def fourdvarnet(spec=SPEC, **changes):
    return make("fourdvarnet", spec, **{"width": 6, "hidden": 7, "steps": 3, "prior_cells": 1} | changes)


class Linear(nn.Module):
    """Phi(x) = M x over all days and cells."""

    def __init__(self, matrix: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, x):
        return (x.flatten(1) @ self.matrix.T).reshape(x.shape)


class First(nn.Module):
    """The three days of a temperature, without where it is known."""

    def forward(self, both):
        return both[:, :3]


class Silent(nn.Module):
    """A solver that changes nothing."""

    def forward(self, gradient, memory):
        return torch.zeros_like(gradient), (gradient, gradient)


# --- the cost ----------------------------------------------------------------------------------------------


def test_a_plain_descent_finds_the_optimal_interpolation():
    """With Phi = 1 - B^(-1/2), the cost is that of optimal interpolation, whose answer dense algebra knows."""
    spec = replace(SPEC, grid=(4, 5))
    network = fourdvarnet(spec, steps=600, descent=0.07, halo=0).double()
    day, y, x = torch.meshgrid(torch.arange(3.0), torch.arange(4.0), torch.arange(5.0), indexing="ij")
    places = torch.stack([day, y, x], dim=-1).reshape(-1, 3).double()
    background = torch.exp(-torch.cdist(places, places) / 0.7)  # exponential: well conditioned
    values, vectors = torch.linalg.eigh(background)
    network.prior = Linear(torch.eye(60) - vectors @ torch.diag(values**-0.5) @ vectors.T)
    network.solver = Silent()
    std = 0.5  # of the errors of observations: their weight in the cost is 1 / std
    nn.init.constant_(network.observation_weight, 1 / std)
    input = batch_of(spec, count=2).input.double()
    with torch.no_grad():
        found = network(input).prediction.flatten(1)
    for sample, estimate in zip(input, found, strict=True):
        seen = sample[6:9].flatten() == 1
        y = sample[3:6].flatten()[seen]
        gain = background[:, seen] @ torch.linalg.inv(background[seen][:, seen] + std**2 * torch.eye(len(y)))
        torch.testing.assert_close(estimate, gain @ y, rtol=0, atol=1e-6)


def test_a_prior_to_which_all_is_likely_leaves_the_observations():
    """Phi = 1: observed cells go to what is observed, the others stay at the first guess."""
    network = fourdvarnet(steps=60, descent=0.4, halo=0)
    network.prior, network.solver = nn.Identity(), Silent()
    batch = batch_of(SPEC)
    guess, observations, flags = batch.input[:, :9].chunk(3, dim=1)
    torch.testing.assert_close(network(batch.input).prediction, torch.where(flags == 1, observations, guess))


@pytest.mark.parametrize("prior", ["unet", "cnn"])
def test_the_gradient_against_differences_of_the_cost(prior):
    network = fourdvarnet(prior=prior).double()
    guess, y, flags = batch_of(SPEC, count=2).input[:, :9].double().chunk(3, dim=1)
    direction = torch.randn(guess.shape, generator=seeded(), dtype=torch.float64)
    gradient = network.gradient(guess, y, flags, differentiable=False)
    step = 1e-6
    ahead, behind = (network.cost(guess + sign * step * direction, y, flags) for sign in (1, -1))
    found = (gradient * direction).sum(dim=(1, 2, 3))
    torch.testing.assert_close(found, (ahead - behind) / (2 * step), rtol=1e-5, atol=0)


def test_what_is_alike_costs_nothing_and_only_where_the_second_quantity_is_known():
    """With g and h that give the same of a state and of the same temperature."""
    network = fourdvarnet(with_sst(SPEC)).double()
    x, y, flags = batch_of(SPEC, count=2).input[:, :9].double().chunk(3, dim=1)
    known = torch.zeros_like(x)
    known[..., 3:6, :] = 1
    network.alike.of_state, network.alike.of_second = nn.Identity(), First()
    nothing = torch.zeros_like(x)
    usual = network.cost(x, y, flags, nothing, nothing)
    torch.testing.assert_close(network.cost(x, y, flags), usual)
    torch.testing.assert_close(network.cost(x, y, flags, x, known), usual)
    more = (x - 2)[..., 3:6, :].square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(network.cost(x, y, flags, nothing + 2, known) - usual, more)


def test_data_without_a_second_quantity_make_the_same_network():
    assert not any("alike" in name for name, _ in fourdvarnet().named_parameters())


def test_the_gradient_of_what_is_minimized_against_differences():
    """Through all steps, and the gradients in them."""
    network, batch = fourdvarnet(dropout=0.0, descent=0.01).double(), batch_of(SPEC, count=2, halo=8)
    batch = replace(batch, input=batch.input.double(), target=batch.target.double())

    def value() -> torch.Tensor:
        return next(network.objectives(batch, mse(spec=SPEC)))[1]

    for weight in (network.prior.fine.left.weight, network.solver.gates.weight, network.observation_weight):
        (gradient,) = torch.autograd.grad(value(), weight)
        direction = torch.randn(weight.shape, generator=seeded(), dtype=torch.float64)
        sides = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weight += step * direction
                sides.append(value())
                weight -= step * direction
        torch.testing.assert_close((gradient * direction).sum(), (sides[0] - sides[1]) / 2e-6, rtol=1e-4, atol=1e-10)


# --- steps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeats", [1, 2])
def test_less_memory_gives_the_same_gradients(repeats):
    """Dropout's too."""
    kept, computed = (
        fourdvarnet(recompute=again, repeats=repeats, dropout=0.3, descent=0.01).double() for again in (False, True)
    )
    batch = batch_of(SPEC, halo=8)
    batch = replace(batch, input=batch.input.double(), target=batch.target.double())
    totals = []
    for network in (kept, computed):
        torch.manual_seed(3)
        ((_, total, _),) = network.objectives(batch, mse(spec=SPEC))
        total.backward()
        totals.append(total.item())
    assert totals[0] == totals[1]
    for (name, one), other in zip(kept.named_parameters(), computed.parameters(), strict=True):
        assert one.grad.abs().sum() > 0, name
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-12, atol=0, msg=name)


@pytest.mark.parametrize("recompute", [False, True])
def test_states_within_the_steps_are_kept_or_not(recompute):
    """What autograd holds on to between forward and backward: with `recompute` it grows by little from step to step."""
    held = []
    for steps in (2, 6):
        network, batch = fourdvarnet(recompute=recompute, steps=steps), batch_of(SPEC, halo=8)
        seen: dict[int, int] = {}

        def keep(tensor, seen=seen):
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            total = next(network.objectives(batch, mse(spec=SPEC)))[1]
        held.append(sum(seen.values()))
        del total
    state = batch.input[:, :3].nbytes
    a_step = (held[1] - held[0]) / 4 / state
    assert a_step < 12 if recompute else a_step > 40


def test_descent_by_hand():
    """Two steps: half of it, then all."""
    network = fourdvarnet(steps=2, descent=0.1, halo=0)
    network.solver = Silent()
    x, y, flags = batch_of(SPEC).input[:, :9].chunk(3, dim=1)
    for rate in (0.05, 0.1):
        x = x - rate * network.gradient(x, y, flags, differentiable=False)
    torch.testing.assert_close(network(batch_of(SPEC).input).prediction, x)


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_a_solver_of_means(cells):
    """Of odd sizes too; it sees nothing but means."""
    solver = fourdvarnet(solver_cells=cells).solver.eval()
    gradient = torch.randn(2, 3, 13, 11, generator=seeded())
    change, memory = solver(gradient, None)
    assert change.shape == gradient.shape
    assert memory[0].shape == (2, 7, -(-13 // cells), -(-11 // cells))
    means = nn.functional.avg_pool2d(gradient, cells, ceil_mode=True)
    flat = means.repeat_interleave(cells, dim=2).repeat_interleave(cells, dim=3)[..., :13, :11]
    torch.testing.assert_close(solver(flat, None)[0], change)
    again, _ = solver(gradient, memory)
    assert not torch.allclose(again, change), "it remembers"


# --- the boundary, and what else it is given --------------------------------------------------------------------


def test_it_predicts_the_cells_inside_its_halo():
    wide, bare = fourdvarnet(halo=5).eval(), fourdvarnet(halo=0).eval()
    input = batch_of(SPEC, halo=5).input
    expected = bare(input).prediction
    torch.testing.assert_close(wide(input).prediction, expected[..., 5:-5, 5:-5])


def test_the_halo_counts():
    network, input = fourdvarnet(halo=3).eval(), batch_of(SPEC, halo=3).input
    changed = input.clone()
    changed[:, 3:6, :3] += 1.0
    assert not torch.allclose(network(changed).prediction, network(input).prediction)


def test_where_the_sea_is_does_not_count():
    network, input = fourdvarnet().eval(), batch_of(SPEC, halo=8).input
    changed = input.clone()
    changed[:, 9:] = 7.0
    assert torch.equal(network(changed).prediction, network(input).prediction)


@pytest.mark.parametrize(("rows", "columns"), [(8, 12), (9, 11), (1, 1), (3, 6)])
def test_the_prior_at_two_scales(rows, columns):
    """With the fine scale silenced, it sees means over 4 x 4 cells alone: of the last ones, those that are there."""
    phi = priors.TwoScale(channels=3, ring=0, width=4, kernel=3)
    x = torch.randn(2, 3, rows, columns, generator=seeded())
    assert phi(x).shape == x.shape
    nn.init.zeros_(phi.last.weight)
    flat = torch.empty_like(x)
    for top in range(0, rows, 4):
        for left in range(0, columns, 4):
            block = (..., slice(top, top + 4), slice(left, left + 4))
            flat[block] = x[block].mean(dim=(2, 3), keepdim=True)
    assert phi(x).abs().sum() > 0
    torch.testing.assert_close(phi(x), phi(flat), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cells", [2, 3])
def test_a_prior_of_means(cells):
    """It sees nothing else, and the gradient of the cost still has all cells."""
    network = fourdvarnet(prior_cells=cells)
    x = torch.randn(2, 3, 13, 11, generator=seeded())
    means = nn.functional.avg_pool2d(x, cells, ceil_mode=True)
    expected = nn.Upsample(scale_factor=cells, mode="bilinear")(network.prior.inner(means))
    torch.testing.assert_close(network.prior(x), expected[..., :13, :11])
    nothing = torch.zeros_like(x)
    assert (network.gradient(x, nothing, nothing, differentiable=False) != 0).all()


def test_the_number_of_weights():
    groups = (*((group, 9) for group in INVERSE), (SEA, 1))
    channels = {"input_channels": tuple(map(str, range(28))), "output_channels": tuple(map(str, range(9)))}
    nine = replace(SPEC, days=9, groups=groups, **channels)
    assert sum(parameter.numel() for parameter in make("fourdvarnet", nine).parameters()) == 52_273


# --- training ----------------------------------------------------------------------------------------------


def test_a_short_training_helps():
    """Smooth maps, a quarter of which is observed."""
    network, generator = fourdvarnet(halo=0, dropout=0.0, steps=4), seeded()
    noise = torch.randn(4, 3, 24, 24, generator=generator)
    truth = 4 * nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    flags = (torch.rand(truth.shape, generator=generator) < 0.25).float()
    input = torch.cat([torch.zeros_like(truth), flags * truth, flags, torch.ones(4, 1, 24, 24)], dim=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = (network(input).prediction - truth).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * truth.square().mean().item()


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "change", "words"),
    [
        (MAPS["centre"], {}, "data=sea asks for the one in the middle: try model=unet, or data.predict=all"),
        (SPEC, {"prior": "ode"}, "model.prior=ode needs equations.*try model.prior=unet"),
        (SPEC, {"halo": -1}, "model.halo=-1"),
        (SPEC, {"descent": -0.1}, "model.descent=-0.1"),
        (SPEC, {"solver_cells": 0}, "model.solver_cells=0"),
        (SPEC, {"prior_cells": 0}, "model.prior_cells=0"),
    ],
)
def test_refusals(spec, change, words):
    with pytest.raises(ValueError, match=words):
        make("fourdvarnet", spec, **change)
