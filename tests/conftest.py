"""Shared by all tests: one thread, no telemetry, and a command runner."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from dlgd.cli import main_file, own_folders
from dlgd.core.paths import ROOT
from tests.forked import Forks

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("DLGD_CACHE", "cache")  # in the working folder of each test; never that of a person

# a background job of a shell starts with Ctrl-C ignored, nohup with SIGHUP, and so would the commands under test
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
torch.set_num_threads(1)  # two on cores that are shared are slower than one


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests that need a GPU where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(autouse=True)
def no_own_folders():
    """A process has one command, except here: the folders that one names are not those of the next."""
    yield
    own_folders.forget()
    main_file.forget()


@pytest.fixture(autouse=True)
def log_levels():
    """A command that runs inside a test sets what is logged: the next test begins with what was logged before."""
    loggers = [logging.getLogger(name) for name in (None, "dlgd")]
    before = [(logger, logger.level) for logger in loggers]
    yield
    for logger, level in before:
        logger.setLevel(level)


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """One data cache for all commands of a session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def forks():
    """A process that runs commands in forks of itself, started when it is first needed."""
    started = []

    def get() -> Forks:
        if not started:
            started.append(Forks(os.environ))
        return started[0]

    yield get
    for one in started:
        one.close()


@pytest.fixture
def dlgd(cache, tmp_path, forks):
    """Run `python -m dlgd.<command> ...` in an empty working folder and return the finished process."""

    def run(command: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        own = os.environ | {"DLGD_CACHE": str(cache), "PYTHONPATH": str(ROOT)} | (environment or {})
        if Path(own["PYTHONPATH"].split(os.pathsep)[0]).resolve() == ROOT:
            return forked(command, arguments, own)
        return subprocess.run(  # of another checkout
            [sys.executable, "-m", f"dlgd.{command}", *arguments],
            cwd=tmp_path, env=own, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    def forked(command: str, arguments: tuple[str, ...], own: Mapping[str, str]) -> subprocess.CompletedProcess:
        ended = forks().run(command, *arguments, cwd=tmp_path, environment=own, hangs_after=300)
        if ended.hung:
            raise subprocess.TimeoutExpired([command, *arguments], 300, ended.stdout, ended.stderr)
        return subprocess.CompletedProcess([command, *arguments], ended.code, ended.stdout, ended.stderr)

    return run


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A fresh MLflow database, made once: its migrations take seconds."""
    from dlgd.tracking import store

    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    store.connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def database(tmp_path, template):
    """MLflow's database in the working folder of the commands of a test."""
    shutil.copy(template, tmp_path / "mlflow.db")


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


@pytest.fixture(autouse=True)
def no_log_handler_is_left():
    """A handler that a test leaves would write into a stream that is closed when the next one logs."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    for handler in [one for one in root.handlers if one not in before and type(one) is logging.StreamHandler]:
        root.removeHandler(handler)
