"""Tags of a run, in a repository and outside of one; flat configurations."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

import dlgd
from dlgd.core.paths import CONF
from dlgd.tracking.provenance import experiment_name, flatten, tags


def git(folder, *command):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    answer = subprocess.run(["git", *identity, *command], cwd=folder, capture_output=True, text=True, check=True)
    return answer.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_versions_and_machine(tmp_path):
    found = tags(device="cpu", root=tmp_path)
    assert found["device"] == "cpu"
    assert found["dlgd"] == dlgd.__version__
    assert found["numpy"] == np.__version__
    assert found["mlflow"] == metadata.version("mlflow")
    assert found["host"]
    assert all(isinstance(value, str) for value in found.values())


def test_a_committed_tree_is_clean_and_a_new_file_makes_it_dirty(repository):
    found = tags(device="cpu", root=repository)
    assert (found["git_hash"], found["git_dirty"]) == (git(repository, "rev-parse", "HEAD"), "false")
    (repository / "network.py").write_text("2\n")
    assert tags(device="cpu", root=repository)["git_dirty"] == "true"


def test_outside_of_a_repository(tmp_path, repository):
    unknown = {"git_hash": "unknown", "git_dirty": "unknown"}
    inside = repository / "site-packages"  # installed in a folder of someone else's repository
    inside.mkdir()
    assert unknown.items() <= tags(device="cpu", root=inside).items()


def test_without_a_repository_a_commit_or_git(tmp_path, monkeypatch):
    unknown = {"git_hash": "unknown", "git_dirty": "unknown"}
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert unknown.items() <= tags(device="cpu", root=tmp_path).items()
    git(tmp_path, "init", "-q")
    assert unknown.items() <= tags(device="cpu", root=tmp_path).items()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert unknown.items() <= tags(device="cpu", root=tmp_path).items()


def test_flatten():
    config = OmegaConf.create({"seed": 0, "model": {"widths": [8, 16], "norm": None}, "name": "${seed}", "empty": {}})
    assert flatten(config) == {"seed": 0, "model.widths": "[8, 16]", "model.norm": None, "name": 0}


def test_an_experiment_for_each_data_set_and_task():
    assert experiment_name(OmegaConf.create({"name": "nemovar", "seed": 0})) == "nemovar"
    assert experiment_name({"name": "mnist_5k", "task": "denoise"}) == "mnist_5k-denoise"
    assert experiment_name({"name": "mine", "task": None}) == "mine"


@pytest.mark.parametrize("choice", ["mlflow", "off"])
def test_each_choice_builds_its_tracker(tmp_path, choice):
    with initialize_config_dir(str(CONF / "tracking"), version_base="1.3"):
        config = compose(choice)
    tracker = instantiate(config, experiment="tests", folder=tmp_path)
    assert type(tracker).__name__.lower() == choice
    assert tracker.run_id is None


def test_naming_a_tracker_imports_no_mlflow():
    """A command that is refused must not wait for MLflow's seconds of import."""
    code = "import sys, dlgd.tracking.mlflow, dlgd.tracking.provenance; sys.exit('mlflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(dlgd.__file__).parents[1], check=True)
