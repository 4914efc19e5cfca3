"""The template of a person's own project, installed beside dlgd, is served as dlgd's own choices are."""

from __future__ import annotations

import shutil
import sys

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

from dlgd.cli import own_folders
from dlgd.core import trust
from dlgd.core.paths import ROOT
from tests.package.conftest import pip_install

PROJECT = ROOT / "examples" / "my_project"
FOUND = "hydra.searchpath=[pkg://my_project.conf]"
TINY = [
    "data.samples={train: 64, valid: 16, test: 16}",
    "training.steps=6",
    "training.validate_every=3",
    "evaluation.methods=null",
    "device=cpu",
]


@pytest.fixture
def imported(monkeypatch):
    """Its modules, without an installation."""
    monkeypatch.syspath_prepend(PROJECT)
    yield
    GlobalHydra.instance().clear()
    trust.forget()
    for name in [one for one in sys.modules if one.partition(".")[0] == "my_project"]:
        del sys.modules[name]


def test_the_network_learns_from_the_data(imported):
    """Which way crests run, much better than by chance."""
    from dlgd import build
    from dlgd.tuning.trial import Composer

    own_folders.take([FOUND], "sweep")
    config, _ = Composer(["model=wave_filters", "data=swell", "data.noise=0.5"]).config({})
    data = build.data(config)
    net = build.network(config, data.spec)
    stream = data.stream(halo=net.halo, batch_size=32, seed=0, device="cpu")
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    for step in range(60):
        batch = stream.batch(step)
        loss = torch.nn.functional.cross_entropy(net(batch.input).prediction, batch.target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    (test,) = data.encode(data.samples("test"), halo=0, device="cpu")
    net.eval()
    assert (net(test.input).prediction.argmax(dim=1) == test.target).float().mean() > 0.9


def test_its_small_version_and_its_own_files(imported, tmp_path):
    from dlgd import build
    from dlgd.tuning.trial import Composer

    own_folders.take([FOUND], "sweep")
    data = build.data(Composer(["data=swell"]).config({})[0]).tiny()
    data.prepare()
    samples = data.samples("test")
    samples.drop_vars("label").to_netcdf(tmp_path / "mine.nc")
    assert data.read(tmp_path / "mine.nc").intensity.equals(samples.intensity)
    assert data.checksum() == data.tiny().checksum()


@pytest.mark.slow
def test_it_is_trained_compared_and_searched(environment, typed, tmp_path_factory, tmp_path):
    copy = shutil.copytree(PROJECT, tmp_path_factory.mktemp("copy") / "my_project")
    pip_install(environment, copy)

    def run(program: str, *words: str) -> str:
        done = typed(program, *words)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    run("dlgd-train", "-m", FOUND, "experiment=crests", *TINY, "seed=0")
    (multirun,) = (tmp_path / "multirun").glob("*/*")
    assert "2 of 2 runs finished" in (multirun / "multirun.md").read_text()
    assert "how wide must filters be" in run("dlgd-compare", FOUND, "experiment=crests", *TINY).lower()
    run("dlgd-sweep", FOUND, "sweep=crests", *TINY, "trials=2", "workers=2")
    best = tmp_path / "outputs" / "sweeps" / "crests" / "best.yaml"
    assert "override /model: wave_filters" in best.read_text()
    run("dlgd-evaluate", f"run={multirun}/0", "trust=[my_project]")
    run("dlgd-evaluate", f"run={multirun}/0", FOUND)
    refused = typed("dlgd-evaluate", f"run={multirun}/0")
    assert refused.returncode == 2
    assert "type trust=[my_project]" in refused.stderr
    (choices,) = environment.glob("lib/python*/site-packages/my_project/conf")
    shutil.copytree(choices, tmp_path / "mine")
    run("dlgd-train", f"resume={multirun}/1", "--config-dir", "mine", "training.steps=8")
