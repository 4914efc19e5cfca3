"""Sets of runs: how they are found, whether they can be compared, and what rows they make."""

import math
import sqlite3
from contextlib import closing

import pytest

from dlgd.core.errors import Refusal
from dlgd.problems.images.scores.classification import ClassificationEvaluation
from dlgd.results import comparability
from dlgd.results.finished import Finished, FinishedRun, Selection
from dlgd.results.grouping import groups
from dlgd.results.selection import has, header, select_runs
from dlgd.scoring.descriptions import of_report
from dlgd.tracking.parents import PARENT_TAG
from dlgd.tracking.run_tags import SCORES_TAG, scores_tag
from tests.recorded_runs import BASELINE, DATA, Recorder


@pytest.fixture
def recorder(place):
    return Recorder(place / "mlflow.db")


def selected(selection=None, **options):
    options = {"split": "test", "scores": None, "any_data": False} | options
    return select_runs(Finished(None), selection or Selection("nemovar"), **options)


def rows(found):
    return {group.name: {seed: run.run_id for seed, run in group.runs.items()} for group in groups(found.runs)[0]}


# --- finding ---------------------------------------------------------------------------------------------------


@pytest.fixture
def mixed(recorder):
    """Runs of two experiments, of all kinds; their ids."""
    parent = recorder.run({}, {})
    ids = {
        "parent": parent,
        "first": recorder.network(0, 1.0, tags={"campaign": "winter: cold", PARENT_TAG: parent}),
        "second": recorder.network(1, 2.0, tags={"campaign": "summer", PARENT_TAG: parent}),
        "other": recorder.run({"model": "cnn", "seed": 0}, {"test/mse": 1.0}, experiment="lorenz63"),
        "diverged": recorder.network(2, math.nan, params={"model": "unet"}),
        "killed": recorder.network(3, 4.0, status="KILLED"),
        "running": recorder.network(4, 5.0, status="RUNNING"),
        "deleted": recorder.network(5, 6.0),
    }
    recorder.client.delete_run(ids["deleted"])
    return ids


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (lambda ids: Selection(), {"parent", "first", "second", "other", "diverged", "killed", "running"}),
        (lambda ids: Selection("lorenz63"), {"other"}),
        (lambda ids: Selection("nemovar", {"campaign": "winter: cold"}), {"first"}),
        (lambda ids: Selection(tags={PARENT_TAG: ids["parent"]}), {"first", "second"}),
        (lambda ids: Selection(ids=(ids["other"], ids["killed"])), {"other", "killed"}),
        (lambda ids: Selection("lorenz63", ids=(ids["first"],)), set()),
        (lambda ids: Selection("nowhere"), set()),
    ],
)
def test_the_file_gives_what_mlflow_gives(mixed, selection, expected):
    """The SQLite file is read directly; with a filter, MLflow's client is asked."""
    wanted, finished = selection(mixed), Finished(None)
    direct = finished.select(wanted)
    names = {run_id: name for name, run_id in mixed.items()}
    assert {names[run.run_id] for run in direct} == expected
    everything = Selection(wanted.experiment, wanted.tags, wanted.ids, "attributes.run_name != 'nothing'")
    asked = finished.select(everything)
    assert [repr_of(run) for run in asked] == [repr_of(run) for run in direct]
    assert [run.start for run in direct] == sorted((run.start for run in direct), reverse=True)


def repr_of(run: FinishedRun):
    """NaN is not equal to itself, but is written alike."""
    facts = (run.params, run.metrics, run.tags)
    return run.run_id, run.status, run.start, repr(run.minutes), *(repr(sorted(each.items())) for each in facts)


def test_a_filter_is_in_mlflows_language(mixed):
    finished = Finished(None)
    found = finished.select(Selection("nemovar", filter="params.model = 'unet' AND attributes.status = 'FINISHED'"))
    assert [run.run_id for run in found] == [mixed["diverged"]]
    with pytest.raises(Refusal, match=r"runs.filter=model is unet is not in MLflow's language"):
        finished.select(Selection(filter="model is unet"))


def test_experiments_and_histories_are_those_of_mlflow(mixed, recorder):
    finished = Finished(None)
    assert finished.experiments() == ["Default", "lorenz63", "nemovar"]
    recorder.client.log_metric(mixed["first"], "test/eps", 7.0, step=2)
    (first,) = finished.select(Selection(ids=(mixed["first"],)))
    points = recorder.client.get_metric_history(first.run_id, "test/eps")
    assert finished.history(first, "test/eps") == sorted((p.step, p.value) for p in points) == [(2, 7.0), (5, 1.0)]
    (diverged,) = finished.select(Selection(ids=(mixed["diverged"],)))
    assert math.isnan(finished.history(diverged, "test/eps")[0][1])


