"""Runs of before, loaded: they answer as the commands do, and may call no more than these allow."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from omegaconf import DictConfig

import dlgd
from dlgd.core import trust
from dlgd.core.paths import ROOT
from tests.commands import strangers
from tests.interface.test_training import TINY

FROZEN = ROOT / "tests" / "frozen"
NAMES = sorted(path.stem for path in (FROZEN / "inputs").glob("*.nc"))
EXPECTED = json.loads((FROZEN / "expected.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_gives_what_its_file_gives(name):
    run = dlgd.load(FROZEN / "runs" / name, device="cpu")
    file = FROZEN / "inputs" / f"{name}.nc"
    with xr.open_dataset(file) as opened:
        answer = run.predict(opened)
    xr.testing.assert_identical(answer, run.predict(file))
    assert answer.attrs["source"] == f"dlgd run {name}"
    for variable, expected in EXPECTED["predict"][name].items():
        field = answer[{"chance": "probability"}.get(variable, variable)]  # renamed since
        assert np.nanmean(field.values, dtype=np.float64) == pytest.approx(expected["mean"], rel=1e-4, abs=1e-6)


def test_what_is_known_of_a_run():
    run = dlgd.load(str(FROZEN / "runs" / "nemovar_resnet"))
    assert isinstance(run.config, DictConfig)
    assert list(run.table.index)[:2] == ["resnet", "homogeneous"]
    assert run.scores["eps_mean"] == run.table.eps_mean["resnet"]
    assert run.history["valid/eps_mean"].notna().any()
    assert repr(run).startswith("<Run resnet on nemovar, ")
    lone = dlgd.load(FROZEN / "runs" / "nemovar_resnet" / "checkpoints" / "best_loss.pt")
    assert (lone.folder, lone.scores, lone.name) == (None, {}, run.name)
    assert lone.history.index[-1] > 0
    with pytest.raises(dlgd.Refusal, match="only a run folder can be resumed"):
        lone.resume()


def test_a_dataset_that_does_not_fit_is_refused():
    run = dlgd.load(FROZEN / "runs" / "nemovar_resnet", device="cpu")
    with xr.open_dataset(FROZEN / "inputs" / "nemovar_resnet.nc") as opened:
        mine = opened.load()
    with pytest.raises(dlgd.Refusal, match=r"^the Dataset lacks w: it has"):
        run.predict(mine.drop_vars("w"))
    with pytest.raises(dlgd.Refusal, match=r"^the Dataset has no gamma to compare with"):
        run.evaluate(mine.drop_vars("gamma", errors="ignore"))
    with pytest.raises(dlgd.Refusal, match="must be an xarray Dataset or the path"):
        run.predict(mine.w.values)  # pyright: ignore[reportArgumentType]
    with pytest.raises(dlgd.Refusal, match=r"^the Dataset holds no sample"):
        run.predict(mine.isel(sample=slice(0)))
    with pytest.raises(dlgd.Refusal, match="split=tests is unknown"):
        run.evaluate(split="tests")


def test_other_peoples_runs(tmp_path):
    """What a run names is called only if it is trusted."""
    canary = strangers.prepare(tmp_path)
    config = strangers.with_call(strangers.calls(tmp_path)["os.mkdir"], "as model")
    (tmp_path / "theirs").mkdir()
    folder = strangers.run_folder(tmp_path / "theirs", config)
    file = strangers.checkpoint_file(tmp_path / "theirs.pt", config)
    before = trust.now_allowed()
    for run in (folder, file):
        with pytest.raises(dlgd.Refusal, match="was not called"):
            dlgd.load(run)
        with pytest.raises(dlgd.Refusal, match="would let a run that is loaded do anything"):
            dlgd.load(run, trust=["os"])
    assert not canary.exists()
    assert trust.now_allowed() == before


def test_a_network_of_ones_own(tmp_path, monkeypatch):
    """What is named in the call may be called, by the run that it returns too; a later call says so again."""
    (tmp_path / "my_nets.py").write_text("from dlgd.models.cnn import CNN\n\n\nclass Net(CNN):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    run = dlgd.train("model._target_=my_nets.Net", training="debug", **TINY)
    test = run.data.samples("test")
    answer = run.predict(test)
    with pytest.raises(dlgd.Refusal, match=r"trust=\[my_nets\]"):
        dlgd.load(run.path)
    again = dlgd.load(run.path, trust=["my_nets"], device="cpu")
    xr.testing.assert_identical(again.predict(test), answer)
    assert len(again.history) == len(run.history)
    assert run.resume(training={"steps": 22}).history.index[-1] == 22
