"""Trainings in memory whose weights are kept after each step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dlgd.core.contract import Batch, Network, Output
from dlgd.training.schedulers import Step
from dlgd.training.weight_path import weight_path
from tests.training.tiny_training import SquaredError


class Line(Network):
    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([0.0, 0.0]))

    def forward(self, input):
        return Output(self.weights[0] + self.weights[1] * input)


def line(count: int = 10) -> Batch:
    input = torch.linspace(-1, 2, count)[:, None]
    return Batch(input=input, target=2 + 0.5 * input, mask=torch.ones_like(input, dtype=torch.bool))


def path(**options) -> torch.Tensor:
    network = Line()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    found = weight_path(network, line(), SquaredError(), optimizer=optimizer, **options)
    assert torch.equal(found[-1], network.weights)
    return found


def test_the_full_gradient_follows_its_formula():
    samples, weights = line(), torch.zeros(2)
    found = path(steps=5)
    assert torch.equal(found[0], weights)
    design = torch.cat([torch.ones_like(samples.input), samples.input], dim=1)
    for row in found[1:]:
        weights = weights - 0.1 * 2 / 10 * design.T @ (design @ weights - samples.target[:, 0])
        torch.testing.assert_close(row, weights)


def test_batches_cover_an_epoch_and_depend_on_the_seed():
    seen = []

    class Noted(Line):
        def forward(self, input):
            seen.append(input.flatten())
            return super().forward(input)

    network = Noted()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    weight_path(network, line(), SquaredError(), optimizer=optimizer, steps=4, batch_size=5)
    assert [len(one) for one in seen] == [5] * 4
    for first in (0, 2):
        assert torch.equal(torch.cat(seen[first : first + 2]).sort().values, line().input.flatten())
    assert not torch.equal(seen[0], seen[2])
    assert torch.equal(path(steps=4, batch_size=3, seed=1), path(steps=4, batch_size=3, seed=1))
    assert not torch.equal(path(steps=4, batch_size=3, seed=1), path(steps=4, batch_size=3, seed=2))


def test_the_learning_rate_follows_the_schedule():
    stopped = path(steps=6, batch_size=5, scheduler=Step(every=1, gamma=0.0))  # an epoch is two steps
    moved = (stopped.diff(dim=0).abs().sum(dim=1) > 0).tolist()
    assert moved == [True, True, False, False, False, False]


@pytest.mark.parametrize("size", [0, 11])
def test_impossible_batches(size):
    with pytest.raises(ValueError, match="a batch must have 1 to 10 samples"):
        path(steps=1, batch_size=size)


def test_what_makes_no_path():
    with pytest.raises(ValueError, match="-1 steps must be 0 or more"):
        path(steps=-1)
    other = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    with pytest.raises(ValueError, match="optimizer that of all parameters"):
        weight_path(Line(), line(), SquaredError(), optimizer=other, steps=1)
