"""What each option of the loop does to the weights, and when it stops. See test_criteria.py and test_non_finite.py."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from dlgd.core.contract import Batch
from dlgd.core.errors import Refusal
from dlgd.training import checkpoint
from tests.training.tiny_training import (
    ADAM,
    Adversaries,
    Convolutions,
    Fields,
    Memory,
    Mirror,
    assert_same_weights,
    held_out_loss,
    train,
)

SGD = {"kind": torch.optim.SGD, "lr": 0.1}


def weights(network) -> torch.Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach()


def same_start(**options) -> Convolutions:
    torch.manual_seed(3)
    return Convolutions(norm=False, **options)


def after_one_step(tmp_path, **options) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights before and after a step of plain SGD, whose learning rate is 0.1."""
    network = same_start()
    before = weights(network)
    train(tmp_path, network=network, **({"steps": 1, "optimizer": SGD} | options))
    return before, weights(network)


def test_it_learns(tmp_path):
    result, _ = train(tmp_path, steps=100, validate_every=10)
    losses = [row["valid/loss"] for row in result.history if "valid/loss" in row]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_seed_repeats_itself_and_zero_is_one(tmp_path, seed):
    runs = [train(tmp_path / str(n), seed=s, augmentation=Mirror())[1] for n, s in enumerate((seed, seed, seed + 1))]
    assert_same_weights(runs[0], runs[1])
    assert not torch.equal(weights(runs[0]), weights(runs[2]))


@pytest.mark.parametrize("options", [{"validate_every": 1}, {"log_every": 1}, {"checkpoint_minutes": 1e-9}])
def test_looking_more_often_changes_nothing(tmp_path, options):
    assert_same_weights(train(tmp_path / "a")[1], train(tmp_path / "b", **options)[1])


def test_validation_leaves_the_network_in_training_mode(tmp_path):
    modes = []

    class Noted(Convolutions):
        def forward(self, input):
            modes.append(self.training)
            return super().forward(input)

    train(tmp_path, network=Noted(), steps=4, validate_every=2)
    assert modes == [True, True, False, True, True, False]


def test_accumulation_equals_a_larger_batch(tmp_path):
    class Pairs(Fields):  # batches 2 n and 2 n + 1 as one
        def batch(self, step):
            first, second = (super(Pairs, self).batch(2 * step + n) for n in (0, 1))
            return Batch(
                *(torch.cat([getattr(b, name) for b in (first, second)]) for name in ("input", "target", "mask"))
            )

    terms, whole = same_start(), same_start()
    train(tmp_path / "parts", network=terms, accumulate=2, optimizer=SGD)
    train(tmp_path / "whole", network=whole, stream=Pairs(), optimizer=SGD)
    torch.testing.assert_close(weights(terms), weights(whole), rtol=1e-5, atol=1e-7)


def test_clipping_shortens_the_gradient_and_keeps_its_direction(tmp_path):
    before, free = after_one_step(tmp_path / "free")
    _, clipped = after_one_step(tmp_path / "clipped", clip_norm=1e-3)
    torch.testing.assert_close((clipped - before).norm(), torch.tensor(0.1 * 1e-3), rtol=1e-3, atol=0)
    assert torch.cosine_similarity(clipped - before, free - before, dim=0) > 0.999


def test_l1_and_l2_pull_towards_zero(tmp_path):
    before, free = after_one_step(tmp_path / "free")
    _, l1 = after_one_step(tmp_path / "l1", l1=0.01)
    torch.testing.assert_close(l1 - free, -0.1 * 0.01 * before.sign(), rtol=0, atol=1e-6)
    _, l2 = after_one_step(tmp_path / "l2", optimizer={**SGD, "weight_decay": 0.01})
    torch.testing.assert_close(l2 - free, -0.1 * 0.01 * before, rtol=0, atol=1e-6)


def test_the_average_is_what_its_formula_says_and_is_what_is_validated(tmp_path):
    seen = []

    def note(network):
        seen.append(network.state_dict()["layers.1.running_mean"].clone())
        return held_out_loss(network)

    path = []
    stream = Fields(before=lambda step: path.append(network.state_dict()["layers.1.running_mean"].clone()))
    network = Convolutions()
    train(tmp_path, network=network, stream=stream, steps=8, validate_every=8, validate=note, ema_decay=0.3)
    path.append(network.state_dict()["layers.1.running_mean"])
    expected = path[0]
    for value, decay in zip(path[1:], [1 / 10, 2 / 11, 3 / 12, 4 / 13, 0.3, 0.3, 0.3, 0.3], strict=True):
        expected = decay * expected + (1 - decay) * value
    torch.testing.assert_close(seen[0], expected)
    best = Convolutions()
    checkpoint.restore(best, checkpoint.load(checkpoint.best_path(tmp_path, "loss")))
    assert torch.equal(best.state_dict()["layers.1.running_mean"], seen[0])
    checkpoint.restore(best, checkpoint.load(checkpoint.last_path(tmp_path)), averaged=False)
    assert_same_weights(best, network)
    assert checkpoint.load(checkpoint.last_path(tmp_path)).averaged["layers.1.num_batches_tracked"] == 8


