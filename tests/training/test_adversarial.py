"""Adversarial examples, and training with them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dlgd.core.contract import Batch, Network, Output
from dlgd.losses.classification import CrossEntropy
from dlgd.training.adversarial import fast_gradient_sign, gradient_signs
from tests.models.made import LABELS, batch_of, make
from tests.training.tiny_training import Convolutions, Fields, SquaredError, train

SGD = {"kind": torch.optim.SGD, "lr": 0.1}


class Linear(Network):
    """The logarithms of two probabilities differ by w . x."""

    def __init__(self, weights: list[float]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, input):
        score = input.flatten(1) @ self.weights
        return Output(torch.stack([torch.zeros_like(score), score], dim=1))


def two_classes(input: torch.Tensor, target: list[int]) -> Batch:
    return Batch(input=input, target=torch.tensor(target), mask=torch.ones(len(target), dtype=torch.bool))


def test_a_linear_network_is_attacked_along_the_signs_of_its_weights():
    """And the score falls by size * sum |w|: Goodfellow et al. 2015, section 3."""
    loss = CrossEntropy(spec=LABELS, label_smoothing=0.0)
    network = Linear([0.5, -2.0, 1.0])
    input = torch.tensor([[[[0.0, 1.0, 5.0]]], [[[9.0, -9.0, -9.0]]]])  # the range is wide enough
    batch = two_classes(input, [1, 1])
    changed = fast_gradient_sign(network, batch, loss, size=0.25)
    assert torch.equal(changed.input[0].flatten(), torch.tensor([-0.25 + 0.0, 1.25, 4.75]).clamp(-9, 9))
    fall = network(input).prediction - network(changed.input).prediction
    assert fall[0, 1].item() == pytest.approx(0.25 * 3.5)
    assert torch.equal(changed.target, batch.target)
    assert network.weights.grad is None
    assert not changed.input.requires_grad


def test_each_channel_keeps_its_range():
    batch = Fields().batch(0)
    network, loss = Convolutions(norm=False), SquaredError()
    changed = fast_gradient_sign(network, batch, loss, size=100.0)
    assert set(changed.input.unique().tolist()) <= {batch.input.min().item(), batch.input.max().item()}
    assert torch.equal(fast_gradient_sign(network, batch, loss, size=0.0).input, batch.input)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_loss_grows_with_the_change(name):
    network, loss = make(name, LABELS).eval(), CrossEntropy(spec=LABELS, label_smoothing=0.0)
    batch = batch_of(LABELS)
    losses = []
    for size in (0.0, 0.01, 0.05):
        changed = fast_gradient_sign(network, batch, loss, size=size)
        assert (changed.input - batch.input).abs().max() <= size * 1.001
        prediction = network(changed.input).prediction
        losses.append(loss(prediction=prediction, target=batch.target, mask=batch.mask)[0].item())
    assert losses[0] < losses[1] < losses[2]


def test_several_steps_stay_within_the_size_and_find_more():
    network, loss = make("mlp", LABELS).eval(), CrossEntropy(spec=LABELS, label_smoothing=0.0)
    batch = batch_of(LABELS)

    def after(changed: Batch) -> float:
        assert (changed.input - batch.input).abs().max() <= 0.3 * 1.001
        prediction = network(changed.input).prediction
        return loss(prediction=prediction, target=batch.target, mask=batch.mask)[0].item()

    one = fast_gradient_sign(network, batch, loss, size=0.3)
    assert torch.equal(gradient_signs(network, batch, loss, size=0.3, steps=1).input, one.input)
    assert after(gradient_signs(network, batch, loss, size=0.3, steps=10)) > after(one)


def test_a_step_of_adversarial_training_is_the_mean_of_both_gradients(tmp_path):
    """alpha = 0.5 in equation (6) of the paper's section 6."""
    torch.manual_seed(1)
    network = Convolutions(norm=False)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    batch = Fields().batch(0)
    loss = SquaredError()
    changed = fast_gradient_sign(network, batch, loss, size=0.3)
    losses = [loss(prediction=network(one.input).prediction, target=one.target, mask=one.mask)[0]
              for one in (batch, changed)]  # fmt: skip
    gradients = torch.autograd.grad(sum(losses) / 2, list(network.parameters()))
    result, trained = train(tmp_path, network=network, steps=1, log_every=1, adversarial=0.3, optimizer=SGD)
    for (name, value), gradient in zip(trained.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(value, start[name] - 0.1 * gradient)
    assert result.history[0]["train/loss"] == pytest.approx(sum(losses).item() / 2)
    assert losses[1] > losses[0]


def test_sizes_and_steps_that_make_no_change():
    network, loss, batch = make("mlp", LABELS).eval(), CrossEntropy(spec=LABELS, label_smoothing=0.0), batch_of(LABELS)
    with pytest.raises(ValueError, match="0 or more, not nan"):
        fast_gradient_sign(network, batch, loss, size=float("nan"))
    with pytest.raises(ValueError, match="0 steps must be 1 or more"):
        gradient_signs(network, batch, loss, size=0.1, steps=0)
