"""Searches with every sampler and pruner, in this process and by workers in processes of their own."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from dlgd.core.errors import Refusal
from dlgd.core.score import Score
from dlgd.tuning import outcomes, queue
from dlgd.tuning import study as studies
from tests.tuning import toy

# --- in this process -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", studies.SAMPLERS[:2] + studies.SAMPLERS[3:])
def test_samplers(tmp_path, sampler):
    study = toy.in_turn(toy.job(tmp_path, sampler=sampler, trials=15))
    x = [one.params["x"] for one in study.trials]
    assert len(set(x)) == 15, "no value is proposed twice"
    assert min(x) < -0.2 < 0.2 < max(x)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_seed_repeats_a_search_but_a_second_session_or_worker_proposes_other_values(tmp_path, sampler):
    job = toy.job(tmp_path / "a", sampler=sampler, trials=4)
    first = [one.params for one in toy.in_turn(job).trials]
    again = [one.params for one in toy.in_turn(toy.job(tmp_path / "b", sampler=sampler, trials=4)).trials]
    assert first == again
    other = [one.params for one in toy.in_turn(toy.job(tmp_path / "c", sampler=sampler, trials=4), worker=1).trials]
    more = [one.params["x"] for one in toy.in_turn(replace(job, trials=8)).trials]
    assert len({*more, *(one["x"] for one in other)}) == 12


def test_grid(tmp_path):
    job = toy.job(tmp_path, search={"x": [0.5, -0.1, 0.2], "kind": ["round", "square"]}, sampler="grid", trials=6)
    assert toy.search(job, workers=2, values=job.space.grid()) == "ended"
    study, _ = toy.opened(job)
    assert {(one.params["x"], one.params["kind"]) for one in study.trials} == {
        (x, kind) for x in (0.5, -0.1, 0.2) for kind in ("round", "square")
    }
    assert outcomes.best_trials(study, job.metrics)[0].params["x"] == -0.1


@pytest.mark.parametrize(
    "pruner",
    ["median", *(pytest.param(name, marks=pytest.mark.slow) for name in sorted({*studies.PRUNERS} - {"median"}))],
)
def test_pruners(tmp_path, pruner):
    study = toy.in_turn(toy.job(tmp_path, pruner=pruner, trials=20))
    pruned = [one for one in study.trials if one.state.name == "PRUNED"]
    assert bool(pruned) == (pruner != "none")
    best = min(one.params["x"] ** 2 for one in study.trials)
    assert study.best_value == pytest.approx(best), "the best one is never stopped here"
    rows = outcomes.rows(study, {"loss": "minimize"})
    assert [row["state"] for row in rows] == ["complete"] * (20 - len(pruned)) + ["pruned"] * len(pruned)
    values = [float(row["loss"]) for row in rows if row["loss"]]
    assert values == sorted(values)


def test_whatever_goes_wrong_is_the_trials(tmp_path):
    study = toy.in_turn(toy.job(tmp_path, toy.moody, trials=6))
    assert [one.state.name for one in study.trials] == ["FAIL", "PRUNED", "PRUNED", *["COMPLETE"] * 3]
    remarks = {row["trial"]: row["remark"] for row in outcomes.rows(study, {"loss": "minimize"})}
    assert "ZeroDivisionError: bad luck" in remarks["0"]
    assert "diverged: loss is nan at step 3" in remarks["1"]
    assert "diverged: loss=nan" in remarks["2"]
    assert study.trials[3].user_attrs["scores"]["size"] == pytest.approx(abs(study.trials[3].params["x"] - 0.5))


def test_several_metrics(tmp_path):
    job = toy.job(tmp_path, metrics={"loss": "minimize", "size": "minimize"}, sampler="tpe", trials=20)
    study = toy.in_turn(job)
    assert study.metric_names == ["loss", "size"]
    front = outcomes.best_trials(study, job.metrics)
    assert len(front) > 1
    for one in front:
        assert not any(other.values[0] < one.values[0] and other.values[1] < one.values[1] for other in study.trials)
    losses = [one.values[0] for one in front]
    assert losses == sorted(losses)
    names = {path.name for path in outcomes.draw(study, job.metrics, tmp_path / "figures")}
    assert names >= {"pareto_front.png", "history_loss.png", "slice_size.png"}


def test_table_and_figures(tmp_path):
    job = toy.job(tmp_path, trials=8, metrics={"loss": "maximize"})
    study = toy.in_turn(job)
    rows = outcomes.rows(study, job.metrics)
    assert float(rows[0]["loss"]) == max(float(row["loss"]) for row in rows)
    markdown, comma_separated = outcomes.write_table(tmp_path, rows, "title")
    assert markdown.read_text().count("\n") == 2 + 2 + 8
    assert comma_separated.read_text().startswith("trial,state,loss,x,kind,seconds,remark")
    for path in outcomes.draw(study, job.metrics, tmp_path / "figures"):
        assert path.stat().st_size > 10_000
    drawn = {path.name for path in (tmp_path / "figures").glob("*.png")}
    assert drawn == {"history.png", "importances.png", "slice.png", "parallel.png"}


def test_a_line_that_a_killed_writer_left_unfinished_is_cut_off(tmp_path):
    job = toy.job(tmp_path, trials=3)
    toy.in_turn(job)
    with (tmp_path / "study.journal").open("ab") as file:
        file.write(b'{"op_code": 4, "worker_id": "x')
    study = toy.in_turn(replace(job, trials=5))
    assert toy.slots(study) == dict.fromkeys(range(5), 1)


@pytest.mark.parametrize(
    ("metrics", "sampler", "pruner", "words"),
    [
        ({}, "tpe", "none", "sweep.metrics"),
        (None, "tpe", "none", "sweep.metrics"),
        ([1], "tpe", "none", "sweep.metrics"),
        ({"loss": "lower"}, "tpe", "none", "minimize or maximize"),
        ({"loss": "minimize"}, "gauss", "none", "sampler=gauss"),
        ({"loss": "minimize"}, "tpe", "mean", "pruner=mean"),
        ({"a": "minimize", "b": "minimize"}, "tpe", "median", "works with one metric, not 2"),
        ({"a": "minimize", "b": "minimize"}, "cmaes", "none", "works with one metric, not 2"),
    ],
)
def test_refusals(metrics, sampler, pruner, words):
    with pytest.raises(Refusal, match=words):
        studies.check(studies.parse_metrics(metrics), sampler, pruner)


ACCURACY = Score("accuracy", "accuracy", "%", higher_is_better=True)
ERROR = Score("error", "error", "%", higher_is_better=False)
SHARE = Score("share", "share", higher_is_better=None)


def test_a_metric_has_the_direction_of_its_score():
    assert studies.parse_metrics(["accuracy", "error"]) == {"accuracy": None, "error": None}
    assert studies.parse_metrics({"accuracy": "maximize", "error": None}) == {"accuracy": "maximize", "error": None}
    assert {studies.direction_of(ACCURACY, typed) for typed in (None, "maximize")} == {"maximize"}
    assert {studies.direction_of(ERROR, typed) for typed in (None, "minimize")} == {"minimize"}
    assert studies.direction_of(SHARE, "maximize") == "maximize"


@pytest.mark.parametrize(
    ("score", "typed", "words"),
    [
        (ACCURACY, "minimize", "accuracy is minimize, but more of it is better: write maximize, or null"),
        (ERROR, "maximize", "error is maximize, but less of it is better: write minimize, or null"),
        (SHARE, None, "neither more nor less of share is better: write minimize or maximize"),
    ],
)
def test_a_direction_that_contradicts_the_score_is_refused(score, typed, words):
    with pytest.raises(Refusal, match=words):
        studies.direction_of(score, typed)


@pytest.mark.parametrize(
    ("url", "words"),
    [("nowhere://x", "cannot be used"), ("sqlite:////nowhere/a/b.db", "cannot be used")],
)
def test_a_storage_that_cannot_be_used(url, words):
    with pytest.raises(Refusal, match=words):
        studies.storage_of(url)


# --- two workers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_two_who_take_at_once_never_take_the_same(tmp_path, kind):
    """Eight threads with storages of their own, on one study."""
    job = toy.job(tmp_path, trials=24, url=f"sqlite:///{tmp_path}/study.db" if kind == "sqlite" else None)
    study, _ = toy.opened(job)
    queue.ask(study, 24)
    taken = []

    def greedy():
        storage = studies.storage_of(job.storage)
        own = studies.load(storage, "toy", sampler="random", pruner="none", seed=0, worker=0)
        while (trial := queue.take(own, storage, 24, "someone")) is not None:
            taken.append(trial.number)

    threads = [threading.Thread(target=greedy) for _ in range(8 if kind == "journal" else 3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(taken) == list(range(24))


def test_two_workers_share_the_work(tmp_path):
    record = tmp_path / "record"
    job = toy.job(tmp_path, trials=16, options={"seconds": 0.2, "record": str(record)})
    assert toy.search(job, workers=2) == "ended"
    study, _ = toy.opened(job)
    assert toy.slots(study) == dict.fromkeys(range(16), 1)
    begun = [line for line in record.read_text().splitlines() if line.startswith("begin")]
    assert len(begun) == len(set(begun)) == 16
    assert len({one.user_attrs["owner"] for one in study.trials}) == 2


def test_trials_asked_for_twice_at_the_same_moment_are_run_once(tmp_path):
    job = toy.job(tmp_path, trials=3)
    study, _ = toy.opened(job)
    for _ in range(2):
        for slot in range(3):
            study.enqueue_trial({}, user_attrs={"slot": slot})
    study = toy.in_turn(job)
    assert toy.slots(study) == dict.fromkeys(range(3), 1)
    assert sum(one.user_attrs.get("double", False) for one in study.trials) == 3