def test_what_is_not_there_is_named(mixed):
    for selection, words in (
        (Selection("lorenz96"), "no experiment lorenz96: choose among Default, lorenz63, nemovar"),
        (Selection(ids=(mixed["first"], "0" * 32)), f"no run {'0' * 32}"),
        (Selection(tags={"campaign": "spring"}), "no run that meets all conditions of runs"),
        (Selection(ids=(mixed["killed"],)), "none of the 1 runs that were found has finished: Left out: 1 killed"),
    ):
        with pytest.raises(Refusal, match=words):
            selected(selection)


def test_a_file_that_is_no_database_of_mlflow(tmp_path):
    path = tmp_path / "other.db"
    path.write_text("not a database at all")
    with pytest.raises(Refusal, match=r"other\.db cannot be read as a database of MLflow: file is not a database"):
        Finished(f"sqlite:///{path}").select(Selection())
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE other (x)")
    with pytest.raises(Refusal, match="no such table"):
        Finished(f"sqlite:///{path}").runs("nemovar")


# --- which of them stand in the table --------------------------------------------------------------------------


def test_only_runs_that_have_a_score_stand_in_the_table(mixed):
    found = selected(scores=["eps"])
    assert [run.run_id for run in found.runs] == [mixed["second"], mixed["first"]]
    assert found.notes == [
        "Left out: 1 killed.",
        "Left out: 1 running.",
        "Left out: 1 finished without a number for eps.",
    ]


def test_scores_are_those_of_the_recorded_table_or_all(recorder):
    recorder.network(0, 1.0, params={"table.scores": "['eps_max', 'eps']"})
    assert selected().scores == ["eps_max", "eps"]
    recorder.network(1, 1.0)
    recorder.network(2, 1.0)
    assert selected().scores == ["eps", "eps_max", "seconds_per_sample"], "most runs name none"
    assert selected(split="valid").scores == ["eps"]
    with pytest.raises(Refusal, match="scores has epz, which no run has recorded for split=test: choose among eps,"):
        selected(scores=["eps", "epz"])
    with pytest.raises(Refusal, match="no run has a score of split=train"):
        selected(split="train")


def test_without_a_table_of_an_experiment_that_of_the_problem_is_taken(recorder):
    classes = {f"accuracy_of_{number}": 90.0 for number in range(10)}
    scores = {**classes, "accuracy": 91.0, "cross_entropy": 0.3, "error": 9.0, "calibration_error": 2.0}
    recorded = {f"test/{name}": value for name, value in {**scores, "seconds_per_sample": 1e-3}.items()}
    recorder.run({"model": "mlp"}, recorded, tags=scores_tag(of_report(ClassificationEvaluation(), [])))
    assert selected().scores == ["accuracy", "cross_entropy", "calibration_error", "seconds_per_sample"]
    recorder.run({"model": "cnn"}, recorded, tags={SCORES_TAG: ""})  # of an earlier version, newer than the first
    assert selected().scores == ["accuracy", "cross_entropy", "calibration_error", "seconds_per_sample"]
    del recorded["test/cross_entropy"]
    recorder.run({"model": "vgg"}, recorded, tags={SCORES_TAG: "[1]"})
    assert selected().scores == ["accuracy", "calibration_error", "seconds_per_sample"], "those that all have"


def test_trials_of_a_search_do_not_forbid_a_table(recorder):
    """They are validated, and never scored on the test split."""
    parent = recorder.run({}, {})
    for number in range(3):
        params = {"model": "resnet", "model.layers": 4 + number}
        recorder.run(DATA | params, {"valid/eps": 0.5}, tags={PARENT_TAG: parent})
    scored = recorder.network(0, 1.0)
    found = selected()
    assert ([run.run_id for run in found.runs], found.scores) == ([scored], ["eps", "eps_max", "seconds_per_sample"])
    assert found.notes == ["Left out: 3 finished without a number for eps, eps_max, seconds_per_sample."]


def test_rows_differ_in_more_than_the_seed(recorder):
    first, second = recorder.network(0, 1.0), recorder.network(1, 1.1)
    deep = recorder.network(0, 2.0, params={"model.layers": 16})
    cnn = recorder.network(0, 3.0, params={"model": "cnn", "model._target_": "dlgd.models.Cnn", "model.layers": 5})
    method = recorder.baseline(0.5)
    assert rows(selected()) == {
        "model=resnet model.layers=10": {"0": first, "1": second},
        "model=resnet model.layers=16": {"0": deep},
        "model=cnn": {"0": cnn},
        "baseline=homogeneous": {"0": method},
    }


