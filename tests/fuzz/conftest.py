"""Commands in a folder that has a run, a file to predict from and a database of MLflow; made once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

from dlgd.tracking import store
from tests.fuzz.commands import Commands

SMALL = [
    *("data=mnist_5k", "data.samples.train=40", "data.samples.valid=20", "data.samples.test=20"),
    *("evaluation=classify", "evaluation.methods=null", "tracking=off", "device=cpu", "seed=1"),
]
NETWORK = ["model=mlp", "training=debug", "training.steps=1", "optimizer.lr=1e-3", "loss=cross_entropy"]


def prepare(commands: Commands) -> None:
    """Make the run `run`, `own.nc` and `mlflow.db` in the folder of the commands."""
    done = commands.run("train", *SMALL, *NETWORK, "hydra.run.dir=run", stop_after=600)
    assert (done.code, done.stderr.count("Traceback")) == (0, 0), done.stderr
    store.connect(f"sqlite:///{commands.folder}/mlflow.db")
    intensity = np.random.default_rng(0).random((2, 28, 28)).astype(np.float32)
    xr.Dataset({"intensity": (("sample", "y", "x"), intensity)}).to_netcdf(commands.folder / "own.nc")


@pytest.fixture(scope="session")
def commands(tmp_path_factory) -> Iterator[Commands]:
    started = Commands(tmp_path_factory.mktemp("commands"), tmp_path_factory.mktemp("cache"))
    prepare(started)
    yield started
    started.close()
