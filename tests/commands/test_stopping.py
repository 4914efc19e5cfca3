"""Ctrl-C, a kill and a closed terminal end every command alike: in order, with its records, and saying how to go on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from dlgd.core.interruption import SIGNALS
from dlgd.core.paths import ROOT
from tests.commands.tiny_digits import DIGITS
from tests.commands.tiny_run import TINY

pytestmark = pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated")  # MLflow's use of SQLAlchemy

# Code of a person, which Python loads before the command: it waits at a place where a signal is to arrive.
WAIT = """
import sys, time
import {module} as place
original = place.{function}
def waiting(*args, **options):
    open("reached", "w").close()
    time.sleep(100)
    return original(*args, **options)
place.{function} = waiting
sys.argv[0] = "{command}"
from dlgd.{command} import main
main()
"""


@pytest.fixture
def begin(cache, tmp_path):
    """Begin a command that waits where `function` of `module` is called, in an empty working folder."""
    begun = []

    def start(command: str, *arguments: str, at: tuple[str, str], ignored: bool = False) -> subprocess.Popen:
        script = tmp_path / "command.py"
        script.write_text(WAIT.format(module=at[0], function=at[1], command=command))
        process = subprocess.Popen(
            [*(["nohup"] if ignored else []), sys.executable, script, *arguments],
            cwd=tmp_path,
            env=os.environ | {"DLGD_CACHE": str(cache), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        end = time.monotonic() + 200
        while not (tmp_path / "reached").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.05)
        return process

    yield start
    for process in begun:
        with process:  # closes its pipe and waits for it
            process.kill()


def statuses(where: Path) -> list[str]:
    client = MlflowClient(f"sqlite:///{where}/mlflow.db")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return [run.info.status for run in runs]


SLOW = pytest.mark.slow  # one of them is tried in the fast tests


@pytest.mark.parametrize("number", [signal.SIGHUP, *(pytest.param(one, marks=SLOW) for one in SIGNALS[:2])])
def test_while_a_network_is_scored(begin, dlgd, tmp_path, number):
    process = begin("train", *DIGITS, "training.steps=5", at=("dlgd.cli.training", "report"))
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert statuses(tmp_path) == ["KILLED"]
    (resume,) = re.findall(r"dlgd: stopped; go on with: python -m dlgd\.train (resume=.*)", errors)
    assert "Traceback" not in errors
    if number == signal.SIGHUP:
        done = dlgd("train", resume)
        assert done.returncode == 0, done.stderr
        assert statuses(tmp_path) == ["FINISHED"]


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("command", "place", "options"),
    [
        ("train", ("dlgd.problems.normalization.data.simulated", "NormalizationCoefficients.prepare"), TINY),
        ("simulate", ("dlgd.problems.normalization.data.simulated", "NormalizationCoefficients.prepare"), TINY),
        ("baseline", ("dlgd.scoring.report", "report"), TINY),
        ("train", ("dlgd.tracking.store", "connect"), TINY),
    ],
)
def test_wherever_it_is(begin, tmp_path, number, command, place, options):
    process = begin(command, *options, at=place)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "type the same command again" in errors
    assert "Traceback" not in errors
    if (tmp_path / "mlflow.db").exists():
        assert set(statuses(tmp_path)) <= {"KILLED"}


@pytest.mark.slow
def test_nohup(begin):
    process = begin("train", *DIGITS, "tracking=off", at=("dlgd.cli.training", "report"), ignored=True)
    process.send_signal(signal.SIGHUP)
    time.sleep(1.0)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
