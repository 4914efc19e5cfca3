"""Equations found in trajectories against the true ones, scikit-learn's library and numpy's least squares."""

import hydra
import numpy as np
import pytest
import torch
import xarray as xr
from omegaconf import OmegaConf
from sklearn.preprocessing import PolynomialFeatures

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.physics.integrators import adaptive, advance
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.physics.systems import attributes_of
from dlgd.problems.lorenz.methods import identification
from dlgd.problems.lorenz.methods.identification import (
    LeastSquares,
    Library,
    Polynomial,
    SparseRegression,
    coefficient_scores,
    true_coefficients,
)


def windows(dynamics, *, count=40, dt=0.01, leads=29):
    """Windows of a system, accurate to 1e-10."""
    state = torch.from_numpy(np.random.default_rng(0).normal(3, 5, (count, dynamics.size)))
    state = advance(dynamics, state, 0.01, 500)
    runs = adaptive(dynamics, state, dt * np.arange(leads + 1), rtol=1e-10, atol=1e-10).movedim(0, 1).numpy()
    fields = {
        "given": (("sample", "history", "variable"), runs[:, :1]),
        "state": (("sample", "lead", "variable"), runs[:, 1:]),
    }
    attributes = attributes_of(dynamics) | {"dt": dt, "task": "identify"}
    return xr.Dataset(fields, {"lead": np.arange(1, leads + 1)}, attributes)


@pytest.fixture(scope="module")
def samples():
    return windows(Lorenz63())


def sparse(derivative="integral", threshold=0.02):
    return SparseRegression(threshold=threshold, iterations=10, derivative=derivative, substeps=1)


# x, y, z of the three equations; the terms are 1, x, y, z, xx, xy, xz, yy, yz, zz
TRUE = np.zeros((10, 3))
TRUE[1, 0], TRUE[2, 0] = -10, 10
TRUE[1, 1], TRUE[2, 1], TRUE[6, 1] = 28, -1, -1
TRUE[3, 2], TRUE[5, 2] = -8 / 3, 1


def test_the_library_is_scikit_learns():
    states = np.random.default_rng(0).normal(size=(7, 4))
    expected = PolynomialFeatures(2).fit_transform(states)
    np.testing.assert_allclose(Library(4)(torch.from_numpy(states)), expected)


def test_true_coefficients_are_those_of_the_equations():
    np.testing.assert_allclose(true_coefficients(Lorenz63()), TRUE, atol=1e-12)
    assert np.count_nonzero(true_coefficients(Lorenz63())) == 7
    ring = true_coefficients(Lorenz96(size=5, forcing=7.5))
    names = PolynomialFeatures(2).fit(np.zeros((1, 5))).get_feature_names_out()
    assert {name: c for name, c in zip(names, ring[:, 2], strict=True) if c} == pytest.approx(
        {"1": 7.5, "x2": -1, "x1 x3": 1, "x0 x1": -1}
    )


def test_lorenz_63_is_recovered_from_exact_data(samples):
    method = sparse()
    method.fit(samples)
    np.testing.assert_allclose(method.coefficients, TRUE, atol=1e-3)
    scores = method.scores(samples)
    assert scores["sparsity"] == 7
    assert scores["spurious"] == 0
    assert scores["coefficient_error"] < 1e-3
    np.testing.assert_allclose(method.predict(samples), samples.state, atol=1e-2)


def test_central_differences_give_the_coefficients_of_the_courses(samples):
    """Printed: -9.97767, 9.97768; 27.80054, -0.96098, -0.99442; -2.65885, 0.99707; of another trajectory, that is."""
    method = sparse("central")
    method.fit(samples)
    found = [*method.coefficients[[1, 2], 0], *method.coefficients[[1, 2, 6], 1], *method.coefficients[[3, 5], 2]]
    printed = [-9.97767, 9.97768, 27.80054, -0.96098, -0.99442, -2.65885, 0.99707]
    np.testing.assert_allclose(found, printed, rtol=0.01)


