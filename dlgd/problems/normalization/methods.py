"""Methods for normalization coefficients that need no training; see `physics.normalization`, `physics.separable`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.contract import DataSource, Method
from dlgd.core.errors import Refusal
from dlgd.core.progress import progress
from dlgd.core.timing import timed
from dlgd.physics import bridges, normalization, normalization3d
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.diffusion3d import Diffusion3D
from dlgd.physics.separable import separable as separable_gamma
from dlgd.problems.normalization.data import fields, fields3d
from dlgd.training.device import check_method_device

Solve = Callable[[int, Diffusion], np.ndarray]
SolveOcean = Callable[[int, Diffusion3D, str], np.ndarray]


class _EachSample(Method):
    """A method that solves one operator after the other.

    name: of its row in tables. solve: gamma (y, x) in m, NaN on land, from the number of a sample and its operator.
    in_three: gamma (level, y, x) in m^(3/2) likewise, of samples that have levels, from their form, too.
    The one that is None serves no samples of its kind.
    """

    def __init__(self, *, name: str, solve: Solve | None, in_three: SolveOcean | None) -> None:
        self.name, self._solve, self._in_three = name, solve, in_three

    def check(self, data: DataSource) -> None:
        """Refuse samples without levels, or with them, where the method serves the others alone."""
        self._choose(ocean="alpha_k" in data.inputs)

    def _choose(self, *, ocean: bool) -> Solve | SolveOcean:
        """What serves samples with levels, or those without."""
        solve = self._in_three if ocean else self._solve
        if solve is None:
            kind, data = ("without", "nemovar") if ocean else ("with", "ocean")
            raise Refusal(f"baseline={self.name} serves samples {kind} levels only: try data={data}")
        return solve

    def fit(self, train: xr.Dataset) -> None:
        """Nothing to learn."""

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """gamma (sample, y, x) in m, or (sample, level, y, x) in m^(3/2), NaN on land."""
        missing = [v for v in ("alpha_i", "alpha_j", "w", "mask") if v not in samples]
        if missing:
            raise Refusal(f"baseline={self.name} needs the variables {', '.join(missing)}, which these samples lack")
        ocean = "level" in samples.sizes
        solve = self._choose(ocean=ocean)
        form = [fields3d.form(samples)] if ocean else []
        operators = list(fields3d.operators(samples) if ocean else fields.operators(samples))
        answers, seconds = [], []
        try:
            for number, operator in enumerate(progress(operators, self.name)):
                answer, took = timed(partial(solve, number, operator, *form))
                answers.append(answer)
                seconds.append(took)
        except Refusal as error:
            raise Refusal(f"baseline={self.name} cannot solve these samples: {error}") from error
        self.seconds_per_sample = float(np.median(seconds))
        return np.stack(answers)


def homogeneous() -> Method:
    """Return the closed form of a homogeneous ocean: each cell as if its own diffusivities held everywhere."""
    return _EachSample(
        name="homogeneous",
        solve=lambda _, operator: normalization.homogeneous(operator),
        in_three=lambda _, operator, form: normalization3d.homogeneous(operator, form),
    )


def separable() -> Method:
    """Return the separable closed form: as if diffusion along rows and along columns did not affect each other.

    With levels: that form of each level, in the exact sum over the column; of the full operator, the form of all three
    directions.
    """

    def in_three(_: int, operator: Diffusion3D, form: str) -> np.ndarray:
        if form == "implicit":
            return normalization3d.separable_implicit(operator)
        return normalization3d.vertical_outermost(operator, separable_gamma)

    return _EachSample(
        name="separable",
        solve=lambda _, operator: separable_gamma(operator),
        in_three=in_three,
    )


def bridge() -> Method:
    """Return the separable closed form, its factors averaged over the lines that a returning walk visits.

    With levels: that form of each level, in the exact sum over the column; of the full operator, each of the three
    directions averaged over both others.
    """

    def in_three(_: int, operator: Diffusion3D, form: str) -> np.ndarray:
        if form == "implicit":
            return bridges.bridged_implicit(operator)
        return normalization3d.vertical_outermost(operator, bridges.bridged)

    return _EachSample(name="bridge", solve=lambda _, operator: bridges.bridged(operator), in_three=in_three)


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
        in_three=lambda number, operator, form: normalization3d.randomization(
            operator, form, vectors, np.random.default_rng([seed, number])
        ),
    )


def exact(*, tolerance: float, device: str) -> Method:
    """Return the exact coefficients by probing, the ceiling of the table.

    tolerance: largest relative error of gamma^2, from 1e-8 to 1e-2. A smaller one takes longer.
    device: cpu or cuda; the full operator of three dimensions is probed on the CPU in any case.
    """
    checks.number("baseline.tolerance", tolerance, least=1e-8, most=1e-2)
    check_method_device(device)
    solve = partial(normalization.exact, tolerance=tolerance, device=device)

    def in_three(_: int, operator: Diffusion3D, form: str) -> np.ndarray:
        if form == "implicit":
            return normalization3d.probing(operator, tolerance=tolerance)
        return normalization3d.vertical_outermost(operator, solve)

    return _EachSample(
        name=f"exact {tolerance:g}",
        solve=lambda _, operator: solve(operator),
        in_three=in_three,
    )


def usual_product(*, tolerance: float) -> Method:
    """Return the product of horizontal and vertical coefficients, for samples with levels only.

    It is what ocean data assimilation uses, exact over a flat bottom. tolerance: largest relative error of the squared
    horizontal coefficients, from 1e-8 to 1e-2.
    """
    checks.number("baseline.tolerance", tolerance, least=1e-8, most=1e-2)
    solve = partial(normalization.exact, tolerance=tolerance)
    return _EachSample(
        name="usual product",
        solve=None,
        in_three=lambda _, operator, form: normalization3d.usual_product(operator, solve),
    )
