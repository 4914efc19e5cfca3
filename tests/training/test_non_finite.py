"""Losses, weights and criteria that are not finite stop a training, and are never saved."""

import math

import pytest
import torch
from torch import nn

from dlgd.core.contract import Network, Output
from dlgd.training import checkpoint
from dlgd.training.running_loss import NonFinite, RunningLoss
from tests.training.tiny_training import (
    Convolutions,
    Fields,
    assert_same_weights,
    train,
)


class Explosive(Network):
    """A weight, times the input."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, input):
        return Output(prediction=self.weight * input)


class OneBad(Fields):
    def batch(self, step):
        return Fields(scale=math.inf if step == 7 else 1.0).batch(step)


def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path):
    network, good = Explosive(), Explosive()
    with pytest.raises(NonFinite, match=r"not finite at step 7 \(batch 7 of"):
        train(tmp_path / "bad", network=network, stream=OneBad())
    train(tmp_path / "good", network=good, steps=7)
    assert_same_weights(network, good)
    assert checkpoint.load(checkpoint.last_path(tmp_path / "bad")).state.step == 4
    with pytest.raises(NonFinite, match=r"at step 3 \(batch 7 of"):
        train(tmp_path / "two", network=Explosive(), stream=OneBad(), accumulate=2)


def test_on_a_gpu_a_bad_loss_is_noticed_later_but_never_saved(tmp_path, monkeypatch):
    def as_on_a_gpu(self, **arguments):
        before(self, **arguments)
        self.at_once = False

    before = RunningLoss.__init__
    monkeypatch.setattr(RunningLoss, "__init__", as_on_a_gpu)
    for name, options in {"log": {"log_every": 9}, "save": {"log_every": 100}}.items():
        with pytest.raises(NonFinite, match=r"not finite at step 7 \(batch 7 of"):
            train(tmp_path / name, network=Explosive(), stream=OneBad(), **options)
        assert checkpoint.load(checkpoint.last_path(tmp_path / name)).state.step == 4


@pytest.mark.gpu
def test_on_a_gpu_the_loop_does_not_wait(tmp_path):
    device = torch.device("cuda")
    batches = [Fields().batch(step).to(device) for step in range(12)]

    class Resident(Fields):  # on the device before the training, as a data set's own batches may be
        def batch(self, step):
            torch.cuda.set_sync_debug_mode("error" if 1 <= step <= 5 else "default")
            return batches[step]

    torch.manual_seed(3)
    network = Unmasked(norm=True)
    options = {"validate_every": 12, "log_every": 12, "ema_decay": 0.9, "clip_norm": 1.0, "l1": 1e-4, "amp": True}
    validate = lambda network: {"loss": 1.0}  # noqa: E731
    result, _ = train(tmp_path, network=network, stream=Resident(), device=device, validate=validate, **options)
    assert result.step == 12


class Unmasked(Convolutions):
    """Its loss is that of all cells: choosing those of a mask makes a program wait for the GPU."""

    def objectives(self, batch, loss):
        total = (self(batch.input).prediction - batch.target).square().mean()
        yield "network", total, {"mse": total.detach()}


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    class Poisoned(Explosive):
        steps = 0

        def objectives(self, batch, loss):
            yield from super().objectives(batch, loss)
            self.steps += 1
            if self.steps == 8:
                self.weight.data.fill_(math.nan)

    with pytest.raises(NonFinite, match="weights weight are not finite after step 8"):
        train(tmp_path, network=Poisoned(), validate=lambda network: {"loss": 1.0})
    assert checkpoint.load(checkpoint.last_path(tmp_path)).state.step == 4


def test_a_criterion_that_is_not_finite_stops(tmp_path):
    with pytest.raises(NonFinite, match="loss is nan at step 4"):
        train(tmp_path, validate=lambda network: {"loss": math.nan})
