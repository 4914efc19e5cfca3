"""Predictions that are compared with exact coefficients on some cells, and repaired where they fail."""

from __future__ import annotations

import numpy as np
import pytest

from dlgd.core.errors import Refusal
from dlgd.core.repair import Check
from dlgd.physics import normalization
from dlgd.problems.normalization import repair
from dlgd.problems.normalization.data import fields
from dlgd.problems.normalization.data.closed_forms import GUESS
from tests.problems.normalization.data.small_data import ready


@pytest.fixture(scope="module")
def sample():
    """An operator, its exact gamma, the closed form and the distance to the coast."""
    samples = ready("nemovar").samples("test")
    (operator,) = fields.operators(samples)
    gamma = normalization.exact(operator, 1e-6)
    return operator, gamma, samples[GUESS].values[0], samples.distance.values


def repaired(sample, prediction, *, with_guess=True, **options):
    operator, _, guess, distance = sample
    check = Check(**({"cells": 50, "tolerance": 1e-2} | options))
    rng, gamma = np.random.default_rng(0), prediction.copy()
    guess = guess if with_guess else None
    return (gamma, *repair.repair(operator, gamma, guess, check, distance=distance, rng=rng))


def errors(sample, gamma):
    operator, truth, _, _ = sample
    return np.abs((gamma / truth) ** 2 - 1)[operator.sea]


def test_what_is_right_stays_as_it_is(sample):
    operator, truth, _, _ = sample
    prediction = truth * 1.001
    gamma, exact, outcome = repaired(sample, prediction)
    np.testing.assert_array_equal(gamma, prediction)
    assert not exact.any()
    assert (outcome.good, outcome.repaired, outcome.compared) == (True, 0, 50)
    assert outcome.before == pytest.approx(2e-3, rel=0.05)
    assert outcome.sea == operator.sea.sum()


@pytest.mark.parametrize("with_guess", [True, False], ids=["largest change first", "coast first"])
def test_errors_at_the_coast_are_repaired(sample, with_guess):
    """A prediction that errs by 20 % at the coast, where it also differs most from its first guess."""
    operator, truth, _, distance = sample
    prediction = truth * (1 + 0.1 * np.exp(1 - distance))
    sample = operator, truth, truth * (1 + 0.5 * np.exp(1 - distance)), distance
    gamma, exact, outcome = repaired(sample, prediction, with_guess=with_guess)
    assert outcome.good
    assert 0 < outcome.repaired < operator.sea.sum()
    assert outcome.repaired == exact.sum()
    np.testing.assert_array_equal(gamma[~exact], prediction[~exact])
    assert np.abs(gamma[exact] / sample[1][exact] - 1).max() < 1e-3
    assert np.mean(errors(sample, gamma) > 1e-2) < 0.02 < 0.2 < np.mean(errors(sample, prediction) > 1e-2)


def test_what_is_wrong_everywhere_is_computed_exactly(sample):
    operator, truth, _, _ = sample
    gamma, exact, outcome = repaired(sample, truth * 1.1)
    assert outcome.good
    assert (exact == operator.sea).all()
    assert errors(sample, gamma).max() < 1e-3
    assert outcome.before == pytest.approx(0.21, rel=0.05)
    assert outcome.after == 0


def test_what_is_no_number_is_wrong(sample):
    operator, truth, _, _ = sample
    prediction = truth.copy()
    prediction[10:30, 20:40] = np.nan
    gamma, exact, outcome = repaired(sample, prediction)
    assert outcome.good
    assert outcome.before > 1
    assert errors(sample, gamma).max() < 1e-3
    assert exact[operator.sea & np.isnan(prediction)].all()


def test_it_says_when_its_time_was_too_short(sample):
    _, truth, _, _ = sample
    gamma, exact, outcome = repaired(sample, truth * 1.1, seconds=1e-9)
    assert not outcome.good
    assert not exact.any()
    np.testing.assert_array_equal(gamma, truth * 1.1)
    assert "still above 0.01: give more seconds" in outcome.sentence(0, 1e-2)


def test_half_of_the_cells_are_near_the_coast(sample):
    operator, _, _, distance = sample
    drawn = repair._drawn(operator.sea, distance, 40, np.random.default_rng(1))
    assert drawn.sum() == 40
    assert not drawn[~operator.sea].any()
    assert 20 <= (drawn & (distance <= repair.COAST)).sum() < 40
    everything = repair._drawn(operator.sea, distance, 10**6, np.random.default_rng(1))
    assert (everything == operator.sea).all()


def test_blocks_are_all_tiles_the_most_doubtful_first():
    doubt = np.random.default_rng(0).random((40, 50))  # 50 is no multiple of a tile
    doubt[17, 33] = 2
    blocks = list(repair._blocks(doubt))
    assert (sum(block.astype(int) for block in blocks) == 1).all()
    assert blocks[0][17, 33]
    assert blocks[0][16:20, 32:36].all()


def test_samples_of_a_data_set():
    source = ready("nemovar")
    samples = source.samples("train")
    found = source.repaired(samples, samples.gamma.values * 1.1, Check(cells=10, tolerance=1e-2))
    np.testing.assert_allclose(found.prediction, samples.gamma.values, rtol=1e-3)
    assert found.good
    assert len(found.sentences) == 2
    assert (found.variables["exact"].values == samples.mask.values).all()
    again = source.repaired(samples, samples.gamma.values * 1.1, Check(cells=10, tolerance=1e-2))
    assert again.sentences == found.sentences


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cells": 0}, "check=0 must be a whole number of at least 1"),
        ({"cells": 5, "tolerance": 0.0}, "tolerance=0.0 must be a number from 1e-06 to 1"),
        ({"cells": 5, "seconds": 0}, "seconds=0 must be a number above 0"),
    ],
)
def test_what_is_refused(options, words):
    with pytest.raises(Refusal, match=words):
        Check(**options)
