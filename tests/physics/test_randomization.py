"""Coefficients from the variance of random fields: unbiased, with errors that fall as sqrt(2 / N)."""

import numpy as np
import pytest

from dlgd.physics.length_scales import LengthScales, random_diffusion
from dlgd.physics.normalization import exact, randomization
from tests.physics.diffusion_reference import FOLD, TORUS, dense_gamma, rough_operator


@pytest.fixture(scope="module")
def sampled(small_tripolar):
    """An operator through the fold, and its exact gamma."""
    operator = random_diffusion(*small_tripolar, np.random.default_rng(8), LengthScales(scale_max=0.8))
    return operator, exact(operator, 1e-6)


def variance_ratio(sampled, vectors, seed):
    """Sample variance over true variance, (sea cells,)."""
    operator, gamma = sampled
    found = randomization(operator, vectors, np.random.default_rng(seed))
    return (gamma[operator.sea] / found[operator.sea]) ** 2


def test_error_falls_as_one_over_the_square_root(sampled):
    numbers = np.array([16, 128, 1024])
    errors = np.array([np.std(variance_ratio(sampled, int(n), seed=1)) for n in numbers])
    np.testing.assert_allclose(errors, np.sqrt(2 / numbers), rtol=0.15)
    slope = np.polyfit(np.log(numbers), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.04)


def test_it_is_unbiased(sampled):
    """Over some 500 independent patches of sea times 2,000 vectors the mean is good to about 0.2 %."""
    ratio = variance_ratio(sampled, 2000, seed=2)
    assert ratio.mean() == pytest.approx(1, abs=6e-3)


@pytest.mark.parametrize("topology", [TORUS, FOLD], ids=["torus", "fold"])
def test_fields_go_round_a_small_grid(topology):
    """The noise is one and the same on all images of a cell, however often the halo goes round."""
    operator = rough_operator(topology, (12, 20), scales=(0.5, 2.0), seed=3)
    found = randomization(operator, 4000, np.random.default_rng(0))[operator.sea]
    ratio = (dense_gamma(operator)[operator.sea] / found) ** 2
    assert np.sqrt(np.mean((ratio - 1) ** 2)) == pytest.approx(np.sqrt(2 / 4000), rel=0.25)


@pytest.mark.parametrize("vectors", [1, 20])
def test_a_seed_repeats_its_estimate(sampled, vectors):
    operator, _ = sampled
    one, again, other = (randomization(operator, vectors, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one[operator.sea] != other[operator.sea]).mean() > 0.99
    assert (np.isnan(one) == ~operator.sea).all()


def test_vectors_that_do_not_fill_the_lanes_count_once(sampled):
    """20 vectors are one full batch and a quarter: the error is that of 20, not of 32."""
    errors = [np.std(variance_ratio(sampled, 20, seed)) for seed in range(3)]
    assert np.mean(errors) == pytest.approx(np.sqrt(2 / 20), rel=0.08)


def test_no_vector_is_refused(sampled):
    with pytest.raises(ValueError, match="at least one vector"):
        randomization(sampled[0], 0, np.random.default_rng(0))
