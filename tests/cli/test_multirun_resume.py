"""A multirun that is gone on with: what finished is kept, what is missing or failed is run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from omegaconf import OmegaConf

from dlgd.cli import multirun_resume
from dlgd.cli.multirun_summary import Outcome, read_outcome, read_outcomes
from dlgd.core.errors import Refusal
from dlgd.core.paths import ROOT
from tests.commands.tiny_digits import DIGITS

QUICK = [*DIGITS, "tracking=off"]


def recorded(folder: Path, *, task: list[str], hydra: list[str] = (), name: str = "train") -> Path:
    """A folder with Hydra's record of a multirun."""
    folder.mkdir(exist_ok=True)
    overrides = {"task": task, "hydra": ["hydra.mode=MULTIRUN", *hydra]}
    OmegaConf.save({"hydra": {"job": {"name": name}, "overrides": overrides}}, folder / "multirun.yaml")
    return folder


def test_the_options_are_those_that_were_typed(tmp_path):
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    folder = recorded(tmp_path / "m", task=["model=cnn,unet", "seed=0,1"], hydra=[*launcher, "hydra.sweep.dir=m"])
    place = f"hydra.sweep.dir='{folder}'"
    found = multirun_resume.arguments(["-m", f"resume={folder}"], "train")
    assert found == ["-m", "model=cnn,unet", "seed=0,1", *launcher, place]
    found = multirun_resume.arguments(["-m", f"resume='{folder}'", "hydra.launcher.n_jobs=4"], "train")
    assert found == ["-m", "hydra.launcher.n_jobs=4", "model=cnn,unet", "seed=0,1", launcher[0], place]
    found = multirun_resume.arguments(["-m", f"resume={folder}", "hydra/launcher=basic"], "train")
    assert found == ["-m", "hydra/launcher=basic", "model=cnn,unet", "seed=0,1", place]


def test_other_commands_are_left_alone():
    for typed in (["resume=x"], ["-m", "seed=0,1"], ["--help"]):
        assert multirun_resume.arguments(typed, "train") == typed


@pytest.mark.parametrize(
    ("task", "hydra"),
    [
        (["model._target_=os.system"], []),
        (["seed=${oc.env:HOME}"], []),
        (["--config-dir=evil"], []),
        (["+hydra.callbacks.x=y"], []),
        (["trust=[evil]"], []),
        (["model=../../evil/model"], []),
        (["+tracking.uri=http://collects.example"], []),
        (["seed=0"], ["hydra.launcher.setup=[reboot]"]),
        (["seed=0"], ["hydra.launcher._target_=os.system"]),
        (["seed=0"], ["hydra.searchpath=[file:///tmp]"]),
        (["seed=0"], ["hydra.job.env_set.PATH=x"]),
    ],
)
def test_a_record_names_no_code(tmp_path, task, hydra):
    folder = recorded(tmp_path / "m", task=task, hydra=hydra)
    with pytest.raises(Refusal, match=r"is not taken from a file: type (the command of the multirun|it) again"):
        multirun_resume.arguments(["-m", f"resume={folder}"], "train")


def test_what_cannot_be_resumed(tmp_path):
    folder = recorded(tmp_path / "m", task=["seed=0,1"], name="baseline")
    for typed, words in (
        ([f"resume={folder}"], "python -m dlgd.baseline"),
        ([f"resume={folder}", "seed=3"], "seed=3 cannot be changed"),
        ([f"resume={tmp_path}"], "not the folder of a multirun"),
        (["resume=nowhere"], "there is no folder nowhere"),
    ):
        with pytest.raises(Refusal, match=words):
            multirun_resume.arguments(["-m", *typed], "train")


def test_the_same_folder_means_the_same_runs(tmp_path):
    jobs = [["seed=0", "model=cnn"], ["seed=1", "model=cnn"]]
    multirun_resume.check_and_note(tmp_path, jobs)
    (tmp_path / "1").mkdir()
    Outcome(1, jobs[1], "FINISHED").write(tmp_path / "1")
    multirun_resume.check_and_note(tmp_path, [["model=cnn", "seed=0"], ["model=cnn", "seed=1"], ["seed=2"]])
    missing = multirun_resume.with_missing(tmp_path, read_outcomes(tmp_path))
    assert [one.status for one in missing.values()] == ["MISSING", "FINISHED", "MISSING"]
    for other in ([["seed=0"], ["seed=2", "model=cnn"]], [["seed=0"]]):
        with pytest.raises(Refusal, match=r"run 1 has .*seed=1.* where this one has"):
            multirun_resume.check_and_note(tmp_path, other)


