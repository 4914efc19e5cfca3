"""The sampler cmaes goes on with its own state, and with no other pickle of a study."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import optuna
import pytest

from dlgd.core.errors import Refusal
from dlgd.tuning.cma_sampler import StateUnpickler
from dlgd.tuning.study import make_sampler

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def states(study: optuna.Study) -> list[tuple[int, str]]:
    """(trial, attribute) of each piece of a state in the study."""
    return [(one._trial_id, key) for one in study.trials for key in one.system_attrs if "optimizer" in key]


def test_its_own_state_is_read():
    study = optuna.create_study(sampler=make_sampler("cmaes", seed=0, draw=1))
    study.optimize(objective, n_trials=15)
    assert states(study)
    study.sampler = make_sampler("cmaes", seed=0, draw=2)
    study.optimize(objective, n_trials=15)
    assert len({trial for trial, _ in states(study)}) > 2


def test_a_state_that_would_run_something(tmp_path):
    study = optuna.create_study(sampler=make_sampler("cmaes", seed=0, draw=1))
    study.optimize(objective, n_trials=15)
    evil = pickle.dumps(Canary(tmp_path / "canary")).hex()
    theirs = optuna.create_study(sampler=make_sampler("cmaes", seed=0, draw=1))
    for one in study.trials:
        attributes = {
            key: value if "optimizer" not in key else evil if key.endswith(":0") else ""
            for key, value in one.system_attrs.items()
        }
        theirs.add_trial(
            optuna.trial.create_trial(
                value=one.value, params=one.params, distributions=one.distributions, system_attrs=attributes
            )
        )
    assert states(theirs)
    with pytest.raises(Refusal, match=r"names pathlib\.\S+, which it does not need"):
        theirs.optimize(objective, n_trials=1)
    assert not (tmp_path / "canary").exists()


def test_nothing_else_is_read(tmp_path):
    for one in (Canary(tmp_path / "canary"), print, optuna.create_study):
        with pytest.raises(Refusal, match=r"sweep\.sampler=cmaes"):
            StateUnpickler(io.BytesIO(pickle.dumps(one))).load()
