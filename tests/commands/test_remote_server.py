"""Runs and their files in a server, `MLFLOW_TRACKING_URI`; and runs found there again by their ids."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from tests.commands.tiny_digits import DIGITS
from tests.mlflow_server import Server, postgresql


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "server"
    folder.mkdir()
    with postgresql() if request.param == "postgresql" else nullcontext() as backend:
        server = Server(folder, backend)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.mark.slow
def test_a_run_lives_in_a_server(dlgd, server, tmp_path):
    done = dlgd("train", *DIGITS, environment={"MLFLOW_TRACKING_URI": server.uri})
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "outputs").glob("*/*")
    assert not (tmp_path / "mlflow.db").exists()

    client = MlflowClient(server.uri)
    run_id = (folder / "mlflow_run_id").read_text().strip()
    run = client.get_run(run_id)
    (scores,) = json.loads((folder / "scores.json").read_text())
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/accuracy"] == pytest.approx(scores["accuracy"])
    assert [point.step for point in client.get_metric_history(run_id, "curves/train/loss")] == [5, 10, 15, 20]
    names = {item.path for item in client.list_artifacts(run_id)}
    assert names >= {"config.yaml", "scores.json", "predictions.nc", "figures", "checkpoints"}
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")  # through the server, whichever disk it has
    copy = Path(client.download_artifacts(run_id, "checkpoints/last.pt", str(tmp_path)))
    assert copy.read_bytes() == (folder / "checkpoints" / "last.pt").read_bytes()
    picture = Path(client.download_artifacts(run_id, "figures/learning_curves.png", str(tmp_path)))
    assert picture.read_bytes() == (folder / "figures" / "learning_curves.png").read_bytes()

    there = f"tracking.uri={server.uri}"
    assert dlgd("evaluate", f"run={run_id}").returncode == 2, "that run is not in the working folder's MLflow"
    done = dlgd("evaluate", f"run={run_id}", there)
    assert done.returncode == 0, done.stderr
    done = dlgd("train", f"resume={run_id}", there, "training.steps=30")
    assert done.returncode == 0, done.stderr
    assert json.loads(torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["state"])["step"] == 30
    assert [point.step for point in client.get_metric_history(run_id, "curves/train/loss")] == [5, 10, 15, 20, 25, 30]
    assert len(list((tmp_path / "outputs").glob("*/*"))) == 1
    done = dlgd("train", *DIGITS, f"init_from={run_id}", there)
    assert done.returncode == 0, done.stderr
    assert len(client.search_runs([run.info.experiment_id])) == 2
    assert not (tmp_path / "mlflow.db").exists()
    assert os.listdir(server.folder / "served")
