"""Deep currents as they are typed: trained from the regression, scored, predicted from a file, refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

SEA = ("data=deep_currents", "data.sea.years=0.2", "data.sea.days_of_spinup=5", "data.sea.cells=32")
SPLITS = ("data.splits={train: 24, valid: 5, test: 6, gap: 4, skipped: 0}", "data.days=3", "data.network_cells=16")
SMALL = (*SEA, *SPLITS, "evaluation.methods.regression.days=3", "tracking=off")
GUESS = ("+baseline@data.first_guess.method=wavenumber_regression", "data.first_guess.method.days=3")
NETWORK = ("model=unet", "model.width=4", "model.levels=2", "model.halo=4", "training=debug", "training.steps=4")


def rows_of(folder) -> dict[str, dict[str, float]]:
    return {row["method"]: row for row in json.loads((folder / "scores.json").read_text())}


def test_from_training_to_a_file_of_currents(dlgd, tmp_path):
    trained = dlgd("train", *SMALL, *GUESS, *NETWORK, "augmentation=mirrored_seas", "hydra.run.dir=run")
    assert trained.returncode == 0, trained.stderr
    rows = rows_of(tmp_path / "run")
    assert set(rows) == {"unet", "regression, 3 days", "regression, 1 day", "one vertical mode", "no currents"}
    assert rows["unet"]["rmse"] < 1.5 * rows["regression, 3 days"]["rmse"], "which it starts from"
    assert {"maps.png", "spectra.png"} <= {file.name for file in (tmp_path / "run" / "figures").iterdir()}
    with xr.open_dataset(tmp_path / "run" / "predictions.nc") as opened:
        scored = opened.load()
    record = xr.Dataset({"ssh": scored.ssh.astype(np.float64)})
    record.to_netcdf(tmp_path / "own.nc")
    predicted = dlgd("predict", "run=run", "input=own.nc", "output=currents.nc")
    assert predicted.returncode == 0, predicted.stderr
    with xr.open_dataset(tmp_path / "currents.nc") as found:
        np.testing.assert_array_equal(found.time, scored.time[1:-1])
        np.testing.assert_allclose(found.psi_lower, scored.psi_lower[1:-1], atol=1e-3 * float(scored.psi_lower.std()))
        assert set(found) == {"psi_lower", "u_lower", "v_lower", "ssh"}
    interpolated = dlgd("evaluate", "run=run", "data.seen=interpolated")
    assert interpolated.returncode == 0, interpolated.stderr
    (folder,) = (tmp_path / "run" / "evaluation").iterdir()
    assert rows_of(folder)["unet"]["rmse"] != rows["unet"]["rmse"]


def test_a_method_alone(dlgd, tmp_path):
    done = dlgd("baseline", *SEA, *SPLITS, "baseline=fixed_mode", "tracking=off", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert set(rows_of(tmp_path / "run")) == {"one vertical mode"}


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        ("train", (*SMALL, *NETWORK, "data.seen=observed"), "data.seen=observed is unknown: choose one of truth,"),
        ("train", (*SMALL, *NETWORK, "data.first_guess.method=oi"), "+baseline@data.first_guess.method=wavenumber_"),
        ("train", (*SMALL, "model=corrector"), "model=corrector interpolates maps but data=deep_currents gives fields"),
        (
            "baseline",
            (*SEA, *SPLITS, "baseline=oi", "tracking=off"),
            "baseline=oi makes maps from observations",
        ),
        (
            "baseline",
            (*SEA, *SPLITS, "baseline=wavenumber_regression", "tracking=off"),
            "baseline.days=9 needs maps of 4",
        ),
    ],
)
def test_refusals(dlgd, command, words, said):
    refused = dlgd(command, *words)
    assert refused.returncode != 0
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
