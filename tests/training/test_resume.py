"""A training that was interrupted equals one that never was, bit for bit on the CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dlgd.core import interruption
from dlgd.core.errors import Refusal
from dlgd.training import checkpoint
from dlgd.training.schedulers import Cosine
from tests.training.tiny_training import (
    ADAM,
    LONG,
    Adversaries,
    Convolutions,
    Fields,
    Mirror,
    assert_same_weights,
    train,
)

ALL = {"ema_decay": 0.9, "accumulate": 2, "clip_norm": 0.5, "l1": 1e-4}


class PulledPlug(Exception):
    """Stands for anything that ends a program."""


def stopping_at(batch: int, act) -> Fields:
    return Fields(before=lambda number: act() if number == batch else None)


def unplug():
    raise PulledPlug


def average_of(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(checkpoint.last_path(folder)).averaged


@pytest.mark.parametrize("network", [Convolutions, Adversaries])
@pytest.mark.parametrize("optimizer", [ADAM, {"kind": torch.optim.SGD, "lr": 1e-2, "momentum": 0.9}])
def test_resume_after_an_error_equals_no_error(tmp_path, network, optimizer):
    setting = {"augmentation": Mirror(), "scheduler": Cosine(warmup=0.2, final=0.0), "optimizer": optimizer, **ALL}
    torch.manual_seed(5)
    start = network().state_dict()

    def started():
        fresh = network()
        fresh.load_state_dict(start)
        return fresh

    _, whole = train(tmp_path / "whole", network=started(), **setting)
    for number, batch in enumerate((9, 12, 23)):  # steps 4, 6 and 11: at a validation, between two, near the end
        folder = tmp_path / f"cut{number}"
        with pytest.raises(PulledPlug):
            train(folder, network=started(), stream=stopping_at(batch, unplug), **setting)
        _, resumed = train(folder, resume=True, **(setting | {"network": network()}))
        assert_same_weights(whole, resumed)
        for name, tensor in average_of(tmp_path / "whole").items():
            assert torch.equal(tensor, average_of(folder)[name]), name


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_a_signal_ends_the_step_and_leaves_it_on_disk(tmp_path, monkeypatch, number):
    monkeypatch.setattr(interruption, "SAME_WISH_S", 0.0)
    _, whole = train(tmp_path / "whole", **ALL)
    stream = stopping_at(11, lambda: signal.raise_signal(number))  # within step 5
    result, killed = train(tmp_path / "cut", stream=stream, **ALL)
    assert (result.status, result.step) == ("KILLED", 6)
    found = checkpoint.load(checkpoint.last_path(tmp_path / "cut"))
    assert found.state.step == 6
    assert all(torch.equal(found.weights[name], weight) for name, weight in killed.state_dict().items())
    result, resumed = train(tmp_path / "cut", resume=True, **ALL)
    assert (result.status, result.step) == ("FINISHED", 12)
    assert_same_weights(whole, resumed)
    assert signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)


def test_a_second_ctrl_c_stops_at_once_and_keeps_the_former_checkpoint(tmp_path):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, stream=stopping_at(6, twice))
    assert checkpoint.load(checkpoint.last_path(tmp_path)).state.step == 4
    _, resumed = train(tmp_path, resume=True)
    _, whole = train(tmp_path / "whole")
    assert_same_weights(whole, resumed)


def test_sigkill_at_any_moment(tmp_path):
    script = Path(__file__).with_name("tiny_training.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    last = checkpoint.last_path(tmp_path / "cut")
    steps = []
    for pause in (0.021, 0.087):  # seconds after the first checkpoint of the session; one is written at every step
        before = last.stat().st_mtime_ns if last.exists() else 0
        process = subprocess.Popen([sys.executable, script, tmp_path / "cut"], env=environment)
        while process.poll() is None and (not last.exists() or last.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(pause)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "the training ended before it was killed"
        steps.append(checkpoint.load(last).state.step)
    assert 0 < steps[0] < steps[1] < LONG["steps"]
    result, resumed = train(tmp_path / "cut", augmentation=Mirror(), resume=True, **LONG)
    unbroken, whole = train(tmp_path / "whole", augmentation=Mirror(), **LONG)
    assert_same_weights(whole, resumed)
    assert sorted(p.name for p in last.parent.iterdir()) == ["best_loss.pt", "last.pt"]
    validations = [row["step"] for row in result.history if "valid/loss" in row]
    assert validations == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    assert losses_of(result) == losses_of(unbroken)


def losses_of(result) -> list[dict[str, float]]:
    """The history without what clocks measure."""
    clocks = ("seconds", "train/samples_per_second")
    return [{name: value for name, value in row.items() if name not in clocks} for row in result.history]


@pytest.mark.parametrize("network", [Convolutions, Adversaries])
@pytest.mark.parametrize("batch", [1, 5, 6, 9, 13, 17, 22])  # two a step: before, at and after records and validations
def test_the_history_of_a_killed_training_equals_that_of_an_unbroken_one(tmp_path, network, batch):
    setting = {"augmentation": Mirror(), "accumulate": 2, "log_every": 3, "checkpoint_minutes": 1e-9}

    def started():
        torch.manual_seed(5)
        return network()

    whole, _ = train(tmp_path / "whole", network=started(), **setting)
    with pytest.raises(PulledPlug):
        train(tmp_path / "cut", network=started(), stream=stopping_at(batch, unplug), **setting)
    resume = checkpoint.last_path(tmp_path / "cut").exists()
    resumed, _ = train(tmp_path / "cut", network=started(), resume=resume, **setting)
    assert losses_of(resumed) == losses_of(whole)
    assert checkpoint.load(checkpoint.last_path(tmp_path / "cut")).state.unread == {}


def test_that_of_a_training_ended_by_a_signal(tmp_path, monkeypatch):
    monkeypatch.setattr(interruption, "SAME_WISH_S", 0.0)
    whole, _ = train(tmp_path / "whole", log_every=5)
    stream = stopping_at(6, lambda: signal.raise_signal(signal.SIGTERM))
    assert train(tmp_path / "cut", stream=stream, log_every=5)[0].status == "KILLED"
    resumed, _ = train(tmp_path / "cut", resume=True, log_every=5)
    assert losses_of(resumed) == losses_of(whole)


def test_another_number_of_threads_is_said(tmp_path, caplog):
    train(tmp_path, steps=4)
    assert checkpoint.load(checkpoint.last_path(tmp_path)).state.threads == 1
    train(tmp_path, steps=5, resume=True)
    assert "threads" not in caplog.text
    torch.set_num_threads(2)
    try:
        train(tmp_path, steps=6, resume=True)
    finally:
        torch.set_num_threads(1)
    assert "goes on with 2 threads after 1" in caplog.text
    assert "OMP_NUM_THREADS=1 gives the same" in caplog.text


def test_a_validation_missed_by_an_interruption_is_made_up_for(tmp_path):
    def cut(network):
        raise PulledPlug

    with pytest.raises(PulledPlug):
        train(tmp_path / "cut", validate=cut, checkpoint_minutes=1e-9)
    result, _ = train(tmp_path / "cut", resume=True)
    whole, _ = train(tmp_path / "whole")
    assert [row["step"] for row in result.history if "valid/loss" in row] == [4, 8, 12]
    assert result.best == whole.best


def test_the_whole_history_survives(tmp_path):
    whole, _ = train(tmp_path / "whole")
    train(tmp_path / "cut", steps=6)
    resumed, _ = train(tmp_path / "cut", resume=True)

    def curve(result, name):
        return [(row["step"], row[name]) for row in result.history if name in row]

    assert curve(resumed, "train/loss") == curve(whole, "train/loss")
    assert [pair for pair in curve(resumed, "valid/loss") if pair[0] != 6] == curve(whole, "valid/loss")
    seconds = [row["seconds"] for row in resumed.history]
    assert seconds == sorted(seconds)
    json.dumps(resumed.history)


def test_a_finished_training_goes_on_with_a_larger_budget(tmp_path):
    train(tmp_path / "run", steps=5)
    result, more = train(tmp_path / "run", resume=True)
    _, whole = train(tmp_path / "whole")
    assert result.step == 12
    assert_same_weights(whole, more)


def test_a_finished_training_resumed_with_the_same_budget_changes_nothing(tmp_path):
    _, whole = train(tmp_path)
    result, again = train(tmp_path, resume=True)
    assert (result.status, result.step) == ("FINISHED", 12)
    assert_same_weights(whole, again)


def test_options_are_those_of_the_new_config(tmp_path):
    train(tmp_path, steps=4)
    result, _ = train(tmp_path, optimizer={**ADAM, "lr": 0.5}, resume=True)
    assert [row["train/lr"] for row in result.history if "train/lr" in row][-1] == 0.5


def test_an_average_may_begin_or_end_on_resuming(tmp_path):
    _, network = train(tmp_path, steps=4)
    path = []
    stream = Fields(before=lambda step: path.append(network.layers[0].weight.detach().clone()))
    train(tmp_path, network=network, stream=stream, steps=6, ema_decay=0.1, resume=True)
    path.append(network.layers[0].weight.detach())
    expected = 0.01 * path[0] + 0.09 * path[1] + 0.9 * path[2]  # from the weights that were resumed
    torch.testing.assert_close(average_of(tmp_path)["layers.0.weight"], expected)
    train(tmp_path, steps=12, resume=True)
    assert average_of(tmp_path) is None


def test_a_best_score_without_its_file_is_looked_for_anew(tmp_path, caplog):
    train(tmp_path)
    checkpoint.best_path(tmp_path, "loss").unlink()
    train(tmp_path, steps=13, resume=True)
    assert checkpoint.load(checkpoint.best_path(tmp_path, "loss")).state.step == 13
    assert "begins anew" in caplog.text


def test_another_network_or_optimizer_is_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(Refusal, match=r"another network \(its layers.0.weight is \(4, 1, 3, 3\), not \(5, 1, 3, 3\)\)"):
        train(tmp_path, network=Convolutions(width=5), resume=True)
    with pytest.raises(Refusal, match=r"it lacks generator\.layers\.0\.weight"):
        checkpoint.restore(Adversaries(), checkpoint.load(checkpoint.last_path(tmp_path)))
    with pytest.raises(Refusal, match=r"Adam \(network\) but is resumed with SGD \(network\)"):
        train(tmp_path, optimizer={"kind": torch.optim.SGD, "lr": 1e-2}, resume=True)