def test_what_is_missing_or_failed_is_run_and_what_finished_is_kept(dlgd, tmp_path):
    typed = ["-m", *QUICK, "model.layers=7,4,6", "hydra.sweep.dir=m"]
    done = dlgd("train", *typed, "hydra.callbacks.multirun.fail_fast=true")
    assert done.returncode == 1, done.stderr
    assert "run 1 model.layers=4: has not begun" in done.stderr
    assert "-m resume=" in done.stderr
    assert sorted(one.number for one in read_outcomes(tmp_path / "m").values()) == [0]
    kept = read_outcome(tmp_path / "m" / "0")
    (tmp_path / "m" / "1").mkdir(exist_ok=True)
    again = [one.replace("model.layers=7", "model.layers=4") for one in kept.overrides]
    Outcome(1, again, "FINISHED", minutes=123.0).write(tmp_path / "m" / "1")
    done = dlgd("train", "-m", "resume=m")
    assert done.returncode == 1
    outcomes = {one.number: one for one in read_outcomes(tmp_path / "m").values()}
    assert [outcomes[number].status for number in range(3)] == ["FAILED", "FINISHED", "FINISHED"]
    assert outcomes[1].minutes == 123.0
    assert not (tmp_path / "m" / "1" / "scores.json").exists(), "it was not run again"
    assert "2 model.layers=6" in (tmp_path / "m" / "multirun.md").read_text()


def test_a_damaged_record(tmp_path):
    for text in ("", "[1]", "hydra: 3", "hydra: {job: {name: train}}", "a: b: c", "\0"):
        (tmp_path / "multirun.yaml").write_text(text)
        with pytest.raises(Refusal, match="is damaged"):
            multirun_resume.arguments(["-m", f"resume={tmp_path}"], "train")


def begin(tmp_path, cache, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "dlgd.train", "-m", *QUICK, "hydra.sweep.dir=m", *arguments],
        cwd=tmp_path,
        env=os.environ | {"DLGD_CACHE": str(cache), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(found, process, seconds=500):
    end = time.monotonic() + seconds
    while not (answer := found()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_an_interrupted_run_goes_on_from_its_checkpoint(dlgd, cache, tmp_path, launcher):
    if launcher == "submitit_local":
        pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra [slurm]")
    process = begin(tmp_path, cache, f"hydra/launcher={launcher}", "training.steps=400", "seed=0,1")
    try:
        wait_for((tmp_path / "m" / "0" / "checkpoints" / "last.pt").exists, process)
        process.send_signal(signal.SIGHUP)
        _, errors = process.communicate(timeout=200)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the group is of our own making
            process.communicate()
    assert process.returncode == 130, errors
    assert f"python -m dlgd.train -m resume={tmp_path}/m" in errors
    done = dlgd("train", "-m", "resume=m")
    assert done.returncode == 0, done.stderr
    assert {one.status for one in read_outcomes(tmp_path / "m").values()} == {"FINISHED"}
    log = (tmp_path / "m" / "0" / "train.log").read_text()
    assert log.count("Training from step") == 2
    assert log.count("Training from step 0 ") == 1


@pytest.mark.slow
def test_a_cluster_that_needs_the_machine(cache, tmp_path):
    """submitit's signal ends the run with a checkpoint; the job is requeued, and goes on from there."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra [slurm]")
    process = begin(tmp_path, cache, "hydra/launcher=submitit_local", "training.steps=400")
    last = tmp_path / "m" / "0" / "checkpoints" / "last.pt"
    try:
        wait_for(last.exists, process)
        children = psutil.Process(process.pid).children(recursive=True)
        (job,) = [one for one in children if "submitit.core._submit" in one.cmdline()]
        for one in job.children(recursive=True):
            one.send_signal(signal.SIGUSR2)  # SLURM sends it to all processes of the job
        job.send_signal(signal.SIGUSR2)
        wait_for(lambda: "requeued" in read_outcome(tmp_path / "m" / "0").error, process)
        assert json.loads((tmp_path / "m" / "0" / "outcome.json").read_text())["status"] == "KILLED"
        _, errors = process.communicate(timeout=500)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the group is of our own making
            process.communicate()
    assert process.returncode == 0, errors
    assert read_outcome(tmp_path / "m" / "0").status == "FINISHED"
    log = (tmp_path / "m" / "0" / "train.log").read_text()
    assert log.count("Training from step") == 2
    assert log.count("Training from step 0 ") == 1
