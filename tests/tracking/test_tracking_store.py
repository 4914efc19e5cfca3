"""From runs to folders and back, and runs whose process has died."""

import os
import shutil
import subprocess
import sys

import psutil
import pytest
from hydra import compose, initialize_config_dir
from mlflow import MlflowClient
from omegaconf import OmegaConf

from dlgd.cli import runs
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.tracking import store

START = {"name": "a run", "params": {}, "tags": {}}


def test_a_run_leads_to_its_folder(place, tracker):
    mlflow = tracker()
    mlflow.start(**START)
    assert store.find_run_folder(mlflow.run_id) == place / "run"
    assert store.read_run_id(place / "run") == mlflow.run_id
    mlflow.finish("FINISHED")
    shutil.rmtree(place / "run")
    with pytest.raises(Refusal, match="not on this machine"):
        store.find_run_folder(mlflow.run_id)


@pytest.mark.parametrize("run_id", ["0" * 32, "outputs/no such folder"])
def test_an_unknown_run_is_refused(place, run_id):
    with pytest.raises(Refusal, match="neither a run folder nor a run"):
        store.find_run_folder(run_id)


def test_a_run_of_another_program_is_refused(place):
    client = MlflowClient(f"sqlite:///{place}/mlflow.db")
    run_id = client.create_run("0").info.run_id
    with pytest.raises(Refusal, match="not made by dlgd"):
        store.find_run_folder(run_id)


def test_looking_for_a_run_makes_no_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(Refusal, match="there is no database"):
        store.find_run_folder("0" * 32)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_is_named_without_its_password():
    with pytest.raises(Refusal, match=r"MLflow at http://127.0.0.1:9 cannot be asked"):
        store.find_run_folder("0" * 32, uri="http://me:secret@127.0.0.1:9")


def test_the_environment_names_the_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store.locate(None) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere:5000")
    assert store.locate(None) == "http://somewhere:5000"
    assert store.locate("sqlite:///other.db") == f"sqlite:///{tmp_path}/other.db"


def test_the_address_typed_beside_an_id_is_where_it_is_looked_up(place, tracker):
    there = f"sqlite:///{place}/elsewhere/mlflow.db"
    mlflow = tracker(uri=there)
    mlflow.start(**START)
    mlflow.finish("FINISHED")
    whole = {name: 3 if name == "seed" else {} for name in runs.NEEDED}
    (place / "run" / runs.CONFIG).write_text(OmegaConf.to_yaml(OmegaConf.create(whole)))
    typed = [f"resume={mlflow.run_id}", f"tracking.uri={there}"]
    with pytest.raises(Refusal, match="neither a run folder nor a run"):
        runs.refuse_lost_run(typed[:1])
    runs.refuse_lost_run(typed)
    OmegaConf.register_new_resolver("run_folder", runs.run_folder, replace=True)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=typed, return_hydra_config=True)
    assert config.hydra.run.dir == str(place / "run")
    for other in ("evaluate", "predict"):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose(other, overrides=[f"run={mlflow.run_id}", typed[1]])
        assert runs.find_trained(config.run, config) == (place / "run", whole)


KILLED = """
import os, signal
from dlgd.tracking.mlflow import MLflow
tracker = MLflow(experiment="tests", folder="killed")
tracker.start(name="killed", params={}, tags={})
tracker.log({"loss": 1.0}, 0)
print(tracker.run_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_closed_by_the_next_and_can_be_continued(place, tracker, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(store.__file__).split("/dlgd/")[0])
    child = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False, cwd=place)
    run_id = child.stdout.strip()
    client = MlflowClient(f"sqlite:///{place}/mlflow.db")
    assert client.get_run(run_id).info.status == "RUNNING"
    other = tracker(folder=place / "other")
    other.start(**START)
    assert client.get_run(run_id).info.status == "KILLED"
    assert client.get_run(other.run_id).info.status == "RUNNING"

    again = tracker(folder=place / "killed")
    again.start(**START, run_id=run_id)
    assert again.run_id == run_id
    assert client.get_run(run_id).info.status == "RUNNING"
    again.finish("FINISHED")
    points = client.get_metric_history(run_id, "loss")  # what SIGKILL kept from being sent
    assert [(point.step, point.value) for point in points] == [(0, 1.0)]


def test_who_is_alive():
    assert store.is_alive(store.owner())
    host, pid, started = store.owner().rsplit(":", 2)
    assert not store.is_alive(f"{host}:{pid}:{int(started) - 100}")  # the number was given to a later process
    assert store.is_alive(f"another-host:{pid}:0")  # cannot be judged from here
    child = subprocess.Popen([sys.executable, "-c", ""])
    owner = f"{host}:{child.pid}:{psutil.Process(child.pid).create_time():.0f}"
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert not store.is_alive(owner)
    child.wait()
    assert not store.is_alive(owner)
