"""A classical method on a person's own file, at both commands, with and without the truth."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from tests.problems.lorenz.data.lorenz_data import small

DATA = ("data=lorenz63", "data.samples.train=30", "data.samples.valid=6", "data.samples.test=9")


@pytest.fixture
def files(tmp_path):
    """own.nc with the truth, and new.nc without."""
    samples = small().samples("test")
    bare = xr.Dataset({name: (variable.dims, variable.values) for name, variable in samples.items()})
    bare.to_netcdf(tmp_path / "own.nc")
    bare.drop_vars("state").to_netcdf(tmp_path / "new.nc")
    return samples


@pytest.mark.parametrize("name", ["own", "new"])
def test_both_commands_give_the_same_answer(name, files, dlgd, tmp_path):
    scored = dlgd("baseline", "baseline=etkf", *DATA, f"input={name}.nc", "tracking=off", "hydra.run.dir=scored")
    assert scored.returncode == 0, scored.stderr
    predicted = dlgd("predict", "baseline=etkf", *DATA, f"input={name}.nc", "output=answer.nc")
    assert predicted.returncode == 0, predicted.stderr
    answers = [
        xr.open_dataset(tmp_path / path).state_predicted.values for path in ("answer.nc", "scored/predictions.nc")
    ]
    np.testing.assert_array_equal(*answers)
    scores = tmp_path / "scored" / "scores.json"
    assert scores.exists() == (name == "own")
    if name == "own":
        (row,) = json.loads(scores.read_text())
        assert row["mse"] == pytest.approx(float(((answers[0] - files.state.values) ** 2).mean()))
    else:
        assert "has no state to compare with: it is answered and not scored" in scored.stdout + scored.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "one of run and baseline must be given: type run=<run>, or baseline=<method> data=<data set>"),
        (("run=run", "baseline=etkf"), "one of run and baseline must be given"),
        (("baseline=etkf",), "baseline=... needs the data set for whose samples it is: type data=..."),
        (("baseline=etkf", *DATA, "check=5"), "answers of classical methods are not checked: leave check out"),
        (("baseline=etkf", *DATA, "data.dt=0.02"), "has steps of dt=0.01, but the run has data.dt=0.02"),
    ],
)
def test_refusals(words, sentence, files, dlgd, tmp_path):
    xr.open_dataset(tmp_path / "new.nc").load().assign_attrs(dt=0.01).to_netcdf(tmp_path / "dated.nc")
    done = dlgd("predict", *words, "input=dated.nc", "output=answer.nc")
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
