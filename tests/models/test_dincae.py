"""DINCAE: its input, its two channels, its refinement, its U-Net, and that it learns how uncertain it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from dlgd.core.contract import Batch
from dlgd.core.specs import INVERSE, SEA
from dlgd.losses.pointwise import mse
from dlgd.models import dincae, estimators
from tests.models.made import MAPS, batch_of, make, seeded

DAYS, CENTRE = MAPS["all"], MAPS["centre"]


def test_what_dincae_sees():
    """Pairs y / r and 1 / r, and the sea; first guesses only if it has the option."""
    network = make("dincae", DAYS, observation_std=0.5, halo=0, filters=[4])
    seen = []
    network.networks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    batch = batch_of(replace(DAYS, grid=(12, 14)))
    network(batch.input)
    torch.testing.assert_close(seen[0][:, :3], batch.input[:, 3:6] / 0.25)
    torch.testing.assert_close(seen[0][:, 3:6], batch.input[:, 6:9] / 0.25)
    assert torch.equal(seen[0][:, 6], batch.input[:, 9])
    assert seen[0].shape[1] == 7
    guided = make("dincae", DAYS, first_guess=True, halo=0, filters=[4])
    guided.networks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    guided(batch.input)
    assert torch.equal(seen[1][:, 7:], batch.input[:, :3])


def test_estimates_from_two_channels():
    """Variances are held between exp(-10) and 1000."""
    a, b = torch.tensor([2.0, 2.0, 2.0, -3.0]), torch.tensor([0.0, 20.0, -20.0, 1.0])
    mean, log_std = dincae.moments(torch.stack([a, b])[None, :, :, None])
    variance = torch.tensor([1.0, torch.e**-10, 1000.0, torch.e**-1])
    torch.testing.assert_close(mean.flatten(), a * variance)
    torch.testing.assert_close(log_std.flatten(), 0.5 * variance.log())


def test_the_second_network_corrects_the_first():
    network, batch = make("dincae", DAYS, refinement=True, halo=2, filters=[4, 6]), batch_of(DAYS, halo=2)
    first, second = (dincae.moments(answer) for answer in network.answers(batch.input))
    ((_, total, terms),) = network.objectives(batch, mse(spec=DAYS))
    values = [estimators.negative_log_likelihood(*each, batch) for each in (first, second)]
    torch.testing.assert_close(total, 0.3 * values[0] + 0.7 * values[1])
    torch.testing.assert_close(terms["negative_log_likelihood"], values[1].detach())
    assert torch.equal(network(batch.input).prediction, second[0])
    (through,) = torch.autograd.grad(second[0].sum(), network.networks[0].down.weight)
    assert through.abs().sum() > 0, "the second sees the first"


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_the_way_down_and_up(upsampling):
    """One level by hand, and a level below full resolution adds its input."""
    level = dincae.Halved(3, [4], 3, upsampling=upsampling, skip=False)
    inner = dincae.Halved(3, [4], 3, upsampling=upsampling, skip=True)
    inner.load_state_dict(level.state_dict())
    x = torch.randn(2, 3, 6, 8, generator=seeded())
    down = nn.functional.conv2d(x, level.down.weight, level.down.bias, padding=1).relu()
    means = down.unflatten(3, (4, 2)).unflatten(2, (3, 2)).mean(dim=(3, 5))
    if upsampling == "nearest":
        raised = means.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    else:
        raised = nn.Upsample(scale_factor=2, mode="bilinear")(means)
    expected = nn.functional.conv2d(raised, level.up.weight, level.up.bias, padding=1)
    torch.testing.assert_close(level(x), expected)
    torch.testing.assert_close(inner(x), expected.relu() + x)


def test_dincae_learns_how_uncertain_it_is():
    """White noise, of which nothing is observed: the estimate is its mean, the standard deviation its own."""
    network, generator = make("dincae", CENTRE, filters=[8], halo=0), seeded()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-2)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 2e-2 * (1 - step / 300)
        target = 0.7 + 0.2 * torch.randn(8, 1, 8, 8, generator=generator)
        input = torch.zeros(8, 10, 8, 8)
        input[:, 9] = 1.0
        batch = Batch(input=input, target=target, mask=torch.ones_like(target, dtype=torch.bool))
        optimizer.zero_grad()
        next(network.objectives(batch, mse(spec=CENTRE)))[1].backward()
        optimizer.step()
    mean, log_std = network.with_std(batch.input)
    assert mean.mean().item() == pytest.approx(0.7, abs=0.05)
    assert log_std.exp().mean().item() == pytest.approx(0.2, rel=0.15)
    assert network.scores(batch, mse(spec=CENTRE))["miscalibration"].item() < 0.15


def test_the_number_of_weights_of_dincae():
    groups = (*((group, 9) for group in INVERSE), (SEA, 1))
    channels = {"input_channels": tuple(map(str, range(28))), "output_channels": tuple(map(str, range(9)))}
    nine = replace(DAYS, days=9, groups=groups, **channels)
    assert sum(parameter.numel() for parameter in make("dincae", nine).parameters()) == 63_008


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"filters": []}, r"model.filters=\[\] must be a list of whole numbers of at least 1, such as \[16,24,36,54\]"),
        ({"filters": [16, 0]}, r"model.filters=\[16, 0\]"),
        ({"filters": "nonsense"}, "model.filters=nonsense"),
        ({"observation_std": 0.0}, "model.observation_std=0.0"),
        ({"halo": -1}, "model.halo=-1"),
        ({"upsampling": "cubic"}, "model.upsampling=cubic is unknown: choose one of nearest, bilinear"),
    ],
)
def test_impossible_options(change, words):
    with pytest.raises(ValueError, match=words):
        make("dincae", DAYS, **change)
