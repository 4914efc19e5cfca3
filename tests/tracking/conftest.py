import shutil

import pytest

from dlgd.tracking import store
from dlgd.tracking.mlflow import MLflow


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A fresh MLflow database, made once: its migrations take seconds."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    store.connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def place(tmp_path, monkeypatch, template):
    """A working folder that has MLflow's database already, and nothing else."""
    shutil.copy(template, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def tracker(place):
    """Makes trackers of the run folder place/run; closes those that a test leaves open."""
    made = []

    def make(**options):
        options = {"experiment": "tests", "folder": place / "run", "flush_seconds": 0.1} | options
        made.append(MLflow(**options))
        return made[-1]

    yield make
    for each in made:
        each.finish("FAILED")
