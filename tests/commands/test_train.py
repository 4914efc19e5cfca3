"""The main job as a person runs it: commands in an empty folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import xarray as xr

from dlgd.core.paths import ROOT
from tests.commands.tiny_run import TINY

pytestmark = pytest.mark.usefixtures("database")

SMALL = [*TINY, "model.width=8", "model.layers=4", "training=debug", "~evaluation.methods.randomization_100"]
QUICK = [*SMALL, "evaluation.methods=null", "tracking=off", "scheduler=none"]


def run_folder(where: Path) -> Path:
    (folder,) = (where / "outputs").glob("*/*")
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["weights"]


@pytest.fixture
def trained(dlgd, tmp_path):
    done = dlgd("train", *SMALL, "tracking=off")
    assert done.returncode == 0, done.stderr + done.stdout
    return run_folder(tmp_path)


@pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated")  # MLflow's use of SQLAlchemy
def test_leaves_everything_in_the_run_folder_and_in_mlflow(dlgd, tmp_path):
    done = dlgd("train", *SMALL)
    assert done.returncode == 0, done.stderr + done.stdout
    folder = run_folder(tmp_path)
    for name in (
        "config.yaml",
        "scores.json",
        "predictions.nc",
        "train.log",
        "checkpoints/last.pt",
        "checkpoints/best_loss.pt",
    ):
        assert (folder / name).stat().st_size > 0
    figures = {path.name for path in (folder / "figures").glob("*.png")}
    assert figures >= {"sample.png", "mean_error.png", "distance.png", "overview.png", "learning_curves.png"}
    rows = json.loads((folder / "scores.json").read_text())
    assert [row["method"] for row in rows] == [
        *("resnet", "homogeneous", "separable", "bridge"),
        *("exact 0.01", "exact 0.0001", "exact 1e-06"),
    ]
    assert "Coulaud 2022" not in done.stdout, "printed of another grid"
    assert xr.open_dataset(folder / "predictions.nc").gamma_predicted.attrs["units"] == "m"

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'nemovar'")
    (run,) = client.search_runs([experiment.experiment_id], filter_string="params.model = 'resnet'")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/eps_mean"] == pytest.approx(rows[0]["eps_mean"])
    assert run.data.params["training.steps"] == "20"
    assert len(run.data.tags["data_checksum"]) > 20
    assert {item.path for item in client.list_artifacts(run.info.run_id)} >= {
        "config.yaml",
        "scores.json",
        "figures",
        "checkpoints",
    }


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_interrupted_then_resumed_equals_uninterrupted(dlgd, cache, tmp_path, number):
    folder = tmp_path / "interrupted"
    command = [sys.executable, "-m", "dlgd.train", *QUICK, f"hydra.run.dir={folder}", "training.steps=3000"]
    # scheduler=none: the others follow the budget, which is not the same here
    environment = os.environ | {"DLGD_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    while not (folder / "checkpoints" / "last.pt").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(number)
    process.wait(60)
    process.stderr.close()
    stopped = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)
    step = json.loads(stopped["state"])["step"]
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    target = step + 15
    assert dlgd("train", f"resume={folder}", f"training.steps={target}").returncode == 0
    whole = tmp_path / "whole"
    done = dlgd("train", *QUICK, f"training.steps={target}", f"hydra.run.dir={whole}")
    assert done.returncode == 0, done.stderr
    first, second = weights(folder), weights(whole)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not (tmp_path / "outputs").exists(), "resuming makes no folder of its own"


def test_evaluate_repeats_the_scores_of_the_run(dlgd, trained):
    done = dlgd("evaluate", f"run={trained}")
    assert done.returncode == 0, done.stderr
    before = json.loads((trained / "scores.json").read_text())[0]
    after = json.loads((trained / "evaluation" / "test" / "scores.json").read_text())[0]
    assert after["eps_mean"] == pytest.approx(before["eps_mean"], rel=1e-6)


def test_evaluate_on_another_data_set(dlgd, trained):
    """The scores are those of the other data, with its own table; data that look otherwise are refused."""
    other = ["data=mercator", *(one for one in TINY if one.startswith("data.")), "evaluation.methods=null"]
    other += ["evaluation.published=all"]
    done = dlgd("evaluate", f"run={trained}", *other)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((trained / "evaluation" / "mercator-test" / "scores.json").read_text())
    assert row["eps_mean"] != json.loads((trained / "scores.json").read_text())[0]["eps_mean"]
    assert "Coulaud 2022, table 9" in done.stdout
    done = dlgd("evaluate", f"run={trained}", *other, "data.features=standardized")
    assert done.returncode == 0, done.stderr
    assert "As the network was trained: data.features=dimensionless" in done.stdout + done.stderr
    done = dlgd("evaluate", f"run={trained}", "data=lorenz63")
    assert done.returncode == 2
    assert "the network was trained with log_coupling_i" in done.stderr


def test_predict_on_a_file_equals_the_predictions_of_the_run(dlgd, trained, cache, tmp_path):
    (sample_file,) = cache.glob("nemovar-*/test-000.nc")
    sample = xr.open_dataset(sample_file).load()
    grid = xr.open_dataset(sample_file.with_name("grid.nc")).load()
    mine = xr.merge(
        [sample.drop_vars("gamma"), grid], combine_attrs="drop_conflicts", compat="no_conflicts", join="outer"
    )
    mine.to_netcdf(tmp_path / "mine.nc")
    done = dlgd("predict", f"run={trained}", f"input={tmp_path}/mine.nc", f"output={tmp_path}/gamma.nc")
    assert done.returncode == 0, done.stderr
    ours = xr.open_dataset(tmp_path / "gamma.nc").gamma_predicted
    theirs = xr.open_dataset(trained / "predictions.nc").gamma_predicted
    alone = tmp_path / "network.pt"  # a checkpoint holds all that is needed
    (trained / "checkpoints" / "best_loss.pt").rename(alone)
    done = dlgd("predict", f"run={alone}", f"input={tmp_path}/mine.nc", f"output={tmp_path}/again.nc")
    assert done.returncode == 0, done.stderr
    xr.testing.assert_equal(xr.open_dataset(tmp_path / "again.nc").gamma_predicted, ours)
    xr.testing.assert_allclose(ours.drop_vars(list(ours.coords)), theirs.drop_vars(list(theirs.coords)), rtol=1e-5)
    assert ours.attrs["units"] == "m"


def test_multirun(dlgd, tmp_path):
    done = dlgd(
        "train", "-m", "model=cnn,resnet", *TINY, "model.width=8", "model.layers=4", "training=debug", "tracking=off"
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "multirun").glob("*/*/*/scores.json"))) == 2


def test_baseline_and_simulate(dlgd, tmp_path):
    assert dlgd("simulate", *TINY).returncode == 0
    done = dlgd("baseline", *TINY, "baseline=exact", "tracking=off")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((run_folder(tmp_path) / "scores.json").read_text())
    assert row["eps_max"] < 2e-4, "exact coefficients at 1e-4 against those of the simulator"
