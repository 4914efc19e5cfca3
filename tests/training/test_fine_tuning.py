"""Beginning with another network's weights, holding some, and letting the given ones change slowly."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from dlgd.core.errors import Refusal
from dlgd.training import checkpoint, fine_tuning
from dlgd.training.checkpoint import State


class Net(nn.Module):
    def __init__(self, classes: int = 3, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.trunk = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU())
        self.head = nn.Linear(5, classes)

    def forward(self, x):
        return self.head(self.trunk(x))


@pytest.fixture
def file(tmp_path):
    """The checkpoint of a network with seven classes."""
    former = Net(classes=7, seed=1)
    kept = checkpoint.capture(network=former, average=None, optimizers={}, state=State(), config={})
    checkpoint.save(kept, tmp_path / "former.pt")
    return tmp_path / "former.pt"


def test_what_fits_is_taken_and_told(file, caplog):
    net, former = Net(), Net(classes=7, seed=1)
    head = net.head.weight.detach().clone()
    with caplog.at_level(logging.INFO):
        taken = fine_tuning.load_fitting(net, file)
    assert taken == ("trunk.0.weight", "trunk.0.bias", "trunk.1.weight", "trunk.1.bias")
    assert torch.equal(net.trunk[0].weight, former.trunk[0].weight)
    assert torch.equal(net.head.weight, head)
    assert f"Loaded from {file}: trunk.0, trunk.1" in caplog.text
    assert "Left at random: head" in caplog.text


def test_the_moving_average_is_preferred(tmp_path):
    last, average = Net(seed=1), Net(seed=2)
    kept = checkpoint.capture(network=last, average=average, optimizers={}, state=State(), config={})
    checkpoint.save(kept, tmp_path / "a.pt")
    net = Net()
    fine_tuning.load_fitting(net, tmp_path / "a.pt")
    assert torch.equal(net.head.weight, average.head.weight)


def test_nothing_that_fits(file):
    with pytest.raises(Refusal, match=r"nothing in .*former.pt fits this network"):
        fine_tuning.load_fitting(nn.Linear(9, 9), file)


def train(net, groups):
    optimizer = torch.optim.SGD(groups)
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    net(torch.randn(8, 4)).square().sum().backward()
    gradients = {name: weight.grad for name, weight in net.named_parameters()}
    optimizer.step()
    return before, gradients


def test_held_weights_and_running_means_stay():
    net = Net()
    fine_tuning.freeze(net, ["trunk"])
    mean = net.trunk[1].running_mean.clone()
    before, _ = train(net, fine_tuning.groups(net, network=net, loaded=(), lr=0.1, scale=1.0))
    for name, weight in net.named_parameters():
        assert torch.equal(weight, before[name]) == name.startswith("trunk")
    assert torch.equal(net.trunk[1].running_mean, mean)


def test_a_part_is_named_by_whole_words():
    net = Net()
    fine_tuning.freeze(net, ["trunk.1"])
    assert [name for name, weight in net.named_parameters() if not weight.requires_grad] == [
        "trunk.1.weight",
        "trunk.1.bias",
    ]
    with pytest.raises(Refusal, match=r"freeze=trun is not a part .* trunk, head"):
        fine_tuning.freeze(net, ["trun"])
    with pytest.raises(Refusal, match="freeze=trunk,head leaves nothing"):
        fine_tuning.freeze(net, ["trunk", "head"])


def test_given_weights_learn_slowly():
    net = Net()
    groups = fine_tuning.groups(net, network=net, loaded=("trunk.0.weight",), lr=0.1, scale=0.25)
    before, gradients = train(net, groups)
    for name, weight in net.named_parameters():
        lr = 0.025 if name == "trunk.0.weight" else 0.1
        torch.testing.assert_close(weight.detach(), before[name] - lr * gradients[name])


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan")])
def test_an_impossible_scale(scale):
    net = Net()
    with pytest.raises(Refusal, match="init_lr_scale"):
        fine_tuning.groups(net, network=net, loaded=(), lr=0.1, scale=scale)
