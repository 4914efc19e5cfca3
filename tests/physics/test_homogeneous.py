"""The homogeneous closed form: exact on a doubly periodic uniform plane, a fair guess elsewhere."""

import time

import numpy as np
import pytest
from scipy.integrate import dblquad

from dlgd.physics.normalization import brute_force, homogeneous, homogeneous_energy
from tests.physics.diffusion_reference import CHANNEL, even_gamma, even_operator, rough_operator

RATIOS = [(0.0, 0.0), (0.0, 0.3), (1e-3, 2.0), (0.0625, 0.0625), (0.7, 0.2), (2.56, 2.56), (0.04, 9.0)]


@pytest.mark.parametrize("steps", [2, 4, 10, 20])
@pytest.mark.parametrize(("r_i", "r_j"), RATIOS)
def test_energy_is_that_of_a_large_doubly_periodic_plane(r_i, r_j, steps):
    exact = 1 / even_gamma((512, 512), r_i=r_i, r_j=r_j, steps=steps) ** 2
    assert float(homogeneous_energy(r_i, r_j, steps)) == pytest.approx(exact, rel=1e-12)


def test_energy_is_the_integral():
    def integrand(k, l):  # noqa: E741
        return (1 + 4 * 0.8 * np.sin(k / 2) ** 2 + 4 * 0.3 * np.sin(l / 2) ** 2) ** -10 / np.pi**2

    integral, _ = dblquad(integrand, 0, np.pi, 0, np.pi, epsrel=1e-11, epsabs=0)
    assert float(homogeneous_energy(0.8, 0.3, 10)) == pytest.approx(integral, rel=1e-11)


def test_energy_is_symmetric_and_keeps_shapes():
    r = np.random.default_rng(0).uniform(0, 3, (2, 3, 5))
    energy = homogeneous_energy(r[0], r[1])
    assert energy.shape == (3, 5)
    np.testing.assert_array_equal(energy, homogeneous_energy(r[1], r[0]))
    assert homogeneous_energy(np.zeros((4, 1)), np.ones(3)).shape == (4, 3)
    assert homogeneous_energy(np.zeros(0), np.zeros(0)).shape == (0,)
    alone = [float(homogeneous_energy(a, b)) for a, b in zip(r[0].flat, r[1].flat, strict=True)]
    np.testing.assert_allclose(energy.ravel(), alone, rtol=1e-12)  # whatever else is asked for with it


@pytest.mark.parametrize("steps", [2, 10])
@pytest.mark.parametrize(("r_i", "r_j"), [(0.09, 0.09), (1.0, 0.3), (2.56, 2.56)])
def test_uniform_plane_is_exact(r_i, r_j, steps):
    """Against the exact sum over waves and against brute force: 1e-10."""
    shape = (80, 80)
    operator = even_operator(shape, r_i=r_i, r_j=r_j, steps=steps)
    gamma = homogeneous(operator)
    np.testing.assert_allclose(gamma**2, even_gamma(shape, r_i=r_i, r_j=r_j, steps=steps) ** 2, rtol=1e-10)
    cells = np.array([[0, 0], [79, 3], [40, 79]])
    np.testing.assert_allclose(gamma[tuple(cells.T)] ** 2, brute_force(operator, cells) ** 2, rtol=1e-10)


def test_each_cell_uses_the_means_of_its_faces():
    operator = rough_operator(CHANNEL, (6, 8), scales=(0.3, 2.0), seed=0)
    gamma = homogeneous(operator)
    assert (np.isnan(gamma) == ~operator.sea).all()
    for y, x in np.argwhere(operator.sea):
        w = operator.area[y, x]
        r_i = (operator.alpha_i[y, x] + operator.alpha_i[y + 1, x]) / 2 / w
        r_j = (operator.alpha_j[y, x] + operator.alpha_j[y, (x + 1) % 8]) / 2 / w
        assert gamma[y, x] ** 2 == pytest.approx(w / float(homogeneous_energy(r_i, r_j)), rel=1e-12)


def test_it_is_fair_far_from_coasts_and_quick(real_operator):
    began = time.process_time()
    gamma = homogeneous(real_operator)
    assert time.process_time() - began < 2  # 0.07 s alone on a core
    cells = np.argwhere(real_operator.sea)
    cells = cells[np.random.default_rng(0).choice(len(cells), 40, replace=False)]
    error = np.abs(gamma[tuple(cells.T)] ** 2 / brute_force(real_operator, cells) ** 2 - 1)
    assert np.median(error) < 0.03


def test_all_land_is_no_trouble():
    operator = rough_operator(CHANNEL, (4, 5), scales=(1, 2), seed=0, land=1.0)
    assert np.isnan(homogeneous(operator)).all()
