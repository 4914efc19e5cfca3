"""What each option of the loop does to the weights, and when it stops."""

import math
import time

import numpy as np
import pytest
import torch
from torch import nn

from dlgd.core.contract import Batch, Network, Output
from dlgd.core.errors import Refusal
from dlgd.training import checkpoint
from dlgd.training.running_loss import NonFinite, RunningLoss
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


def falling_then_rising(lowest: int, **others: int):
    """Scores that are lowest at their n-th validation."""
    count = 0

    def validate(network):
        nonlocal count
        count += 1
        return {name: float(abs(count - at)) for name, at in {"loss": lowest, **others}.items()}

    return validate


def test_early_stopping_waits_for_the_first_criterion(tmp_path):
    scores = falling_then_rising(3, other=100)
    result, _ = train(tmp_path, steps=100, validate_every=2, patience=4, validate=scores, criteria=["loss", "other"])
    assert result.step == 2 * (3 + 4)
    assert result.status == "FINISHED"


def test_patience_goes_on_counting_after_a_resumption(tmp_path):
    scores = falling_then_rising(1)
    train(tmp_path, steps=6, validate_every=2, patience=4, validate=scores)
    result, _ = train(tmp_path, steps=100, validate_every=2, patience=4, validate=scores, resume=True)
    assert result.step == 2 * (1 + 4)


def test_each_criterion_keeps_its_own_best(tmp_path):
    scores = falling_then_rising(2, eps_q=4, unwatched=1)
    result, _ = train(tmp_path, steps=6, validate_every=1, validate=scores, criteria=["loss", "eps_q"])
    steps = {p.name: checkpoint.load(p).state.step for p in (tmp_path / "checkpoints").iterdir()}
    assert steps == {"best_loss.pt": 2, "best_eps_q.pt": 4, "last.pt": 6}
    assert result.best == {"loss": 0.0, "eps_q": 0.0}
    assert checkpoint.load(checkpoint.best_path(tmp_path, "eps_q")).state.best["eps_q"] == 0.0


def rising_then_falling(highest: int):
    """Scores that are highest at their n-th validation."""
    distance = falling_then_rising(highest)
    return lambda network: {"accuracy": 100 - distance(network)["loss"]}


def test_a_criterion_that_should_be_high(tmp_path, caplog):
    caplog.set_level("INFO")
    scores = rising_then_falling(3)
    result, _ = train(
        tmp_path, steps=100, validate_every=2, patience=4, validate=scores, criteria=["accuracy"], higher=["accuracy"]
    )
    assert result.best == {"accuracy": 100.0}
    assert result.step == 2 * (3 + 4), "patience counts from the highest"
    best = checkpoint.load(checkpoint.best_path(tmp_path, "accuracy")).state
    assert (best.step, best.best) == (6, {"accuracy": 100.0})
    said = [record.getMessage() for record in caplog.records if "validation:" in record.getMessage()]
    assert ["best accuracy" in line for line in said] == [True, True, True, False, False, False, False]


def test_a_resumed_training_knows_the_highest(tmp_path):
    def part(steps, highest, **more):
        scores = rising_then_falling(highest)
        high = {"criteria": ["accuracy"], "higher": ["accuracy"], "validate": scores}
        return train(tmp_path, steps=steps, validate_every=2, patience=4, **high, **more)[0]

    part(6, 2)
    assert checkpoint.load(checkpoint.best_path(tmp_path, "accuracy")).state.step == 4
    result = part(100, -5, resume=True)  # from here on it falls
    assert (result.step, result.best) == (2 * (2 + 4), {"accuracy": 100.0})
    assert checkpoint.load(checkpoint.best_path(tmp_path, "accuracy")).state.step == 4, "lower ones replace nothing"


def test_the_first_of_equals_is_kept(tmp_path):
    level = lambda network: {"loss": 1.0, "accuracy": 1.0}  # noqa: E731
    train(tmp_path, steps=6, validate_every=2, validate=level, criteria=["loss", "accuracy"], higher=["accuracy"])
    for name in ("loss", "accuracy"):
        assert checkpoint.load(checkpoint.best_path(tmp_path, name)).state.step == 2


def test_a_misspelt_criterion_is_refused_and_the_training_kept(tmp_path):
    with pytest.raises(Refusal, match="asks for lose, but the validation gives loss"):
        train(tmp_path, criteria=["lose"])
    assert train(tmp_path, resume=True)[0].step == 12


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