def test_lorenz_96_is_recovered():
    samples = windows(Lorenz96(size=6), count=60)
    method = sparse()
    method.fit(samples)
    scores = method.scores(samples)
    assert scores["sparsity"] == 6 * 4
    assert scores["coefficient_error"] < 1e-3


@pytest.mark.parametrize("derivative", ["central", "integral"])
def test_least_squares_are_numpys_of_all_rows(samples, derivative, monkeypatch):
    """However many blocks they are taken in."""
    monkeypatch.setattr(identification, "MAX_BATCH_ELEMENTS", 101)
    method = LeastSquares(derivative=derivative, substeps=1)
    method.fit(samples)
    runs = np.concatenate((samples.given.values, samples.state.values), axis=1)
    terms, changes, library = [], [], PolynomialFeatures(2)
    for run in runs:
        each = library.fit_transform(run)
        for step in range(1, len(run) - 1):
            simpson = (each[step - 1] + 4 * each[step] + each[step + 1]) / 6
            terms.append(each[step] if derivative == "central" else simpson)
            changes.append((run[step + 1] - run[step - 1]) / 0.02)
    expected = np.linalg.lstsq(np.array(terms), np.array(changes), rcond=None)[0]
    np.testing.assert_allclose(method.coefficients, expected, rtol=1e-6, atol=1e-7)
    assert np.count_nonzero(method.coefficients) == 30


def test_an_equation_whose_terms_are_all_small_becomes_zero(samples):
    method = sparse(threshold=1e4)
    method.fit(samples)
    assert not method.coefficients.any()
    assert method.scores(samples) == {"coefficient_error": 1.0, "spurious": 0.0, "sparsity": 0.0}


def test_scores_of_coefficients():
    found = TRUE.copy()
    found[1, 1], found[0, 2], found[9, 0] = 30.8, -0.3, 0.1
    scores = coefficient_scores(found, TRUE)
    assert scores == pytest.approx({"coefficient_error": 0.1 / 7, "spurious": 0.3, "sparsity": 9})


def test_a_polynomial_is_the_dynamics_that_it_describes():
    states = torch.from_numpy(np.random.default_rng(0).normal(0, 8, (5, 3)))
    torch.testing.assert_close(Polynomial(TRUE).tendency(states), Lorenz63().tendency(states))


def test_finer_steps_are_more_exact():
    """With steps of 0.1, of which RK4 takes ten at least."""
    samples, errors = windows(Lorenz63(), dt=0.1, leads=5), []
    for substeps in (1, 50):
        method = LeastSquares(derivative="integral", substeps=substeps)
        method.coefficients = TRUE
        errors.append(np.abs(method.predict(samples) - samples.state.values).max())
    assert errors[1] < errors[0] / 100 < 1e-5


@pytest.mark.parametrize(("name", "kind"), [("least_squares", LeastSquares), ("sparse_regression", SparseRegression)])
def test_the_yaml_files_build(name, kind):
    assert type(hydra.utils.instantiate(OmegaConf.load(CONF / "baseline" / f"{name}.yaml"))) is kind


def test_what_cannot_work_is_refused(samples):
    with pytest.raises(ValueError, match=r"baseline.derivative=spline is unknown: choose one of central, integral"):
        LeastSquares(derivative="spline", substeps=1)
    with pytest.raises(ValueError, match=r"baseline.threshold=0.0 must be a number above 0"):
        sparse(threshold=0.0)
    with pytest.raises(ValueError, match=r"baseline.iterations=0"):
        SparseRegression(threshold=1.0, iterations=0, derivative="central", substeps=1)
    with pytest.raises(ValueError, match=r"baseline.substeps=0"):
        LeastSquares(derivative="central", substeps=0)
    with pytest.raises(Refusal, match="windows of 3 steps"):
        sparse().fit(samples.isel(lead=slice(1)))
    with pytest.raises(Refusal, match=r"baseline=sparse_regression gives forecasts"):
        sparse().fit(samples.rename(lead="time"))
