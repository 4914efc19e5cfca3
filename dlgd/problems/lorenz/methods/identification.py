"""Differential equations found in trajectories: polynomials of degree 2 by least squares, sparse or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.physics.integrators import Dynamics, say_substeps, trajectory
from dlgd.physics.systems import dynamics_of
from dlgd.problems.lorenz.methods.forecasts import Forecast, runs_of
from dlgd.problems.lorenz.methods.stencils import STENCILS

ROWS = 40_000  # equations of the regression at most, evenly spread over the training split
MAX_BATCH_ELEMENTS = 5000  # of them at once
STATES = 3  # drawn for each term, where the coefficients of a known system are asked for
ZERO = 1e-8  # coefficients below it are rounding
WIDTH = 15  # steps that are averaged against noise


class Library:
    """The terms 1, x_i, x_i x_j (i <= j) of states of `size` variables, in the order of scikit-learn's
    PolynomialFeatures."""

    def __init__(self, size: int) -> None:
        self.first, self.second = torch.triu_indices(size, size)
        self.terms = 1 + size + len(self.first)

    def __call__(self, state: Tensor) -> Tensor:
        """(..., size) -> (..., term)."""
        products = state[..., self.first] * state[..., self.second]
        return torch.cat((torch.ones_like(state[..., :1]), state, products), -1)


class Polynomial(Dynamics):
    """dx/dt = library(x) @ coefficients, (term, variable). one_step: see `Dynamics`."""

    def __init__(self, coefficients: np.ndarray, *, one_step: float = math.inf) -> None:
        self.one_step = one_step
        self.size, self.coefficients = coefficients.shape[1], torch.from_numpy(coefficients)
        self.library = Library(self.size)

    def tendency(self, state: Tensor) -> Tensor:
        """(..., size) from (..., size)."""
        return self.library(state) @ self.coefficients.to(state)


class LeastSquares(Forecast):
    """dx/dt = a polynomial of degree 2 in x, whose coefficients are found by least squares over the training split.

    derivative: `central`, differences of a step to both sides, as in the courses, with an error of order dt^2;
        `integral`, the change over two steps against Simpson's rule for the terms, with an error of order dt^4; or, for
        noisy trajectories, the weak form or a `smoothed` derivative: see `stencils.py`.
    width: of weak and smoothed, number of steps that are averaged, odd, at least 3.
    substeps: number of parts of a step of the data when the equations are solved, at least 1; each is one step of RK4,
        or several where it is long.
    `coefficients` (term, variable) after fit: the terms 1, x_i, x_i x_j (i <= j); per unit of time.
    """

    choice, name = "least_squares", "least squares"
    learns = True

    def __init__(self, *, derivative: str, substeps: int, width: int = WIDTH) -> None:
        checks.choice("baseline.derivative", derivative, STENCILS)
        checks.odd_number("baseline.width", width, least=3)
        checks.whole_number("baseline.substeps", substeps, least=1)
        self.stencil, self.substeps = STENCILS[derivative](width), substeps
        if derivative != "integral":
            self.name = f"{self.name}, {derivative}"

    def _learn(self, train: xr.Dataset) -> None:
        runs = torch.from_numpy(runs_of(train))
        if runs.shape[1] < (steps := len(self.stencil.terms)):
            raise Refusal(f"baseline={self.choice} needs windows of {steps} steps at least: choose a larger data.leads")
        self.coefficients = self._solve(*self._compressed(runs, float(train.attrs["dt"])))

    def _compressed(self, runs: Tensor, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """Return a square triangular matrix and right-hand sides, by a QR decomposition, block by block.

        Their least squares solutions are those of all rows, whichever columns are left out.
        """
        library, size = Library(runs.shape[-1]), runs.shape[-1]
        stencil, triangle = self.stencil, torch.zeros(0, library.terms + size, dtype=runs.dtype)
        for steps in _in_a_row(runs, len(stencil.terms)):
            if stencil.smooth:
                terms = library(_weighted(stencil.terms, steps))
            else:
                terms = _weighted(stencil.terms, steps, library)
            changes = _weighted(stencil.changes, steps) / (stencil.span * dt)
            triangle = torch.linalg.qr(torch.cat((triangle, torch.cat((terms, changes), -1))), mode="r").R
        triangle = triangle.numpy()[: library.terms]
        return triangle[:, : library.terms], triangle[:, library.terms :]

    def _solve(self, terms: np.ndarray, changes: np.ndarray) -> np.ndarray:
        """Return the coefficients (term, variable)."""
        return _least_squares(terms, changes)

    def _answer(self, known: np.ndarray, samples: xr.Dataset) -> np.ndarray:
        dt, leads = float(samples.attrs["dt"]), samples.sizes["lead"]
        start, steps = torch.from_numpy(known[:, -1].copy()), self.substeps
        one_step = dynamics_of(samples.attrs).one_step if "system" in samples.attrs else math.inf
        found = Polynomial(self.coefficients, one_step=one_step)
        say_substeps(f"baseline={self.choice}", found, dt / steps)
        states = trajectory(found, start, dt / steps, leads * steps, every=steps)
        return states[1:].movedim(0, 1).numpy()

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Return the scores of `coefficient_scores`; where the equations are not known, the number of terms alone."""
        if "system" not in samples.attrs:
            return {"sparsity": float(np.count_nonzero(self.coefficients))}
        return coefficient_scores(self.coefficients, true_coefficients(dynamics_of(samples.attrs)))


