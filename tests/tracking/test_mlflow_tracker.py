"""The embedded default, really written, and read back through MLflow's own client."""

import contextlib
import json
import math
import sqlite3
import subprocess
import sys
import time

import pytest
from mlflow import MlflowClient

from dlgd.core.errors import Refusal
from dlgd.tracking import store
from dlgd.tracking.off import Off

START = {"name": "a run", "params": {"training.minutes": 5, "seed": 0}, "tags": {"git_dirty": "false"}}


@pytest.fixture
def client(place):
    return MlflowClient(f"sqlite:///{place}/mlflow.db")


def history(client, run_id, name):
    """{step: value}; fails when a step is there twice."""
    points = client.get_metric_history(run_id, name)
    assert len({point.step for point in points}) == len(points)
    return {point.step: point.value for point in points}


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_everything_is_written(place, tracker, client):
    mlflow = tracker()
    mlflow.start(**START)
    for step in range(1000):
        mlflow.log({"train/loss": 1 / (1 + step), "valid/rmse": float(step)}, step)
    figures = place / "run" / "figures"
    figures.mkdir()
    (figures / "map.png").write_text("a map")
    (place / "run" / "scores.json").write_text("{}")
    mlflow.artifact(figures)
    mlflow.artifact(place / "run" / "scores.json", "scores")
    mlflow.finish("FINISHED")

    run = client.get_run(mlflow.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "a run"
    assert client.get_experiment(run.info.experiment_id).name == "tests"
    assert run.data.params == {"training.minutes": "5", "seed": "0"}
    assert run.data.tags["git_dirty"] == "false"
    assert history(client, mlflow.run_id, "curves/train/loss") == {step: 1 / (1 + step) for step in range(1000)}
    assert history(client, mlflow.run_id, "curves/valid/rmse") == {step: float(step) for step in range(1000)}
    assert [each.path for each in client.list_artifacts(mlflow.run_id, "figures")] == ["figures/map.png"]
    kept = place / "mlartifacts" / mlflow.run_id / "artifacts" / "scores" / "scores.json"
    assert kept.read_text() == "{}"
    lines = [json.loads(line) for line in (place / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1000))
    assert lines[3]["metrics"] == {"train/loss": 0.25, "valid/rmse": 3.0}


def test_metrics_arrive_while_the_run_goes_on(tracker, client):
    mlflow = tracker()
    mlflow.start(**START)
    mlflow.log({"loss": 1.0}, 0)
    wait_until(lambda: client.get_metric_history(mlflow.run_id, "loss"))
    assert client.get_run(mlflow.run_id).info.status == "RUNNING"


def test_database_is_in_wal_mode(place, tracker):
    tracker().start(**START)
    with sqlite3.connect(place / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_resume_continues_the_run(tracker, client):
    first = tracker()
    first.start(**START)
    first.log({"loss": 1.0}, 0)
    first.finish("KILLED")
    second = tracker()
    changed = START | {"params": {"training.minutes": 9, "seed": 0, "new": 1}}
    second.start(**changed, run_id=store.read_run_id(second._folder))
    assert client.get_run(second.run_id).info.status == "RUNNING"
    second.log({"loss": 2.0}, 1)
    second.finish("FINISHED")

    assert second.run_id == first.run_id
    run = client.get_run(first.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"training.minutes": "5", "seed": "0", "new": "1"}
    assert history(client, first.run_id, "loss") == {0: 1.0, 1: 2.0}


@pytest.mark.parametrize(
    ("end", "status"),
    [(None, "FINISHED"), (ValueError, "FAILED"), (SystemExit, "FAILED"), (KeyboardInterrupt, "KILLED")],
)
def test_a_run_is_closed_as_its_work_ends(tracker, client, end, status):
    mlflow = tracker()
    mlflow.start(**START)
    with contextlib.suppress(ValueError, SystemExit, KeyboardInterrupt), mlflow.recorded():
        assert client.get_run(mlflow.run_id).info.status == "RUNNING"
        if end is not None:
            raise end
    assert client.get_run(mlflow.run_id).info.status == status


def test_a_second_run_in_a_folder_has_its_own_records_only(tracker, client):
    first, second = tracker(), tracker()
    first.start(**START)
    first.log({"loss": 1.0}, 0)
    first.finish("FINISHED")
    second.start(**START)
    second.log({"loss": 2.0}, 5)
    second.finish("FINISHED")
    assert second.run_id != first.run_id
    assert history(client, second.run_id, "loss") == {5: 2.0}


def test_names_and_numbers_that_mlflow_refuses(place, tracker, client):
    mlflow = tracker()
    params = {"a(b)": None, "long": "x" * 7000} | {f"many.{i}": i for i in range(250)}
    mlflow.start(name="odd", params=params, tags={"k(1)": "v"})
    mlflow.log({"gamma (99.99 %)": 1.0, "/../loss//x": 2.0, "nan": math.nan, "inf": -math.inf}, 0)
    mlflow.finish("FINISHED")
    data = client.get_run(mlflow.run_id).data
    assert len(data.params) == 252
    assert (data.params["a_b_"], data.params["long"]) == ("None", "x" * 6000)
    assert data.metrics.keys() == {"gamma _99.99 __", "loss/x", "nan", "inf"}
    assert math.isnan(data.metrics["nan"])
    assert math.isnan(data.metrics["inf"])
    line = json.loads((place / "run" / "metrics.jsonl").read_text())
    assert (line["metrics"]["nan"], line["metrics"]["inf"]) == ("nan", "-inf")


def test_system_metrics_are_an_option(tracker, client):
    for wanted in (False, True):
        mlflow = tracker(system_metrics=wanted)
        mlflow.start(**START)
        mlflow.finish("FINISHED")
        names = client.get_run(mlflow.run_id).data.metrics
        assert ("system/cpu_utilization_percentage" in names) == wanted


def test_a_file_that_has_gone_does_not_keep_a_run_open(place, tracker, client):
    mlflow = tracker()
    mlflow.start(**START)
    mlflow.artifact(place / "never_written.txt")
    mlflow.finish("FINISHED")
    assert client.get_run(mlflow.run_id).info.status == "FINISHED"


CHILD = """
import sys
from dlgd.tracking.mlflow import MLflow
tracker = MLflow(experiment="together", folder=f"run{sys.argv[1]}")
tracker.start(name=sys.argv[1], params={"number": sys.argv[1]}, tags={})
for step in range(200):
    tracker.log({"loss": step + float(sys.argv[1])}, step)
tracker.finish("FINISHED")
print(tracker.run_id)
"""


def test_four_processes_at_once_on_a_fresh_database(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(store.__file__).split("/dlgd/")[0])
    commands = [[sys.executable, "-c", CHILD, str(number)] for number in range(4)]
    children = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for command in commands]
    answers = [child.communicate(timeout=120)[0] for child in children]
    assert [child.returncode for child in children] == [0] * 4
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    for number, answer in enumerate(answers):
        assert history(client, answer.strip(), "loss") == {step: step + float(number) for step in range(200)}
        assert client.get_run(answer.strip()).info.status == "FINISHED"
    assert len(client.search_experiments(filter_string="name = 'together'")) == 1
    assert not list(tmp_path.glob(".mlflow_db_*"))


def test_off_does_nothing(tmp_path):
    off = Off(experiment="tests", folder=tmp_path / "run")
    off.start(**START, run_id="something")
    off.log({"loss": 1.0}, 0)
    off.artifact(tmp_path)
    off.finish("FINISHED")
    assert off.run_id is None
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_cannot_record_is_refused(tmp_path, tracker):
    with pytest.raises(Refusal, match="not an address"):
        tracker(uri="mlruns")
    with pytest.raises(Refusal, match=r"mysql\+pymysql://host/db needs .* pip install pymysql"):
        tracker(uri="mysql+pymysql://me:secret@host/db").start(**START)
