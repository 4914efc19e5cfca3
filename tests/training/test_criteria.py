"""Criteria: early stopping, the best checkpoint of each, and scores that should be high."""

import pytest

from dlgd.core.errors import Refusal
from dlgd.training import checkpoint
from tests.training.tiny_training import (
    train,
)


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
