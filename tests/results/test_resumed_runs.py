"""Runs that were resumed with other options: tables have them by the values in force."""

from __future__ import annotations

import pytest

from dlgd.results import comparability
from dlgd.results.finished import Finished, Selection
from dlgd.results.grouping import groups

PARAMS = {"model": "resnet", "seed": 0, "training.steps": 10, "optimizer.lr": 1e-3, "training.log_every": 1}


@pytest.fixture
def session(tracker, place):
    """Records a session of the run in a folder, with PARAMS or others; goes on with the run that the folder has."""

    def made(name: str, **others: object) -> str:
        folder = place / name
        known = folder / "mlflow_run_id"
        one = tracker(folder=folder)
        params = PARAMS | {key.replace("__", "."): value for key, value in others.items()}
        one.start(name=name, params=params, tags={}, run_id=known.read_text().strip() if known.exists() else None)
        one.log({"test/rmse": 1.0}, 1)
        one.finish("FINISHED")
        return one.run_id

    return made


def both_ways(ids):
    """The runs as read from the file itself, and as MLflow's client gives them, by name of the run."""
    finished = Finished(None)
    names = {run_id: name for name, run_id in ids.items()}
    read, asked = (finished.select(one) for one in (Selection(), Selection(filter="params.model = 'resnet'")))
    assert read == asked
    return {names[run.run_id]: run for run in read}


def test_a_resumed_run_is_compared_by_the_values_in_force(session):
    ids = {"a": session("a"), "b": session("b")}
    assert session("a", training__steps=14, optimizer__lr=5e-4, training__log_every=5) == ids["a"]
    runs = both_ways(ids)
    a, b = runs["a"], runs["b"]
    assert (a.params["training.steps"], a.params["optimizer.lr"]) == ("14", "0.0005")
    assert "training.log_every" not in a.params, "config.yaml has it"
    assert a.earlier == {"optimizer.lr": "0.001", "training.steps": "10"}, "log_every changes no score"
    assert (b.params["training.steps"], b.earlier) == ("10", {})
    rows, _ = groups([a, b])
    assert {row.name: [run.run_id for run in row.runs.values()] for row in rows} == {
        "optimizer.lr=0.0005 training.steps=14 (resumed, begun with optimizer.lr=0.001 training.steps=10)": [ids["a"]],
        "optimizer.lr=0.001 training.steps=10": [ids["b"]],
    }
    assert sum(row.replaced for row in rows) == 0
    (said,) = [one for one in comparability.warnings([a, b]) if "resumed" in one]
    assert said == "Beware: 1 resumed with other options than in their first steps: optimizer.lr, training.steps."


def test_a_resumed_run_is_no_repetition_of_one_that_had_these_values_from_the_start(session):
    ids = {"a": session("a"), "b": session("b", training__steps=14)}
    session("a", training__steps=14)
    rows, _ = groups(list(both_ways(ids).values()))
    assert [row.name for row in rows] == ["model=resnet", "model=resnet (resumed, begun with training.steps=10)"]


def test_the_last_of_several_sessions_counts_even_if_it_has_the_first_value_again(session):
    ids = {"a": session("a")}
    for steps in (14, 20, 20, 10):
        session("a", training__steps=steps)
        assert both_ways(ids)["a"].params["training.steps"] == str(steps)
    assert both_ways(ids)["a"].earlier == {"training.steps": "10"}, "some of its steps had others"


def test_a_run_that_is_resumed_unchanged_is_one_like_all_others(session):
    ids = {"a": session("a")}
    session("a", resume="runs/a", device="cpu")
    run = both_ways(ids)["a"]
    assert run.earlier == {}
    assert comparability.warnings([run]) == []
    assert not any(tag.startswith("in_force.") for tag in run.tags)
