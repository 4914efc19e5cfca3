"""Scores and figures of equations that are found in trajectories: their coefficients, forecasts and free runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgd.core.contract import Evaluation
from dlgd.problems.lorenz.scores.forecast import LEADS, ForecastEvaluation, skill_text
from dlgd.problems.lorenz.scores.free_run import COLUMNS as FREE_COLUMNS
from dlgd.scoring.published import published_rows
from dlgd.scoring.table import Column, scientific, seconds

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

COEFFICIENTS = ("coefficient_error", "spurious", "sparsity")


def _count(value: float) -> str:
    return f"{value:.0f}"


class IdentificationEvaluation(Evaluation):
    """The scores of `ForecastEvaluation`, with its options; and, from the methods and networks themselves that have
    coefficients to show: coefficient_error, the mean relative error of those that are not zero in truth; spurious, the
    largest of the others; sparsity, the number that is not zero."""

    names = ForecastEvaluation.names
    columns = (
        Column("coefficient_error", "coef. error"),
        Column("spurious", "spurious", scientific),
        Column("sparsity", "terms", _count, higher=None),
        Column("skill_1", "skill 1", skill_text, higher=True),
        *FREE_COLUMNS,
        Column("seconds_per_sample", "s/sample", seconds),
    )

    def __init__(
        self,
        *,
        published: Sequence[Mapping[str, Any]] = (),
        exponent: float | None = None,
        free_runs: int = 0,
        free_time: float = 0.0,
    ) -> None:
        self._forecast = ForecastEvaluation(exponent=exponent, free_runs=free_runs, free_time=free_time)
        printed = (*COEFFICIENTS, *self.names, *(f"skill_{lead}" for lead in LEADS))
        self.published = published_rows(published, printed)

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """Of the forecasts. Raises ValueError for what cannot be scored."""
        return self._forecast.scores(samples, prediction)

    def further(self, samples: xr.Dataset) -> tuple[Evaluation, xr.Dataset] | None:
        """Free runs, which are scored by their climate."""
        return self._forecast.further(samples)

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """Of the forecasts."""
        self._forecast.figures(folder, samples, predictions)

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """Of the forecasts."""
        return self._forecast.dataset(samples, prediction)
