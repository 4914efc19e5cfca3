"""The three-dimensional operator against one that is built face by face, and what a bottom does to its faces."""

from dataclasses import replace

import numpy as np
import pytest

from dlgd.core.errors import Refusal
from dlgd.physics.diffusion3d import from_levels
from dlgd.physics.grids import tripolar
from dlgd.physics.length_scales import random_diffusion
from tests.physics.diffusion3d_reference import dense, small_ocean


@pytest.mark.parametrize("part", ["both", "horizontal", "vertical"])
def test_matrices_are_those_of_faces(part):
    operator = small_ocean()
    at_sea = operator.sea.ravel()
    expected = dense(operator, part)[np.ix_(at_sea, at_sea)]
    np.testing.assert_allclose(operator.matrix(part).toarray(), expected, rtol=1e-13, atol=1e-15)


def test_nothing_crosses_into_rock():
    operator = small_ocean()
    rock = ~operator.sea.ravel()
    a = dense(operator, "both")
    assert rock.any()
    assert (a[np.ix_(rock, ~rock)] == 0).all()
    np.testing.assert_allclose(operator.columns()[0][~operator.sea], 1)


def test_a_constant_is_kept():
    """Diffusion of what is the same everywhere does nothing: A W^1/2 1 = W^1/2 1."""
    operator = small_ocean()
    root = np.sqrt(operator.volume[operator.sea])
    np.testing.assert_allclose(operator.matrix() @ root, root, rtol=1e-12)


def test_faces_are_as_high_as_the_thinner_cell_and_as_far_as_centres():
    grid = tripolar(58, 72)
    sea = np.ones((2, 58, 72), bool)
    sea[1, 3, 4] = False
    one = random_diffusion(grid, sea[0], np.random.default_rng(0))
    e3 = np.stack([np.full((58, 72), 10.0), np.random.default_rng(1).uniform(20, 40, (58, 72))])
    operator = from_levels([one, one], grid.area, e3, sea, np.full((3, 58, 72), 50.0))
    assert operator.alpha_i[1, 8, 9] == one.alpha_i[8, 9] * min(e3[1, 7, 9], e3[1, 8, 9])
    assert operator.alpha_j[1, 8, 0] == one.alpha_j[8, 0] * min(e3[1, 8, 71], e3[1, 8, 0])
    assert operator.alpha_i[1, 58, 5] == one.alpha_i[58, 5] * min(e3[1, 57, 5], e3[1, 57, 66])  # across the fold
    assert operator.alpha_k[1, 8, 9] == pytest.approx(50.0**2 * grid.area[8, 9] / ((10 + e3[1, 8, 9]) / 2))
    assert (operator.alpha_k[[0, 2]] == 0).all()
    assert operator.alpha_k[1, 3, 4] == operator.alpha_j[1, 3, 4] == operator.alpha_i[1, 4, 4] == 0
    assert (operator.alpha_i[0] == one.alpha_i * 10).all()


def test_what_does_not_fit_is_refused():
    operator = small_ocean()
    with pytest.raises(Refusal, match="alpha_k"):
        replace(operator, alpha_k=operator.alpha_k[1:])
    with pytest.raises(ValueError, match="even"):
        replace(operator, steps=5)
