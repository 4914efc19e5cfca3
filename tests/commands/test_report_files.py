"""The report's own files at every command: checked by our exact solver, trained on, evaluated and predicted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.problems.normalization.report_files import simulated, write_nemo, write_processed

pytestmark = pytest.mark.usefixtures("database")

QUICK = ["model=cnn", "model.width=8", "model.layers=4", "training=debug", "evaluation.methods=null", "tracking=off"]


@pytest.fixture(scope="module")
def samples() -> xr.Dataset:
    """On the tripolar grid, gamma to 1e-8."""
    return simulated("tripolar")


@pytest.fixture
def report(tmp_path, samples) -> Path:
    """Processed archives with padding all around, and train and valid folders only, as published."""
    splits = {"train": [0, 1], "valid": [2]}
    write_processed(tmp_path / "report", samples, over="image", padding=(6, 8), dtype=np.float32, splits=splits)
    return tmp_path / "report"


def only_scores(folder: Path) -> list[dict]:
    (file,) = folder.glob("outputs/*/*/scores.json")
    return json.loads(file.read_text())


def test_a_published_sample_is_checked_by_the_exact_solver(dlgd, tmp_path, report):
    done = dlgd(
        "baseline", "baseline=exact", "baseline.tolerance=1e-6", "data=nemovar_files", f"path={report}", "tracking=off"
    )
    assert done.returncode == 0, done.stderr
    (row,) = only_scores(tmp_path)
    assert row["eps_max"] < 1e-5


def test_simulate_computes_what_the_files_lack(dlgd, tmp_path, samples):
    write_nemo(tmp_path / "report", samples, gamma=False)
    cache = {"DLGD_CACHE": str(tmp_path / "cache")}
    done = dlgd("simulate", "data=nemovar_files", f"path={tmp_path}/report", environment=cache)
    assert done.returncode == 0, done.stderr
    files = sorted(tmp_path.glob("cache/nemovar_files-*/PERTEN*.nc"))
    assert str(files[0].parent) in done.stdout
    for number, file in enumerate(files):
        np.testing.assert_allclose(xr.load_dataset(file).gamma[0], samples.gamma[number], rtol=1e-5)
    assert len(files) == 3


def test_train_evaluate_and_predict(dlgd, tmp_path, report, samples):
    done = dlgd("train", "data=nemovar_files", f"path={report}", "data.patch=16", *QUICK)
    assert done.returncode == 0, done.stderr + done.stdout
    (run,) = tmp_path.glob("outputs/*/*")
    before = json.loads((run / "scores.json").read_text())[0]

    done = dlgd("evaluate", f"run={run}", f"input={report}/valid")
    assert done.returncode == 0, done.stderr
    after = json.loads((run / "evaluation" / "valid" / "scores.json").read_text())[0]
    assert after["eps_mean"] == pytest.approx(before["eps_mean"], rel=1e-6), "valid stood in for test"

    elsewhere = report.rename(tmp_path / "moved")  # what it was trained on is not needed any more
    done = dlgd("predict", f"run={run}", f"input={elsewhere}/valid", f"output={tmp_path}/gamma.nc")
    assert done.returncode == 0, done.stderr
    found = xr.load_dataset(tmp_path / "gamma.nc").gamma_predicted
    assert (found.notnull().values == samples.mask.values).all()


def test_no_path(dlgd):
    done = dlgd("baseline", "data=nemovar_files", "tracking=off")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "type path=" in done.stderr
