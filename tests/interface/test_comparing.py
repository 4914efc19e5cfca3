"""A table of finished runs as a DataFrame."""

from __future__ import annotations

import pytest

import dlgd
from tests.recorded_runs import Recorder


@pytest.fixture
def recorded(place):
    recorder = Recorder(place / "mlflow.db")
    for seed, eps in enumerate((0.1, 0.2, 0.3)):
        recorder.network(seed, eps)
    recorder.network(0, 0.05, params={"model": "unet"})
    recorder.baseline(0.4)
    return place


def test_runs_of_an_experiment_of_mlflow(recorded, capsys):
    table = dlgd.compare(experiment="nemovar", scores=["eps"])
    assert table.eps.iloc[0] == 0.05, "the best first"
    row = table[table.seeds == 3].iloc[0]
    assert (row.eps, row.eps_std) == (pytest.approx(0.2), pytest.approx(0.1))
    assert any("baseline=homogeneous" in name for name in table.index)
    assert "separable" in table.index
    assert table.attrs["title"] == "Runs with runs.experiment=nemovar scores=[eps]"
    assert capsys.readouterr().out == ""
    assert not (recorded / "outputs").exists(), "nothing is written"
    same = dlgd.compare(runs={"experiment": "nemovar"}, scores=["eps"], folder=recorded / "table")
    assert same.equals(table)
    assert {"comparison.md", "comparison.tex", "comparison.csv", "runs.csv", "comparison.png"} == {
        one.name for one in (recorded / "table").iterdir()
    }


def test_what_cannot_be_compared_is_refused(recorded):
    with pytest.raises(
        dlgd.Refusal, match="MLflow has no experiment nemo: choose among Default, nemovar; or, to compare"
    ):
        dlgd.compare(experiment="nemo")
    with pytest.raises(dlgd.Refusal, match="no experiment was typed"):
        dlgd.compare()
    with pytest.raises(dlgd.Refusal, match="no finished run with the settings of experiment=normalization/features"):
        dlgd.compare(experiment="normalization/features")
    with pytest.raises(dlgd.Refusal, match="tracking=off does not use"):
        dlgd.compare("tracking=off", experiment="nemovar")