def test_what_changes_no_score_makes_no_row(recorder):
    free = {"device": "cuda", "training.log_every": 100, "tracking": "mlflow", "evaluation": "cost"}
    free |= {"experiment": "normalization/loss", "choices.experiment": "normalization/loss", "table.source": "a book"}
    ids = {"0": recorder.network(0, 1.0), "1": recorder.network(1, 1.0, params=free)}
    assert rows(selected()) == {"model=resnet": ids}


def test_the_newest_of_a_seed_counts(recorder):
    recorder.network(0, 1.0)
    newest = recorder.network(0, 2.0, start=100)
    recorder.network(0, 3.0)
    (group,), _ = groups(selected().runs)
    assert (group.runs["0"].run_id, group.replaced) == (newest, 2)


def test_a_run_from_before_an_option_is_a_row_of_its_own(recorder):
    before, after = recorder.network(0, 1.0), recorder.network(1, 1.0, params={"model.dropout": 0.5})
    assert rows(selected()) == {"model=resnet": {"0": before}, "model.dropout=0.5": {"1": after}}


def test_long_names_leave_out_what_most_rows_have(recorder):
    usual = {"a": 1, "b": 1, "c": 1, "d": None}
    recorder.network(0, 1.0, params=usual)
    for key in usual:
        recorder.network(0, 2.0, params=usual | {key: 2})
    found, left_out = groups(selected().runs)
    assert [group.name for group in found] == ["a=2", "b=2", "c=2", "d=2", "model=resnet"]
    assert left_out == "a=1, b=1, c=1, d=null"


# --- the same samples? -----------------------------------------------------------------------------------------


def test_runs_of_other_data_are_told_apart(recorder):
    for seed in range(3):
        recorder.network(seed, 1.0)
    other = {"comparison/separable/eps": 0.4, "comparison/separable/eps_max": 4.25}
    recorder.network(0, 1.0, params={"data.rows": 60}, checksum="111-222-444", metrics=other)
    with pytest.raises(Refusal, match=r"different data .*: data.rows=40 \(3 runs\); data.rows=60 \(1 run\); se"):
        selected()
    found = selected(any_data=True)
    assert len(found.runs) == 4
    assert found.notes[-1].startswith("Beware: nothing shows that all were scored on the same samples: data.rows=40")
    assert len(selected(Selection("nemovar", filter="params.`data.rows` = '40'")).runs) == 3


def test_other_training_data_can_be_compared(recorder):
    recorder.network(0, 1.0)
    recorder.network(0, 1.0, params={"data.samples.train": 3}, checksum="999-222-333")
    assert len(selected().runs) == 2


def test_a_method_with_the_same_scores_shows_that_the_samples_are_the_same(recorder):
    recorder.network(0, 1.0)
    recorder.network(0, 1.0, params={"data.distance": "none"}, checksum="1-2-3")  # the same separable form
    recorder.baseline(0.5, metrics={"test/eps_max": 5.25}, checksum="another")
    assert len(selected().runs) == 3
    recorder.baseline(0.5, metrics={"test/eps_max": 5.0}, checksum="a third")
    with pytest.raises(Refusal, match=r"data_checksum=a third \(1 run\)"):
        selected()


def test_other_tasks_are_never_compared(recorder):
    recorder.network(0, 1.0)
    recorder.network(0, 1.0, params={"data.name": "mercator"}, experiment="other")
    with pytest.raises(Refusal, match=r"(; )?data.name=mercator \(1 run\)(; data.name=.*)?; select some of them$"):
        selected(Selection(), any_data=True)


def test_a_printed_row_is_that_of_runs_with_its_settings(recorder):
    recorder.network(0, 1.0, params={"model.skip": None, "loss": "mse"})
    (run,) = selected().runs
    assert has(run, "model.skip=null loss=mse")
    assert not has(run, "model.skip=null loss=huber")
    assert not has(run, "randomization 10")
    assert header(run) == {"published": [], "source": None}


def test_what_all_had(recorder):
    recorder.network(0, 1.0)
    recorder.network(1, 1.0, params={"training.steps": 7}, tags={"machine": "2 cores"})
    recorder.run(DATA | BASELINE, {"test/eps": 1.0})
    runs = selected().runs
    assert comparability.budget(runs) == (
        "Budget: not the same for all. Runs: 2 on cpu (1 core), 1 on cpu (2 cores); 1.0 min each in the median, data "
        "and scores included."
    )
    assert comparability.budget(runs[1:2]).startswith("Budget: training.steps=7. Runs: 1 on")
    assert comparability.warnings(runs) == ["Beware: 2 machines: 1 core, 2 cores."]
    assert not comparability.data_changed(runs)
