"""Scores and figures of equations that are found in trajectories: their coefficients, forecasts and free runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgd.core.contract import Evaluation
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.problems.lorenz.scores.forecast import ForecastEvaluation
from dlgd.scoring.published import published_rows

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

HIDDEN = ("mse", "skill_10", "skill_28")  # in the table of forecasts, but not in this one


class IdentificationEvaluation(Evaluation):
    """The scores of `ForecastEvaluation`, and those of coefficients, which methods and networks give themselves.

    coefficient_error: mean relative error of the coefficients that are not zero in truth. spurious: the largest of the
    others. sparsity: number of coefficients found that are not zero.
    published: rows {name, source, and some of these scores} of figures printed elsewhere, for the table only.
    exponent: leading Lyapunov exponent, per unit of time; None takes a published one, or computes it.
    free_runs: number of long runs whose climate is scored, too; 0 is for none.
    free_time: length of each of them, in time units; 0 is for none.
    """

    all_scores = (
        Score("coefficient_error", "coef. error", higher_is_better=False, in_validation=False),
        Score("spurious", "spurious", higher_is_better=False, in_validation=False),
        Score("sparsity", "terms", higher_is_better=None, written=decimals(0), in_validation=False),
        *(
            replace(score, in_table=score.in_table and score.name not in HIDDEN)
            for score in ForecastEvaluation.all_scores
        ),
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
        self.published = published_rows(published, self.all_scores)

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """Return the scores of the forecasts. Raises Refusal for what cannot be scored."""
        return self._forecast.scores(samples, prediction)

    def further(self, samples: xr.Dataset) -> tuple[Evaluation, xr.Dataset] | None:
        """Return the evaluation of free runs, which scores their climate, and their samples."""
        return self._forecast.further(samples)

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """Draw the figures of the forecasts."""
        self._forecast.figures(folder, samples, predictions)

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """Return the predictions of the forecasts."""
        return self._forecast.dataset(samples, prediction)