def test_two_players_take_turns(tmp_path):
    network, tracker = Adversaries(), Memory()
    before = [p.detach().clone() for p in network.discriminator.parameters()]
    train(tmp_path, network=network, tracker=tracker, steps=1, log_every=1, optimizer=SGD)
    assert [name for name, _ in network.turns] == ["discriminator", "generator"]
    stepped = network.turns[0][1]  # as found after the discriminator's yield
    assert not all(torch.equal(a, b) for a, b in zip(before, stepped, strict=True))
    # The generator's turn, whose loss has gradients in the discriminator too, leaves it alone.
    assert all(torch.equal(a, b) for a, b in zip(stepped, network.discriminator.parameters(), strict=True))
    names = set(tracker.rows[0][1])
    assert {"train/discriminator/loss", "train/generator/loss", "train/generator/mse", "train/generator/lr"} <= names


def test_players_accumulate_one_after_the_other(tmp_path):
    network = Adversaries()
    train(tmp_path, network=network, steps=1, accumulate=3)
    assert [name for name, _ in network.turns] == ["discriminator"] * 3 + ["generator"] * 3


def test_records_are_means_since_the_last_one(tmp_path):
    each, mean = Memory(), Memory()
    train(tmp_path / "each", tracker=each, log_every=1)
    result, _ = train(tmp_path / "mean", tracker=mean, log_every=3)
    losses = [row["train/loss"] for _, row in each.rows if "train/loss" in row]
    means = [(step, row["train/loss"]) for step, row in mean.rows if "train/loss" in row]
    assert means == [(step, pytest.approx(np.mean(losses[step - 3 : step]), rel=1e-6)) for step in (3, 6, 9, 12)]
    assert [(row["step"], row["train/loss"]) for row in result.history if "train/loss" in row] == means
    assert [step for step, row in mean.rows if "valid/loss" in row] == [4, 8, 12]
    assert mean.rows[0][1]["train/mse"] == mean.rows[0][1]["train/loss"]


def test_the_first_budget_to_end_ends_it(tmp_path):
    assert train(tmp_path / "a", steps=3, epochs=1)[0].step == 3
    assert train(tmp_path / "b", steps=9, epochs=1)[0].step == 5
    assert train(tmp_path / "c", steps=9, epochs=2, accumulate=2)[0].step == 5
    assert train(tmp_path / "d", steps=None, epochs=0.4)[0].step == 2


def test_a_budget_in_minutes(tmp_path):
    began = time.monotonic()
    slow = Fields(before=lambda step: time.sleep(0.01))
    result, _ = train(tmp_path, steps=None, minutes=0.5 / 60, stream=slow)
    assert 0.5 < result.seconds < 1.5 + time.monotonic() - began
    assert 5 <= result.step <= 50
    assert result.history[-1]["step"] == result.step  # validated at its end, wherever that is
    assert result.best.keys() == {"loss"}
    more, _ = train(tmp_path, steps=None, minutes=0.7 / 60, stream=slow, resume=True)
    assert more.step - result.step <= 25  # the clock went on, rather than start again
    assert more.seconds > 0.7


def test_bfloat16_is_close_but_not_the_same(tmp_path):
    dtypes = set()

    class Noted(Convolutions):
        def forward(self, input):
            output = super().forward(input)
            dtypes.add((output.prediction.dtype, self.training))
            return output

    torch.manual_seed(3)
    network = Noted(norm=False)
    train(tmp_path / "half", network=network, amp=True, optimizer=SGD)
    full = same_start()
    train(tmp_path / "full", network=full, optimizer=SGD)
    assert dtypes == {(torch.bfloat16, True), (torch.float32, False)}
    assert not torch.equal(weights(network), weights(full))
    torch.testing.assert_close(weights(network), weights(full), rtol=0.05, atol=0.01)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # PyTorch's compiler uses what PyTorch deprecates
@pytest.mark.parametrize("kind", [Convolutions, Adversaries])
def test_compiled_training_keeps_the_names_of_its_weights(tmp_path, kind):
    from torch._dynamo.utils import counters

    torch.compiler.reset()  # what another test compiled would serve here too
    counters.clear()
    options = {"ema_decay": 0.9, "optimizer": SGD, "steps": 3, "validate_every": 2}
    train(tmp_path, network=kind(), compile=True, **options)
    assert counters["stats"]["unique_graphs"] > 0
    assert checkpoint.load(checkpoint.last_path(tmp_path)).weights.keys() == kind().state_dict().keys()
    result, _ = train(tmp_path, network=kind(), resume=True, **(options | {"steps": 4}))
    assert result.step == 4


def test_learning_rates_follow_the_schedule(tmp_path):
    from dlgd.training.schedulers import Inverse

    tracker = Memory()
    train(tmp_path, steps=5, log_every=1, scheduler=Inverse(decay=1.0), tracker=tracker)
    rates = [row["train/lr"] for _, row in tracker.rows if "train/lr" in row]
    assert rates == pytest.approx([ADAM["lr"] / (1 + step) for step in range(5)])


def test_an_unwritable_folder_is_refused_before_any_batch(tmp_path):
    (tmp_path / "file").write_text("in the way")

    def fail(step):
        raise AssertionError("a batch was made")

    with pytest.raises(Refusal, match="Nothing can be written in"):
        train(tmp_path / "file", stream=Fields(before=fail))
