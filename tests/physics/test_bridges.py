"""Probabilities of return, averaged along bridges: exact to first order where length scales change, and far better than
the separable form at real coasts."""

import numpy as np
import pytest

from dlgd.physics import bridges, separable
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.diffusion3d import Diffusion3D
from dlgd.physics.halo import Topology
from dlgd.physics.normalization import brute_force, exact
from tests.physics.diffusion_reference import TOPOLOGIES, rough_operator


def error(gamma, truth):
    """|eps| wherever there is a truth."""
    return np.abs(gamma**2 / truth**2 - 1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (17, 23)])
def test_rectangular_basins_are_exact(shape):
    """Diffusivities along columns depend on the row alone, and along rows on the column: all lines are alike."""
    ny, nx = shape
    rng = np.random.default_rng(ny)
    alpha_i, alpha_j = np.zeros((ny + 1, nx)), np.zeros((ny, nx))
    alpha_i[1:-1] = rng.uniform(0.1, 2.5, (ny - 1, 1))
    alpha_j[:, 1:] = rng.uniform(0.1, 2.5, (1, nx - 1))
    operator = Diffusion(alpha_i, alpha_j, np.ones(shape), np.ones(shape, bool), Topology("closed", "closed"))
    truth = brute_force(operator, np.argwhere(operator.sea)).reshape(shape)
    assert error(bridges.bridged(operator), truth).max() < 1e-4


@pytest.mark.parametrize("turned", [False, True])
def test_changes_across_lines_are_right_to_first_order(turned):
    """Length scales along rows that change from row to row: with a quarter of the changes the separable form has a
    quarter of the error, and this one about a sixteenth."""

    def errors(amplitude):
        changes = np.exp(amplitude * np.cos(2 * np.pi * np.arange(40) / 20))[:, None]
        along, across = np.broadcast_to(changes, (40, 40)), np.ones((41, 40))
        if turned:
            across[:-1], along = along.T, np.ones((40, 40))
            across[-1] = across[0]
        torus = Topology("periodic", "periodic")
        operator = Diffusion(across, along, np.ones((40, 40)), np.ones((40, 40), bool), torus)
        truth = exact(operator, tolerance=1e-8)
        plain, averaged = separable.separable(operator), bridges.bridged(operator)
        return np.array([np.abs(np.log(each / truth)).mean() for each in (plain, averaged)])

    quarter = errors(0.1) / errors(0.4)
    assert 0.2 < quarter[0] < 0.3
    assert quarter[1] < 0.1
    assert errors(0.4)[1] < errors(0.4)[0] / 10


def test_means_are_those_of_implicit_steps():
    """Against dense matrices, along periodic rows and closed columns; coasts, areas and length scales vary."""
    operator = rough_operator(TOPOLOGIES["channel"], (14, 40), scales=(0.3, 1.2), seed=4)
    values = np.random.default_rng(0).uniform(0.1, 1.0, (14, 40, separable.TIMES))
    halo = separable.reach(operator)
    rows, columns = bridges.along_rows(operator, values, halo), bridges.along_columns(operator, values, halo)

    def dense(alpha, area, line):  # alpha[k] between cells k - 1 and k of a line
        n = len(area)
        laplacian = np.zeros((n, n))
        for k in range(n):
            for here, there in ((k, k - 1), (k - 1, k)):
                laplacian[here, here] += alpha[k]
                laplacian[here, there] -= alpha[k]
        found = line**-0.5
        for number, time in enumerate(separable.times(operator.steps)[0]):
            step = np.eye(n) + time / 12 * laplacian / area[:, None]
            found[:, number] = np.linalg.solve(step, np.linalg.solve(step, found[:, number]))
        return found**-2

    for y in range(0, 14, 5):
        expected = dense(operator.alpha_j[y], operator.area[y], values[y])
        np.testing.assert_allclose(rows[y], expected, rtol=1e-6)
    for x in range(0, 40, 13):
        expected = dense(operator.alpha_i[:-1, x], operator.area[:, x], values[:, x])
        np.testing.assert_allclose(columns[:, x], expected, rtol=1e-9)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_better_than_the_separable_form_at_coasts(name):
    """One cell of seven is an island."""
    operator = rough_operator(TOPOLOGIES[name], (30, 44), scales=(0.6, 0.75), seed=2)
    truth = exact(operator, tolerance=1e-6)
    plain, averaged = (error(form(operator), truth)[operator.sea] for form in (separable.separable, bridges.bridged))
    assert averaged.mean() < plain.mean() / 1.5
    assert np.quantile(averaged, 0.99) < np.quantile(plain, 0.99) / 1.5


def test_one_level_of_a_volume_is_a_plane():
    plane = rough_operator(TOPOLOGIES["channel"], (12, 20), scales=(0.4, 1.1), seed=3)
    volume = Diffusion3D(
        alpha_i=plane.alpha_i[None],
        alpha_j=plane.alpha_j[None],
        alpha_k=np.zeros((2, 12, 20)),
        volume=plane.area[None],
        sea=plane.sea[None],
        topology=plane.topology,
    )
    np.testing.assert_allclose(bridges.bridged_implicit(volume)[0], bridges.bridged(plane), rtol=1e-9)
