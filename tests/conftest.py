"""Shared by all tests: one thread, no telemetry, and a command runner."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dlgd.cli import own_folders
from dlgd.core.paths import ROOT

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("DLGD_CACHE", "cache")  # in the working folder of each test; never that of a person

# a background job of a shell starts with Ctrl-C ignored, nohup with SIGHUP, and so would the commands under test
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
torch.set_num_threads(1)  # two on cores that are shared are slower than one


@pytest.fixture(autouse=True)
def no_own_folders():
    """A process has one command, except here: the folders that one names are not those of the next."""
    yield
    own_folders.forget()


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """One data cache for all commands of a session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def dlgd(cache, tmp_path):
    """Run `python -m dlgd.<command> ...` in an empty working folder and return the finished process."""

    def run(command: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", f"dlgd.{command}", *arguments],
            cwd=tmp_path,
            env=os.environ | {"DLGD_CACHE": str(cache), "PYTHONPATH": str(ROOT)} | (environment or {}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A fresh MLflow database, made once: its migrations take seconds."""
    from dlgd.tracking import store

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
    from dlgd.tracking.mlflow import MLflow

    made = []

    def make(**options):
        options = {"experiment": "tests", "folder": place / "run", "flush_seconds": 0.1} | options
        made.append(MLflow(**options))
        return made[-1]

    yield make
    for each in made:
        each.finish("FAILED")
