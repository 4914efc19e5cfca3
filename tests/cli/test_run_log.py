"""The log of a run among its files, with the error that ended it, and a tag that says how it ended."""

from __future__ import annotations

import contextlib
import logging

import pytest
from mlflow import MlflowClient

from dlgd.cli import run_log
from dlgd.core.errors import Refusal

START = {"name": "a run", "params": {}, "tags": {}}


@pytest.fixture
def logged(place, tracker):
    """Do the work of a run whose log is a file. Returns the run in MLflow, and its log there."""

    def run(work):
        one = tracker()
        one.start(**START)
        with run_log.log_in(place / "run" / "train.log"):
            logging.getLogger("dlgd").warning("step 1")
            with contextlib.suppress(ValueError, Refusal, KeyboardInterrupt), one.recorded(), run_log.recorded(one):
                work(one)
        kept = place / "mlartifacts" / one.run_id / "artifacts" / "train.log"
        return MlflowClient(f"sqlite:///{place}/mlflow.db").get_run(one.run_id), kept.read_text()

    return run


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("error", "status", "ended", "in_log"),
    [
        (ValueError("a bug\nof two lines"), "FAILED", "ValueError: a bug", "Traceback (most recent call last)"),
        (Refusal("type less"), "FAILED", "Refusal: type less", "dlgd: type less"),
        (KeyboardInterrupt(), "KILLED", "interrupted", ""),
    ],
)
def test_a_run_that_fails(logged, error, status, ended, in_log):
    run, log = logged(lambda _: fail(error))
    assert (run.info.status, run.data.tags[run_log.ENDED_TAG]) == (status, ended)
    assert "step 1" in log
    assert in_log in log


def test_a_run_that_finishes(logged):
    run, log = logged(lambda one: one.tag(run_log.ended("FINISHED", pruned=False)))
    assert (run.info.status, run.data.tags[run_log.ENDED_TAG]) == ("FINISHED", "finished")
    assert "step 1" in log


def test_pruned_trials_are_told_from_interrupted_ones():
    ends = [run_log.ended("KILLED", pruned=pruned)[run_log.ENDED_TAG] for pruned in (True, False)]
    assert ends == ["pruned", "interrupted"]
