"""Runs whose records reach MLflow after their end, from their folders alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from omegaconf import OmegaConf

from dlgd.core.paths import ROOT
from dlgd.interface import comparing
from dlgd.tracking import late, store
from tests.mlflow_server import Server, free_port

START = {"name": "a run", "params": {"seed": 0}, "tags": {"note": "mine"}}

KILLED = """
import os, signal
from dlgd.tracking.mlflow import MLflow
tracker = MLflow(experiment="tests", folder="outputs/killed", flush_seconds=1000)
tracker.start(name="killed", params={"seed": 1}, tags={})
tracker.log({"loss": 3.0}, 7)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def unrecorded(place, tracker):
    """The folder of a run whose server was away from its beginning to its end."""
    away = tracker(uri=f"http://127.0.0.1:{free_port()}", folder=place / "outputs" / "day" / "run")
    away.start(**START)
    for step in range(5):
        away.log({"loss": float(step)}, step)
    (away._folder / "scores.json").write_text("{}")
    away.artifact(away._folder / "scores.json")
    away.finish("FAILED")
    return away._folder


def test_a_whole_run_is_sent_later_and_only_once(place, unrecorded):
    (found,) = late.unsent([place / "outputs"])
    assert found == unrecorded
    record, uri = late.read(unrecorded), store.locate(None)
    run_id = late.send(unrecorded, record, uri)
    client = MlflowClient(uri)
    run = client.get_run(run_id)
    assert run.info.status == "FAILED"
    assert (run.info.start_time, run.info.end_time) == (record.started, record.ended)
    assert (run.data.params["seed"], run.data.tags["note"], run.info.run_name) == ("0", "mine", "a run")
    assert [point.value for point in client.get_metric_history(run_id, "loss")] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert [item.path for item in client.list_artifacts(run_id)] == ["scores.json"]
    assert not late.unsent([place / "outputs"])
    assert not late.unsent([place / "outputs"], uri)
    assert not late.unsent([place / "outputs"], "http://elsewhere")
    assert list(late.unsent([place / "outputs"], "http://elsewhere", move=True)) == [unrecorded]


def test_a_run_that_is_recorded_lacks_nothing(place, tracker):
    mlflow = tracker()
    mlflow.start(**START)
    mlflow.log({"loss": 1.0}, 0)
    assert not late.unsent([place / "run"]), "it still runs"
    mlflow.finish("FINISHED")
    assert not late.unsent([place / "run"])
    again = tracker()  # resumed
    again.start(**START, run_id=mlflow.run_id)
    again.finish("KILLED")
    assert late.read(place / "run").status == "KILLED"
    assert not late.unsent([place / "run"])


def test_what_a_killed_run_had_not_sent(place):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=place, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    ((folder, record),) = late.unsent([place / "outputs"]).items()
    run_id = late.send(folder, record)
    run = MlflowClient(store.locate(None)).get_run(run_id)
    assert (run.info.status, run.data.metrics["loss"]) == ("KILLED", 3.0)
    assert not late.unsent([place / "outputs"])


def test_a_comparison_says_what_is_missing(place, unrecorded):
    record = late.read(unrecorded)
    words = comparing.missing_runs(OmegaConf.create({"tracking": {"uri": record.uri}}))
    assert str(unrecorded) in words
    assert "python -m dlgd.send" in words
    assert not comparing.missing_runs(OmegaConf.create({"tracking": {"uri": None}})), "another MLflow"


def test_a_password_is_not_kept(place, tracker):
    away = tracker(uri=f"http://me:secret@127.0.0.1:{free_port()}")
    away.start(**START)
    away.finish("FINISHED")
    assert "secret" not in (place / "run" / late.RUN_RECORD).read_text()


@pytest.mark.slow
def test_the_command_sends_to_a_server_that_is_back(place, dlgd, tracker):
    server = Server(place)
    try:
        mlflow = tracker(uri=server.uri, folder=place / "outputs" / "run")
        mlflow.start(**START)
        mlflow.log({"loss": 1.0}, 0)
        mlflow.finish("FINISHED")
        unnamed = dlgd("send")
        assert unnamed.returncode == 1
        assert f"type tracking.uri={server.uri} if it is yours" in unnamed.stderr, "a folder alone names no server"
        away = dlgd("send", f"tracking.uri={server.uri}")
        assert away.returncode == 1
        assert "could not be sent" in away.stderr
        server.start()
        done = dlgd("send", f"tracking.uri={server.uri}")
        assert done.returncode == 0, done.stderr
        assert "1 of 1 runs sent" in done.stdout
        run_id = store.read_run_id(place / "outputs" / "run")
        assert MlflowClient(server.uri).get_run(run_id).info.status == "FINISHED"
    finally:
        server.kill()
