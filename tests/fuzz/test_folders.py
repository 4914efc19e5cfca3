"""Damaged files in the folder of a run, of a multirun and of MLflow, and outputs that are no files."""

from __future__ import annotations

import collections
import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from dlgd.cli import multirun_summary
from dlgd.cli.multirun_summary import Outcome
from tests.fuzz import damages
from tests.fuzz.commands import Done

PREDICT = ("predict", "run=run", "input=own.nc")


def said(done: Done, *words: str) -> None:
    assert done.kind == "refused", done
    for word in words:
        assert word in done.stderr, done.stderr


# --- the folder of a run -------------------------------------------------------------------------------------------


def config_counts(commands, *, seeds: range) -> collections.Counter[str]:
    folder, found = commands.folder / "damaged", collections.Counter()
    content = (commands.folder / "run" / "config.yaml").read_bytes()
    for seed in seeds:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(commands.folder / "run", folder)
        rng = np.random.default_rng(seed)
        (folder / "config.yaml").write_bytes(damages.damaged(content, rng))
        if rng.random() < 0.3:
            (folder / "checkpoints" / "last.pt").write_bytes(b"")
        command = [("evaluate", "run=damaged"), ("train", "resume=damaged", "training.steps=2"),
                   ("predict", "run=damaged", "input=own.nc", "output=damaged.nc")][rng.integers(3)]  # fmt: skip
        done = commands.run(*command)
        found[done.kind] += 1
        if done.kind not in ("accepted", "refused"):
            print(seed, done)
    return found


def test_some_damages_of_a_configuration(commands):
    found = config_counts(commands, seeds=range(8))
    assert found.keys() <= {"accepted", "refused"}, found


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_hundreds_of_damages_of_a_configuration(commands):
    found = config_counts(commands, seeds=range(300))
    print(f"config.yaml: {dict(found)}")
    assert found.keys() <= {"accepted", "refused"}, found


# --- outputs and inputs --------------------------------------------------------------------------------------------


def test_an_output_that_is_no_file_stays_what_it_is(commands):
    fifo = commands.folder / "fifo"
    os.mkfifo(fifo)
    said(commands.run(*PREDICT, "output=fifo"), "output=fifo is no regular file")
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    said(commands.run(*PREDICT, "output=run"), "output=run is no regular file")
    said(commands.run(*PREDICT, "output=own.nc"), "output=own.nc is among the input")
    said(commands.run("predict", "run=run", "input=fifo", "output=new.nc"), "fifo is no regular file")
    said(commands.run("predict", "run=run", "input=run", "output=new.nc"), "holds no PNG or JPEG")
    said(commands.run("predict", "run=run", "input=[1]", "output=new.nc"), "input=[1] must be the path of a file")
    said(commands.run("evaluate", "run=run", "input=null", "criterion=3"), "criterion=3")


def test_a_file_of_words_is_no_input(commands):
    import xarray as xr

    words = np.full((2, 28, 28), "grey")
    xr.Dataset({"intensity": (("sample", "y", "x"), words)}).to_netcdf(commands.folder / "words.nc")
    said(
        commands.run("predict", "run=run", "input=words.nc", "output=new.nc"), "intensity in words.nc must hold numbers"
    )


# --- memory and batches --------------------------------------------------------------------------------------------


def test_too_little_memory_is_said_with_what_to_reduce(commands):
    from tests.fuzz.conftest import NETWORK, SMALL

    done = commands.run("train", *SMALL, *NETWORK, "model.sizes=[100000,100000]", stop_after=60)
    said(done, "there is not enough memory", "reduce training.batch_size")


def test_a_batch_normalization_needs_two_samples(commands):
    from tests.fuzz.conftest import SMALL

    generate = [word.replace("evaluation=classify", "evaluation=generate") for word in SMALL]
    vae = ["model=vae", "data.task=generate", "training=debug", "training.steps=1", "training.batch_size=1"]
    said(commands.run("train", *generate, *vae, stop_after=60), "training.batch_size=2 or more")


# --- multiruns and MLflow ------------------------------------------------------------------------------------------


def test_damaged_outcomes_and_scores_of_a_multirun(tmp_path, caplog):
    rows = json.dumps([{"method": "network", "accuracy": 90.0}])
    for seed in range(200):
        rng, run = np.random.default_rng(seed), tmp_path / str(seed)
        run.mkdir()
        Outcome(seed, ["seed=1"], status="FINISHED").write(run)
        for name, content in (("outcome.json", (run / "outcome.json").read_bytes()), ("scores.json", rows.encode())):
            (run / name).write_bytes(damages.damaged(content, rng))
    outcomes = multirun_summary.read_outcomes(tmp_path)
    assert len(outcomes) == 200
    damaged = [one for one in outcomes.values() if "outcome.json is damaged" in one.error]
    assert len(damaged) > 100
    assert {one.status for one in damaged} == {"FAILED"}, "so that they are run again"
    for run in outcomes:
        multirun_summary._first_row(run / "scores.json")
    assert "scores.json is damaged" in caplog.text


def database_counts(commands, *, seeds: range) -> collections.Counter[str]:
    found, path = collections.Counter(), commands.folder / "damaged.db"
    content = (commands.folder / "mlflow.db").read_bytes()
    for seed in seeds:
        path.write_bytes(damages.damaged(content, np.random.default_rng(seed)))
        for left in Path(commands.folder).glob("damaged.db-*"):
            left.unlink()
        done = commands.run("compare", "runs.experiment=mnist_5k", "tracking.uri=sqlite:///damaged.db", stop_after=60)
        found[done.kind] += 1
        if done.kind not in ("accepted", "refused"):
            print(seed, done)
    return found


def test_some_damages_of_a_database(commands):
    found = database_counts(commands, seeds=range(6))
    assert found.keys() <= {"accepted", "refused"}, found


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_hundred_damages_of_a_database(commands):
    found = database_counts(commands, seeds=range(100))
    print(f"mlflow.db: {dict(found)}")
    assert found.keys() <= {"accepted", "refused"}, found
