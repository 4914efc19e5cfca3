"""MLflow that is away, from the start or in mid-run: the training goes on and keeps its records."""

import json
import logging
import socket
import time

import pytest
from mlflow import MlflowClient

from dlgd.tracking import store
from tests.mlflow_server import Server, free_port

START = {"name": "a run", "params": {"seed": 0}, "tags": {}}


def kept_steps(folder):
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_no_server_at_all(place, tracker, caplog):
    mlflow = tracker(uri=f"http://127.0.0.1:{free_port()}")
    begun = time.monotonic()
    mlflow.start(**START)
    for step in range(10):
        mlflow.log({"loss": 1.0}, step)
        time.sleep(0.05)
    mlflow.artifact(place / "run" / "metrics.jsonl")
    mlflow.finish("FINISHED")
    assert time.monotonic() - begun < 15
    assert mlflow.run_id is None
    assert store.read_run_id(place / "run") is None
    assert kept_steps(place / "run") == list(range(10))
    (warning,) = warnings_in(caplog)
    assert "the run goes on" in warning
    assert str(place / "run") in warning


def test_what_was_kept_is_sent_when_the_run_is_resumed_elsewhere(place, tracker):
    away = tracker(uri=f"http://127.0.0.1:{free_port()}")
    away.start(**START)
    away.log({"loss": 1.0}, 0)
    away.finish("KILLED")
    back = tracker()
    back.start(**START, run_id=store.read_run_id(place / "run"))
    back.log({"loss": 2.0}, 1)
    back.finish("FINISHED")
    points = MlflowClient(back._uri).get_metric_history(back.run_id, "loss")
    assert [(point.step, point.value) for point in points] == [(0, 1.0), (1, 2.0)]


def test_a_run_that_the_server_does_not_know_begins_anew_with_all_its_records(place, tracker):
    first = tracker()
    first.start(**START)
    first.log({"loss": 1.0}, 0)
    first.finish("KILLED")
    second = tracker()
    (place / "run" / "mlflow_sent").write_text(f"{'0' * 32} 99999\n")
    second.start(**START, run_id="0" * 32)
    second.finish("FINISHED")
    assert second.run_id != first.run_id
    assert len(MlflowClient(second._uri).get_metric_history(second.run_id, "loss")) == 1


def test_a_server_that_never_answers_does_not_hold_a_run_for_long(place, tracker, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        mlflow = tracker(uri=f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        mlflow.start(**START)
        mlflow.log({"loss": 1.0}, 0)
        mlflow.finish("FINISHED")
        assert time.monotonic() - begun < 15
    assert len(warnings_in(caplog)) == 1
    assert kept_steps(place / "run") == [0]


def test_a_database_that_cannot_be_made_does_not_stop_a_run(tmp_path, tracker, caplog):
    (tmp_path / "a_file").write_text("")
    mlflow = tracker(uri=f"sqlite:///{tmp_path}/a_file/mlflow.db")
    mlflow.start(**START)
    mlflow.log({"loss": 1.0}, 0)
    mlflow.finish("FINISHED")
    assert len(warnings_in(caplog)) == 1
    assert kept_steps(tmp_path / "run") == [0]


@pytest.fixture
def server(place):
    server = Server(place)
    yield server
    server.kill()


@pytest.mark.slow
def test_a_server_that_dies_in_mid_run_and_comes_back(place, server, tracker, caplog):
    server.start()
    mlflow = tracker(uri=server.uri)
    caplog.set_level(logging.INFO)
    mlflow.start(**START)
    client = MlflowClient(server.uri)
    mlflow.log({"loss": 0.0}, 0)
    checkpoint = place / "run" / "last.pt"
    checkpoint.write_text("weights")
    mlflow.artifact(checkpoint, "checkpoints")
    end = time.monotonic() + 20
    while not client.list_artifacts(mlflow.run_id, "checkpoints"):
        assert time.monotonic() < end
        time.sleep(0.1)

    server.kill()
    for step in range(1, 500):
        begun = time.monotonic()
        mlflow.log({"loss": float(step)}, step)
        assert time.monotonic() - begun < 1
        time.sleep(0.005)
    (place / "run" / "scores.json").write_text("{}")
    mlflow.artifact(place / "run" / "scores.json")
    assert len(warnings_in(caplog)) == 1
    server.start()
    mlflow.finish("FINISHED")

    assert kept_steps(place / "run") == list(range(500))
    points = client.get_metric_history(mlflow.run_id, "loss")
    assert [(point.step, point.value) for point in points] == [(step, float(step)) for step in range(500)]
    assert client.get_run(mlflow.run_id).info.status == "FINISHED"
    assert {each.path for each in client.list_artifacts(mlflow.run_id)} == {"checkpoints", "scores.json"}
    copy = client.download_artifacts(mlflow.run_id, "checkpoints/last.pt", str(place))
    with open(copy) as file:
        assert file.read() == "weights"


@pytest.mark.slow
def test_a_server_that_dies_for_good(place, server, tracker, caplog):
    server.start()
    mlflow = tracker(uri=server.uri)
    mlflow.start(**START)
    mlflow.log({"loss": 0.0}, 0)
    server.kill()
    for step in range(1, 50):
        mlflow.log({"loss": 0.0}, step)
        time.sleep(0.02)
    begun = time.monotonic()
    mlflow.finish("FINISHED")
    assert time.monotonic() - begun < 10
    assert len(warnings_in(caplog)) == 1
    assert kept_steps(place / "run") == list(range(50))
    assert store.read_run_id(place / "run") == mlflow.run_id
