"""Scores of estimates of a stochastic system: of trajectories, and of the members of ensembles at all steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.problems.lorenz.methods.ensemble_scores import SCORES
from dlgd.problems.lorenz.scores.assimilation import AssimilationEvaluation, scored
from dlgd.problems.lorenz.scores.sequences import truth_of

if TYPE_CHECKING:
    import xarray as xr

IN_TABLE = ("rmse_a",)  # of the scores of other assimilations


class StochasticEvaluation(AssimilationEvaluation):
    """Those of `AssimilationEvaluation`, and

    rmse_by_window: root mean square error of each variable in each window, mean over both; lower than rmse where
        windows differ. rmse: root of mse.

    Filters themselves add crps (fair), spread and spread_skill of their members at all steps, see `MemberScores`.
    """

    all_scores = (
        Score("rmse_by_window", "RMSE by window", higher_is_better=False, written=decimals(3)),
        Score("rmse", "RMSE", higher_is_better=False, written=decimals(3)),
        *SCORES,
        *(replace(score, in_table=score.name in IN_TABLE) for score in AssimilationEvaluation.all_scores),
    )

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """See the class. Raises Refusal for what cannot be scored."""
        found = super().scores(samples, prediction)
        squares = (prediction - truth_of(samples, "time"))[:, scored(samples)] ** 2
        by_window = np.sqrt(squares.mean(axis=1)).mean()
        return {"rmse_by_window": float(by_window), "rmse": found["mse"] ** 0.5} | found
