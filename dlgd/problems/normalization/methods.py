"""Methods for normalization coefficients that need no training; see `physics.normalization`, `physics.separable`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.core.progress import progress
from dlgd.core.timing import timed
from dlgd.physics import normalization
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.separable import separable as separable_gamma
from dlgd.problems.normalization.data import fields
from dlgd.training.device import check_method_device


class _EachSample(Method):
    """A method that solves one operator after the other.

    name: of its row in tables. solve: gamma (y, x) in m, NaN on land, from the number of a sample and its operator.
    """

    def __init__(self, *, name: str, solve: Callable[[int, Diffusion], np.ndarray]) -> None:
        self.name, self._solve = name, solve

    def fit(self, train: xr.Dataset) -> None:
        """Nothing to learn."""

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """gamma (sample, y, x) in m, NaN on land."""
        missing = [v for v in ("alpha_i", "alpha_j", "w", "mask") if v not in samples]
        if missing:
            raise Refusal(f"baseline={self.name} needs the variables {', '.join(missing)}, which these samples lack")
        operators = list(fields.operators(samples))
        answers, seconds = [], []
        try:
            for number, operator in enumerate(progress(operators, self.name)):
                answer, took = timed(partial(self._solve, number, operator))
                answers.append(answer)
                seconds.append(took)
        except Refusal as error:
            raise Refusal(f"baseline={self.name} cannot solve these samples: {error}") from error
        self.seconds_per_sample = float(np.median(seconds))
        return np.stack(answers)


def homogeneous() -> Method:
    """Return the closed form of a homogeneous ocean: each cell as if its own diffusivities held everywhere."""
    return _EachSample(name="homogeneous", solve=lambda _, operator: normalization.homogeneous(operator))


def separable() -> Method:
    """Return the separable closed form: as if diffusion along rows and along columns did not affect each other."""
    return _EachSample(name="separable", solve=lambda _, operator: separable_gamma(operator))


def randomization(*, vectors: int, seed: int) -> Method:
    """Return randomization: gamma from the sample variance of random fields, as is usual in ocean data assimilation.

    vectors: number of random fields, at least 1; the error falls with its square root.
    seed: of the random fields. Each sample has its own.
    """
    checks.whole_number("baseline.vectors", vectors, least=1)
    checks.whole_number("baseline.seed", seed, least=0)
    return _EachSample(
        name=f"randomization {vectors}",
        solve=lambda number, operator: normalization.randomization(
            operator, vectors, np.random.default_rng([seed, number])
        ),
    )


def exact(*, tolerance: float, device: str) -> Method:
    """Return the exact coefficients by probing, the ceiling of the table.

    tolerance: largest relative error of gamma^2, from 1e-8 to 1e-2. A smaller one takes longer.
    device: cpu or cuda.
    """
    checks.number("baseline.tolerance", tolerance, least=1e-8, most=1e-2)
    check_method_device(device)
    return _EachSample(
        name=f"exact {tolerance:g}", solve=lambda _, operator: normalization.exact(operator, tolerance, device)
    )
