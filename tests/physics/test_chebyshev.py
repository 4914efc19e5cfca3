"""The Chebyshev series of x^-power."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev

from dlgd.physics.stencil import chebyshev_coefficients


def largest_error(series, power, bound):
    x = np.linspace(1, bound, 20001)
    return np.abs(chebyshev.chebval(2 * (x - 1) / (bound - 1) - 1, series) - 1 / x**power).max()


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-9])
@pytest.mark.parametrize("bound", [1.01, 3.0, 11.4, 73.0, 800.0])
@pytest.mark.parametrize("power", [1, 2, 5])
def test_the_error_stays_below_the_tolerance_and_no_term_is_wasted(power, bound, tolerance):
    series = chebyshev_coefficients(power, bound, tolerance)
    assert largest_error(series, power, bound) <= tolerance
    if len(series) > 2:
        shorter = series[:-1]
        assert largest_error(shorter, power, bound) > 0.3 * tolerance


@pytest.mark.parametrize(("degree", "error"), [(20, 6e-4), (30, 5e-6), (40, 3e-8)])
def test_degrees_for_the_published_samples(degree, error):
    """On [1, 11.4], the spectrum of the published samples, with M / 2 = 5."""
    assert len(chebyshev_coefficients(5, 11.4, error)) - 1 == pytest.approx(degree, abs=1)


def test_a_spectrum_of_one_point_is_no_trouble():
    assert largest_error(chebyshev_coefficients(5, 1.0, 1e-6), 5, 1 + 1e-6) < 1e-6
