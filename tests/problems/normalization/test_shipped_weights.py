"""The weights that come with the project are read by it as it is now, and are as good as is said of them."""

from __future__ import annotations

import torch

import dlgd
from dlgd import build
from dlgd.core.contract import Method
from dlgd.core.paths import ROOT
from dlgd.problems.normalization.data.ocean import Ocean
from dlgd.problems.normalization.data.simulated import NormalizationCoefficients
from dlgd.problems.normalization.scores import NormalizationEvaluation, OceanEvaluation
from dlgd.scoring.trained import Trained
from tests.problems.normalization.data.small_data import options_of

WEIGHTS = ROOT / "experiments" / "normalization" / "nemovar.pt"


def test_they_correct_the_closed_form_on_a_grid_that_they_have_never_seen():
    """40 x 48 cells of some 8 degrees with random continents: 1.7e-2 against 7.1e-2 of the separable form. Cells change
    their size ten times faster there than on the grid of training."""
    config, trained_on, network, _ = build.trained(WEIGHTS, None, None)
    data = trained_on.tiny()
    data.prepare()
    samples, scores = data.samples("test"), build.evaluation(config)

    def eps_mean(method: Method) -> float:
        return scores.scores(samples, method.predict(samples))["eps_mean"]

    ours = Trained(name="ours", network=network, data=data, device=torch.device("cpu"))
    separable = next(method for method in build.comparison(config) if method.name == "separable")
    assert eps_mean(ours) < eps_mean(separable.inner) / 3
    assert eps_mean(ours) < 2.5e-2


def test_they_serve_a_file_with_levels(tmp_path):
    """As `python -m dlgd.predict data=ocean` reads and answers it: 1.6e-2 against 8.0e-2 of the separable form."""
    source = Ocean(**options_of("ocean")).tiny()
    source.prepare()
    samples = source.samples("test")
    samples[["alpha_i", "alpha_j", "alpha_k", "w", "mask"]].to_netcdf(tmp_path / "ocean.nc")
    run = dlgd.load(WEIGHTS)
    answer = run.answer(run.read(tmp_path / "ocean.nc", source), source)
    assert answer.gamma_predicted.dims == ("sample", "level", "y", "x")
    scores = OceanEvaluation().scores(samples, answer.gamma_predicted.values)
    assert scores["eps_mean"] < 2.5e-2


def test_those_of_several_grids_hold_on_a_sea_that_they_have_never_seen():
    """The Mediterranean: 1.3e-3, where those of one grid have 5.7e-3 (ten samples)."""
    one = {"samples": {"train": 1, "valid": 1, "test": 1}, "tolerance": {"train": 1e-4, "evaluation": 1e-4}}
    data = NormalizationCoefficients(**(options_of("regional") | one | {"in_memory": True}))
    samples = data.samples("test")

    def eps_mean(name: str) -> float:
        run = dlgd.load(WEIGHTS.parent / name)
        predicted = run.method(data).predict(samples)
        return NormalizationEvaluation().scores(samples, predicted)["eps_mean"]

    assert eps_mean("several_grids.pt") < 2e-3
    assert eps_mean("several_grids.pt") < eps_mean("nemovar.pt") / 2
