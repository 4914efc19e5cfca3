"""The two root mean square errors of windows, by hand."""

import numpy as np
import pytest

from dlgd.problems.lorenz.scores.stochastic import StochasticEvaluation
from tests.problems.lorenz.scores.test_assimilation import windows


def test_roots_are_taken_in_each_window_or_over_all():
    samples = windows(count=2)
    error = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])[:, None]
    scores = StochasticEvaluation().scores(samples, samples.state.values + error)
    assert scores["rmse_by_window"] == pytest.approx(2.0)
    assert scores["rmse"] == pytest.approx((28 / 6) ** 0.5)
    assert scores["mse_of_z"] == pytest.approx(5.0)


def test_every_score_is_described():
    samples = windows()
    described = [score.name for score in StochasticEvaluation.all_scores]
    assert set(StochasticEvaluation().scores(samples, samples.state.values)) <= set(described)
    assert len(described) == len(set(described))
