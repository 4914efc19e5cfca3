"""The folder of a run is its own: what would replace something in it is refused before a file is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from dlgd.cli import run_folder
from dlgd.core.errors import Refusal
from dlgd.core.paths import ROOT
from tests.commands.tiny_digits import DIGITS

QUICK = [*DIGITS, "tracking=off"]

HOLD = """
import sys, time
from pathlib import Path
from dlgd.cli import run_folder
kept = run_folder.lock(Path("run"))
print("locked", flush=True)
time.sleep(100)
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def finished(tmp_path):
    """A folder that looks like that of a finished training."""
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("checkpoints/last.pt", "config.yaml", "scores.json", "train.log"):
        (folder / name).write_text("precious")
    return folder


@pytest.mark.parametrize(
    "typed",
    [
        ("train", *QUICK),
        ("baseline", "baseline=pca", "data=mnist_5k", "tracking=off"),
        ("sweep", "sweep=mnist_5k", "tracking=off"),
        ("compare", "runs.experiment=mnist_5k"),
    ],
    ids=lambda typed: typed[0],
)
def test_a_finished_run_is_not_overwritten(dlgd, finished, typed):
    before = contents(finished)
    done = dlgd(*typed, f"hydra.run.dir={finished}")
    assert done.returncode == 2, done.stdout
    assert "type another" in done.stderr
    assert ("resume=" in done.stderr) == (typed[0] in ("train", "baseline"))
    assert contents(finished) == before


def test_a_multirun_does_not_go_into_a_run(dlgd, finished):
    before = contents(finished)
    done = dlgd("train", "-m", *QUICK, f"hydra.sweep.dir={finished}")
    assert done.returncode == 2
    assert "is the folder of a run" in done.stderr
    assert contents(finished) == before


@pytest.mark.parametrize("name", ["config.yaml", "predictions.nc", "metrics.jsonl"])
def test_files_of_another_program_are_not_replaced(tmp_path, name):
    (tmp_path / name).write_text("precious")
    config = OmegaConf.create({"resume": None})
    with pytest.raises(Refusal, match=f"has a file {name} of another program, which would be replaced"):
        run_folder.check(config, "config", tmp_path, may_replace=False)
    run_folder.lock(tmp_path).release()  # of a run that ended before its first checkpoint, and begins anew
    run_folder.check(config, "config", tmp_path, may_replace=False)


def test_a_run_does_not_go_into_a_multirun(tmp_path):
    (tmp_path / "multirun.yaml").write_text("hydra: {}\n")
    with pytest.raises(Refusal, match="is the folder of a multirun"):
        run_folder.check(OmegaConf.create({"resume": None}), "config", tmp_path, may_replace=False)


@pytest.mark.parametrize("text", ["", ".", "conf/mine", str(ROOT), f"{ROOT}/dlgd/core"])
def test_nothing_is_written_among_sources(monkeypatch, text):
    monkeypatch.chdir(ROOT)
    with pytest.raises(Refusal, match=r"hydra\.run\.dir"):
        run_folder.refuse_sources(text, "hydra.run.dir")


def test_other_folders_are_taken(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    for text in ("outputs/a", "runs", str(tmp_path)):
        run_folder.refuse_sources(text, "hydra.run.dir")
    (tmp_path / "mine.py").touch()
    with pytest.raises(Refusal, match="source"):
        run_folder.refuse_sources(str(tmp_path), "hydra.run.dir")


def test_a_resumed_run_goes_on_in_its_own_folder(finished, tmp_path):
    config = OmegaConf.create({"resume": str(finished), "tracking": {"uri": None}})
    run_folder.check(config, "config", finished, may_replace=False)
    with pytest.raises(Refusal, match="leave it out"):
        run_folder.check(config, "config", tmp_path / "other", may_replace=False)


def test_one_process_at_a_time(dlgd, finished, tmp_path):
    """And a process that is killed leaves no lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"locked\n"
        before = contents(finished)
        done = dlgd("train", "resume=run")
        assert done.returncode == 2
        assert f"in use: process {process.pid} on {os.uname().nodename} still writes there" in done.stderr
        assert contents(finished) == before
        assert run_folder.in_use(finished)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    end = time.monotonic() + 10
    while run_folder.in_use(finished):
        assert time.monotonic() < end
    run_folder.lock(finished).release()