class SparseRegression(LeastSquares):
    """Sequentially thresholded least squares (SINDy; Brunton, Proctor and Kutz 2016, PNAS 113, 3932).

    threshold: terms with smaller absolute coefficients are left out of an equation, which is then solved again; above
        0, in units of the coefficients.
    iterations: largest number of such rounds for each equation, at least 1.
    """

    choice, name = "sparse_regression", "SINDy"

    def __init__(
        self, *, threshold: float, iterations: int, derivative: str, substeps: int, width: int = WIDTH
    ) -> None:
        super().__init__(derivative=derivative, substeps=substeps, width=width)
        checks.number("baseline.threshold", threshold, above=0, hint="or type baseline=least_squares")
        checks.whole_number("baseline.iterations", iterations, least=1)
        self.threshold, self.iterations = threshold, iterations

    def _solve(self, terms: np.ndarray, changes: np.ndarray) -> np.ndarray:
        coefficients = _least_squares(terms, changes)
        for variable, column in enumerate(coefficients.T):  # a view: the equation of a variable
            for _ in range(self.iterations):
                large = np.abs(column) >= self.threshold
                if large.sum() == np.count_nonzero(column):
                    break
                column[~large] = 0
                if large.any():
                    column[large] = _least_squares(terms[:, large], changes[:, variable])
        return coefficients


def _in_a_row(runs: Tensor, count: int) -> Iterator[Tensor]:
    """Yield steps in a row of runs (sample, step, variable), (count, row, variable), ROWS at most in all."""
    starts = runs.shape[1] - count + 1
    rows = len(runs) * starts
    chosen = torch.linspace(0, rows - 1, min(ROWS, rows)).round().long()
    for some in chosen.split(MAX_BATCH_ELEMENTS):
        first = some % starts + torch.arange(count)[:, None]
        yield runs[some // starts, first]


def _weighted(
    weights: Sequence[float], steps: Tensor, function: Callable[[Tensor], Tensor] = lambda state: state
) -> Tensor:
    """Return the weighted sum of a function of the steps (count, row, variable), (row, ...)."""
    nothing = torch.zeros((), dtype=steps.dtype)
    return sum((weight * function(state) for weight, state in zip(weights, steps, strict=True) if weight), nothing)


def _least_squares(terms: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Solve with terms scaled to length 1: products of large states would hide the constant."""
    length = np.linalg.norm(terms, axis=0)
    length = np.where(length > 0, length, 1.0)
    return (np.linalg.lstsq(terms / length, changes, rcond=None)[0].T / length).T


def true_coefficients(dynamics: Dynamics) -> np.ndarray:
    """Return (term, variable) of equations that are polynomials of degree 2, from their values at random states."""
    library = Library(dynamics.size)
    states = torch.from_numpy(np.random.default_rng(0).normal(size=(STATES * library.terms, dynamics.size)))
    coefficients = _least_squares(library(states).numpy(), dynamics.tendency(states).numpy())
    return np.where(np.abs(coefficients) > ZERO, coefficients, 0.0)


def coefficient_scores(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return scores of coefficients (term, variable).

    coefficient_error is the mean relative error of those that are not zero in truth, spurious the largest of the
    others, sparsity the number of those found that are not zero.
    """
    real = true != 0
    return {
        "coefficient_error": float(np.abs(found[real] / true[real] - 1).mean()),
        "spurious": float(np.abs(found[~real]).max(initial=0.0)),
        "sparsity": float(np.count_nonzero(found)),
    }
