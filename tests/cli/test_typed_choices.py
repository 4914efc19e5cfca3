"""training=debug, typed, counts before the budget of an experiment; other groups and other options stay."""

from __future__ import annotations

import pytest

from dlgd.cli.typed_choices import before_experiment
from dlgd.interface.composing import composed

DEBUG = ["steps=20", "minutes=null", "batch_size=2", "validate_every=10", "log_every=5"]


def debug(*left_out: str) -> str:
    return " ".join(f"training.{one}" for one in DEBUG if one not in left_out)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("experiment=ssh/correction training=debug", f"experiment=ssh/correction training=debug {debug()}"),
        ("training=debug experiment=ssh/correction", f"training=debug {debug()} experiment=ssh/correction"),
        (
            "training.minutes=1 --cfg job experiment=ssh/correction training=debug seed=1",
            f"training.minutes=1 --cfg job experiment=ssh/correction training=debug {debug('minutes=null')} seed=1",
        ),
    ],
)
def test_the_options_of_a_typed_choice_are_typed(typed, expected):
    assert before_experiment(typed.split()) == expected.split()


@pytest.mark.parametrize(
    "typed",
    [
        "training=debug model=cnn",
        "experiment=ssh/correction",
        "experiment=ssh/correction training.minutes=1",
        "experiment=ssh/correction training=nowhere",
        "experiment=ssh/correction training=debug,quick",
        "-m experiment=ssh/correction training=debug",
        "experiment=ssh/correction training=[ training=",
        "experiment=ssh/correction model=unet",
    ],
)
def test_everything_else_stays_as_it_was_typed(typed):
    assert before_experiment(typed.split()) == typed.split()


def test_what_is_composed():
    with composed("config", ["experiment=ssh/correction", "training=debug", "training.clip_norm=0.5"]) as config:
        found = config.training
        assert (found.steps, found.minutes, found.validate_every, found.batch_size) == (20, None, 10, 2)
        assert found.clip_norm == 0.5
        assert found.ema_decay == 0.995  # of the experiment: the choice says nothing of it
    with composed("config", ["experiment=ssh/correction"]) as config:
        assert (config.training.minutes, config.training.validate_every) == (60, 400)
    with composed("config", ["experiment=digits/vae", "training=quick"]) as config:
        assert list(config.training.criteria) == ["negative_elbo"]
        assert config.training.epochs is None
