"""The best network as a model of MLflow: it answers as dlgd does, says in which units, and can be registered."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from dlgd import build
from dlgd.cli import mlflow_model, runs
from dlgd.core.errors import Refusal
from dlgd.core.paths import ROOT
from dlgd.scoring.trained import Trained
from dlgd.tracking import models
from dlgd.training import checkpoint

FROZEN = ROOT / "tests" / "frozen"
NAMES = sorted(path.stem for path in (FROZEN / "inputs").glob("*.nc"))
# MLflow warns of itself when it is imported and when it loads.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
START = {"name": "a run", "params": {}, "tags": {}}


def made(name: str, folder: Path):
    """The model of a run that was recorded long ago, with its network and the samples that it predicted."""
    run = FROZEN / "runs" / name
    config, data, network, _ = build.trained(run, runs.read_config(run), None)
    samples = data.read(FROZEN / "inputs" / f"{name}.nc")
    trained = Trained(name=name, network=network, data=data, device=torch.device("cpu"))
    best = checkpoint.best_path(run, config.training.criteria[0])
    path = mlflow_model.write(folder, trained=trained, samples=samples, evaluation=build.evaluation(config), best=best)
    return path, trained, samples, build.evaluation(config)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_answers_as_the_network_of_its_run(name, place):
    path, trained, samples, evaluation = made(name, place)
    model = mlflow.pyfunc.load_model(str(path))
    inputs = model.metadata.signature.inputs.input_names()
    answer = model.predict({one: samples[one].values for one in inputs})
    assert sorted(answer) == sorted(model.metadata.signature.outputs.input_names())
    needed = samples.drop_vars([one for one in trained.data.truth if one not in inputs])
    wanted = evaluation.dataset(needed, trained.predict(needed))
    for one, values in answer.items():
        np.testing.assert_allclose(values, wanted[one].values, rtol=1e-6, equal_nan=True)
        assert not np.isnan(values).all()
    assert set(model.metadata.metadata["units"]) == {*inputs, *answer}


def test_a_model_of_a_network_that_generates(place):
    """Its samples have no truth once what is not needed is left out: a class is asked for."""
    run = FROZEN / "runs" / "digits_gan"
    config, data, network, _ = build.trained(run, runs.read_config(run), None)
    samples = data.tiny().samples("test").isel(sample=slice(3))
    trained = Trained(name="gan", network=network, data=data, device=torch.device("cpu"))
    evaluation, best = build.evaluation(config), checkpoint.best_path(run, config.training.criteria[0])
    path = mlflow_model.write(place, trained=trained, samples=samples, evaluation=evaluation, best=best)
    answer = mlflow.pyfunc.load_model(str(path)).predict({"label": samples.label.values})
    assert answer["intensity_generated"].shape == samples.intensity.shape
    assert ((answer["intensity_generated"] >= 0) & (answer["intensity_generated"] <= 1)).all()


def test_a_large_sample_is_no_example_and_no_warning(place, monkeypatch):
    monkeypatch.setattr(mlflow_model, "MOST_NUMBERS", 0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        path, *_ = made(NAMES[0], place)
    assert "input example" not in " ".join(str(one.message) for one in said)
    assert mlflow.pyfunc.load_model(str(path)).metadata.saved_input_example_info is None


def test_what_a_model_says_of_itself(place):
    path, _, samples, _ = made("nemovar_resnet", place)
    model = mlflow.pyfunc.load_model(str(path))
    assert model.metadata.signature.inputs.input_names() == ["alpha_i", "alpha_j"]
    assert model.metadata.metadata["units"]["gamma_predicted"] == "m"
    assert f"torch=={torch.__version__.partition('+')[0]}" in (path / "requirements.txt").read_text().split()
    example = model.input_example
    assert example["alpha_i"].shape == (1, *samples.alpha_i.shape[1:])
    assert not list(path.rglob("*.pkl"))
    two = {name: np.concatenate([samples[name].values] * 2) for name in ("alpha_i", "alpha_j")}
    assert model.predict(two)["gamma_predicted"].shape == (2, *samples.mask.shape)
    inner = model._model_impl
    with pytest.raises(Refusal, match="the input has no alpha_j: the model needs alpha_i, alpha_j"):
        inner.predict({"alpha_i": samples.alpha_i.values})
    assert mlflow_model._free(path).name == "model_2"


def test_the_tracker_records_a_model_that_can_be_registered(place, tracker):
    path, _, samples, _ = made("digits_cnn", place / "run")
    one = tracker()
    one.start(**START | {"params": {"model": "cnn", "model.width": 8, "seed": 0}})
    one.artifact(path, mlflow_model.NAME)
    one.finish("FINISHED")
    client = MlflowClient(f"sqlite:///{place}/mlflow.db")
    models.send(client, one.run_id, path, mlflow_model.NAME)  # once more, as after half a failure
    run = client.get_run(one.run_id)
    (output,) = run.outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert "| intensity | input | float32 | any x 28 x 28 | 1 |" in logged.tags["mlflow.note.content"]
    assert logged.params == {"model": "cnn", "model.width": "8"}
    assert (logged.name, logged.source_run_id, logged.status.value) == ("model", one.run_id, "READY")
    mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
    try:
        version = mlflow.register_model(f"models:/{output.model_id}", "digits")
        model = mlflow.pyfunc.load_model(f"models:/digits/{version.version}")
    finally:
        mlflow.set_tracking_uri(None)
    assert model.metadata.run_id == one.run_id
    assert model.predict({"intensity": samples.intensity.values})["probability"].shape == (2, 10)


LOADED = """
import json
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps(model.metadata.signature.inputs.input_names()))
"""


def test_loading_unpickles_nothing_of_pythons_own(place):
    path, *_ = made("digits_cnn", place)
    code = HOOK + LOADED
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "MLFLOW_DISABLE_TELEMETRY": "true"}, cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["intensity"]


# An audit event of every global that pickle would look up.
HOOK = """
import sys
def watch(event, arguments):
    if event == "pickle.find_class":
        raise RuntimeError(f"unpickles {arguments}")
sys.addaudithook(watch)
"""
