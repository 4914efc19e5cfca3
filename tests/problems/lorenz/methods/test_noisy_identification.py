"""Equations found in noisy trajectories: the stencils, and the coefficients beside those of PySINDy."""

from __future__ import annotations

import hydra
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.problems.lorenz.data.files import as_first_named
from dlgd.problems.lorenz.methods.forecasts import runs_of
from dlgd.problems.lorenz.methods.identification import LeastSquares, SparseRegression, _weighted, true_coefficients
from dlgd.problems.lorenz.methods.stencils import STENCILS
from tests.problems.lorenz.data.lorenz_data import make, ready

FEW = {"train": 200, "valid": 10, "test": 20}


def measured(**changes):
    return ready(preset="measured", task="identify", samples=FEW, leads=99, **changes)


def errors(method, source):
    method.fit(source.samples("train"))
    return method.scores(source.samples("test"))


# --- the data ------------------------------------------------------------------------------------------------------


def test_all_that_is_learned_from_has_the_noise_and_the_test_has_the_truth():
    noisy, exact = measured(), make(task="identify", samples=FEW, leads=99)
    exact.prepare()
    for split in ("train", "valid"):
        for name in ("given", "state"):
            error = noisy.samples(split)[name].values - exact.samples(split)[name].values
            assert error.std() == pytest.approx(1.0, abs=4 / (2 * error.size) ** 0.5)
            assert error.mean() == pytest.approx(0.0, abs=4 / error.size**0.5)
    np.testing.assert_array_equal(noisy.samples("test").state, exact.samples("test").state)
    assert (noisy.samples("test").given.values - exact.samples("test").given.values).std() > 0.5


def test_networks_learn_from_the_same_noisy_windows():
    source = measured()
    stream = source.stream(halo=0, batch_size=FEW["train"], seed=0, device="cpu")
    targets = source.to_physical(stream.batch(0).target, None)  # (window, rollout, variable)
    wanted = source.samples("train").state.values[:, : targets.shape[1]]
    key = lambda windows: windows[np.argsort(windows[:, 0, 0])]  # noqa: E731  # the stream has an order of its own
    np.testing.assert_allclose(key(targets), key(wanted), atol=1e-4)


def test_windows_that_overlap_share_the_noise():
    source = ready(preset="measured", task="identify", samples=FEW, leads=99, stride=50)
    runs = runs_of(source.samples("train"))
    np.testing.assert_array_equal(runs[:-1, 50:], runs[1:, :50])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "assimilate"}, "noise_on=all is for forecasts, because all observations have noise"),
        ({"task": "identify", "resample_observations": True}, "one noise, once: type data.resample_observations=false"),
        ({"task": "identify", "observations": {"noise_on": "some"}}, "noise_on=some is unknown: choose one of"),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(Refusal, match=words):
        make(**({"observations": {"noise_on": "all"}} | changes)).check()


def test_attributes_of_series_of_before_are_the_same():
    assert "observations_noise_on" not in as_first_named(make().attributes)
    assert as_first_named(measured().attributes)["observations_noise_on"] == "all"


# --- the stencils --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [5, 15])
def test_a_smoothed_derivative_is_that_of_numpys_polynomial(width):
    values = np.random.default_rng(0).normal(size=width)
    fit = np.polynomial.Polynomial.fit(np.arange(width) - width // 2, values, 3)
    stencil = STENCILS["smoothed"](width)
    assert np.dot(stencil.terms, values) == pytest.approx(fit(0), abs=1e-12)
    assert np.dot(stencil.changes, values) / stencil.span == pytest.approx(fit.deriv()(0), abs=1e-12)


@pytest.mark.parametrize("derivative", ["weak", "smoothed", "integral", "central"])
def test_stencils_hold_for_an_exponential(derivative):
    """dx/dt = x / 10."""
    stencil, steps = STENCILS[derivative](15), np.exp(0.1 * 0.1 * np.arange(15))
    steps = steps[: len(stencil.terms)]
    change = np.dot(stencil.changes, steps) / (stencil.span * 0.1)
    assert change == pytest.approx(0.1 * np.dot(stencil.terms, steps), rel=1e-4)


def test_weights_are_of_steps():
    steps = torch.arange(6, dtype=torch.float64).reshape(3, 2, 1)
    torch.testing.assert_close(_weighted((1.0, 0.0, 2.0), steps), steps[0] + 2 * steps[2])


# --- the coefficients ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("derivative", ["weak", "smoothed"])
def test_what_averages_stands_noise_that_differences_do_not(derivative):
    found = {
        name: errors(SparseRegression(threshold=0.3, iterations=10, derivative=name, substeps=1), measured())
        for name in (derivative, "integral")
    }
    assert found[derivative]["coefficient_error"] < 0.1
    assert found[derivative]["coefficient_error"] < found["integral"]["coefficient_error"] / 2


def test_the_yaml_file_builds():
    method = hydra.utils.instantiate(OmegaConf.load(CONF / "baseline" / "weak_sparse_regression.yaml"))
    assert method.name == "SINDy, weak"
    assert errors(method, measured())["sparsity"] in (7, 8)


def test_widths():
    with pytest.raises(Refusal, match=r"baseline.width=4 must be an odd number of at least 3"):
        LeastSquares(derivative="weak", substeps=1, width=4)
    with pytest.raises(Refusal, match=r"needs windows of 151 steps at least: choose a larger data.leads"):
        errors(LeastSquares(derivative="weak", substeps=1, width=151), measured())


def test_central_differences_give_the_coefficients_of_pysindy():
    pysindy = pytest.importorskip("pysindy")
    source = measured()
    runs = runs_of(source.samples("train"))
    model = pysindy.SINDy(
        optimizer=pysindy.STLSQ(threshold=0.3, alpha=0.0, normalize_columns=False),
        feature_library=pysindy.PolynomialLibrary(degree=2),
        differentiation_method=pysindy.FiniteDifference(order=2, drop_endpoints=True),
    )
    model.fit(list(runs), t=0.01)
    method = SparseRegression(threshold=0.3, iterations=20, derivative="central", substeps=1)
    method.fit(source.samples("train"))
    np.testing.assert_allclose(method.coefficients, model.coefficients().T, rtol=1e-6, atol=1e-6)


def test_the_weak_form_is_as_good_as_that_of_pysindy():
    pysindy = pytest.importorskip("pysindy")
    source = measured()
    runs = runs_of(source.samples("train"))
    np.random.seed(0)  # noqa: NPY002  # PySINDy draws its domains
    weak = pysindy.WeakPDELibrary(
        function_library=pysindy.PolynomialLibrary(degree=2, include_bias=True),
        spatiotemporal_grid=0.01 * np.arange(runs.shape[1]),
        K=80,
        H_xt=[0.07],
        p=4,
    )
    model = pysindy.SINDy(optimizer=pysindy.STLSQ(threshold=0.3, alpha=0.0), feature_library=weak)
    model.fit(list(runs), t=0.01)
    true = true_coefficients(source.dynamics)
    theirs = np.abs(model.coefficients().T[true != 0] / true[true != 0] - 1).mean()
    ours = errors(SparseRegression(threshold=0.3, iterations=10, derivative="weak", substeps=1), source)
    assert ours["coefficient_error"] < 1.3 * theirs
