"""Runs asked back from MLflow by their settings."""

import pytest

from dlgd.core.errors import Refusal
from dlgd.results.finished import Finished, FinishedRun
from dlgd.tracking.provenance import flatten, machine, tags

CONFIG = {"seed": 0, "model": {"layers": 10, "skip": None}, "training": {"steps": 5, "log_every": 1}}


@pytest.fixture
def record(place, tracker):
    """Records a run with these settings and scores."""

    def made(name, config, status="FINISHED", **metrics):
        one = tracker(folder=place / name)
        one.start(name=name, params=flatten(config), tags={"device": "cpu"})
        for step, value in enumerate(metrics.pop("history", [])):
            one.log({"valid/eps": value}, step)
        one.log(metrics, 7)
        one.finish(status)
        return one.run_id

    return made


def test_finished_runs_come_newest_first_with_what_they_recorded(record):
    first = record("first", CONFIG, history=[3.0, 2.0], eps=1.0)
    second = record("second", CONFIG, eps=0.5)
    record("killed", CONFIG, status="KILLED", eps=0.1)
    finished = Finished(None)
    newest, oldest = finished.runs("tests")
    assert (newest.run_id, oldest.run_id) == (second, first)
    assert (newest.metric("eps"), newest.metric("other"), newest.tags["device"]) == (0.5, None, "cpu")
    assert 0 <= newest.minutes < 1
    assert finished.history(oldest, "valid/eps") == [(0, 3.0), (1, 2.0)]
    assert finished.history(oldest, "eps") == [(7, 1.0)]
    assert finished.runs("no such experiment") == []


def test_a_name_that_mlflow_would_not_take_is_found_again(record):
    record("odd", CONFIG, **{"comparison/randomization (100)/eps": 2.0})
    (run,) = Finished(None).runs("tests")
    assert run.metric("comparison/randomization (100)/eps") == 2.0


def run_of(config):
    return FinishedRun("id", {key: str(value) for key, value in flatten(config).items()}, {}, {}, 1.0)


def test_a_run_differs_in_the_settings_that_can_change_a_score():
    run = run_of(CONFIG)
    assert run.differences(CONFIG) == {}
    other = {**CONFIG, "seed": 1, "model": {"layers": 16, "skip": "addition"}}
    assert run.differences(other) == {
        "seed": ("0", "1"),
        "model.layers": ("10", "16"),
        "model.skip": ("None", "addition"),
    }


@pytest.mark.parametrize(
    "more",
    [
        {"training": {"steps": 5, "log_every": 100}},
        {"device": "cuda"},
        {"tracking": {"uri": "elsewhere"}},
        {"evaluation": {"methods": {}}},
        {"table": {"source": "a book"}},
        {"init_loaded": []},  # as typed; the run wrote there which weights init_from gave
        {"an": {"option": {"of": "later days"}}},
    ],
)
def test_other_settings_are_free(more):
    free = {"device": "cpu", "tracking": {"uri": None}, "evaluation": {"methods": None}, "table": {"source": "b"}}
    free |= {"init_loaded": ["layers.0.weight"]}
    assert run_of(CONFIG | free).differences(CONFIG | more) == {}


def test_scores_of_another_region_are_other_scores():
    box = {"evaluation": {"scores": {"box": [33, 43, -65, -55]}}}
    run = run_of(CONFIG | {"evaluation": {"scores": {"box": None}}})
    assert run.differences(CONFIG | box) == {"evaluation.scores.box": ("None", "[33, 43, -65, -55]")}


def test_where_there_is_nothing_to_ask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(Refusal, match=r"no MLflow database .*mlflow\.db: train something"):
        Finished(None)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Refusal, match="cannot be asked"):
        Finished("http://127.0.0.1:9").runs("tests")


def test_the_machine_is_among_the_tags():
    assert " of " in machine("cpu")
    assert machine("cpu").split()[0].isdigit()
    assert tags(device="cpu")["machine"] == machine("cpu")
