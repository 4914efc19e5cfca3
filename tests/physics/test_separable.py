"""The separable closed form: exact where diffusion along rows and columns commute, far better than the homogeneous one
at real coasts."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from dlgd.physics.diffusion import Diffusion
from dlgd.physics.halo import Topology
from dlgd.physics.normalization import brute_force, exact, homogeneous
from dlgd.physics.separable import energy, returns, separable, times
from tests.physics.diffusion_reference import CHANNEL, even_operator, rough_operator

QUADRATURE = 1e-4  # of gamma^2; at ten nodes 1.7e-5 on uniform grids, somewhat more in narrow basins


def error(gamma, truth):
    """|eps| wherever there is a truth."""
    return np.abs(gamma**2 / truth**2 - 1)


@pytest.mark.parametrize("steps", [4, 10])
@pytest.mark.parametrize(("r_i", "r_j"), [(0.04, 0.04), (1.0, 0.3), (2.56, 2.56), (16.0, 0.1)])
def test_uniform_plane_has_the_homogeneous_coefficients(r_i, r_j, steps):
    operator = even_operator((24, 30), r_i=r_i, r_j=r_j, steps=steps)
    # few steps: times near zero weigh more, where the integrand is steep
    assert error(separable(operator), homogeneous(operator)).max() < (QUADRATURE if steps == 10 else 1e-2)


def basin(ny, nx, seed):
    """A closed rectangular basin of uniform cells whose diffusivities depend on the row, or on the column, alone."""
    rng = np.random.default_rng(seed)
    alpha_i, alpha_j = np.zeros((ny + 1, nx)), np.zeros((ny, nx))
    alpha_i[1:-1] = rng.uniform(0.1, 2.5, (ny - 1, 1))
    alpha_j[:, 1:] = rng.uniform(0.1, 2.5, (1, nx - 1))
    area = np.full((ny, nx), 1.0)
    return Diffusion(alpha_i, alpha_j, area, np.ones((ny, nx), bool), Topology("closed", "closed"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3), (17, 23)])
def test_rectangular_basins_are_exact(shape):
    operator = basin(*shape, seed=sum(shape))
    cells = np.argwhere(operator.sea)
    truth = brute_force(operator, cells).reshape(shape)
    assert error(separable(operator), truth).max() < QUADRATURE


def test_returns_are_those_of_matrix_exponentials():
    """Along each row and column, against dense exponentials; areas, coasts and length scales vary."""
    operator = rough_operator(CHANNEL, (14, 40), scales=(0.3, 1.2), seed=4)
    along_columns, along_rows = returns(operator)
    nodes, _ = times(operator.steps)
    root = np.sqrt(operator.area)

    def dense(alpha, root, periodic):  # alpha[k] between cells k - 1 and k of a line
        n = len(root)
        matrix = np.zeros((n, n))
        for k in range(0 if periodic else 1, n):
            matrix[k, k] += alpha[k]
            matrix[k - 1, k - 1] += alpha[k]
            matrix[k, k - 1] -= alpha[k]
            matrix[k - 1, k] -= alpha[k]
        matrix /= root[:, None] * root[None]
        return np.stack([np.diag(expm(-t * matrix)) for t in nodes], axis=1)

    for y in range(0, 14, 5):
        sea = operator.sea[y]
        wanted = dense(operator.alpha_j[y], root[y], periodic=True)
        np.testing.assert_allclose(along_rows[y][sea], wanted[sea], rtol=1e-5)
    for x in range(0, 40, 13):
        sea = operator.sea[:, x]
        wanted = dense(operator.alpha_i[:-1, x], root[:, x], periodic=False)
        np.testing.assert_allclose(along_columns[:, x][sea], wanted[sea], rtol=1e-5)


def test_the_cut_of_a_periodic_grid_does_not_matter():
    operator = rough_operator(CHANNEL, (14, 40), scales=(0.3, 1.2), seed=5)
    fields = {name: np.roll(getattr(operator, name), 17, axis=-1) for name in ("alpha_i", "alpha_j", "area", "sea")}
    np.testing.assert_allclose(separable(replace(operator, **fields)), np.roll(separable(operator), 17, axis=-1))


def test_columns_go_on_across_the_fold(small_tripolar):
    """The same grid seen from the other side of the fold: turned by half a circle it is the same column."""
    grid, sea = small_tripolar
    from dlgd.physics.length_scales import LengthScales, random_diffusion

    operator = random_diffusion(grid, sea, np.random.default_rng(1), LengthScales(scale_max=1.0))
    truth = exact(operator, 1e-6)
    near = np.zeros_like(sea)
    near[-3:] = sea[-3:]
    closed = np.where(np.arange(59)[:, None] == 58, 0.0, operator.alpha_i)
    without = separable(replace(operator, alpha_i=closed))
    assert error(separable(operator), truth)[near].mean() < 0.6 * error(without, truth)[near].mean()


def test_real_coasts_are_far_better_met_than_by_the_homogeneous_form(real_operator):
    """Measured: mean |eps| 1.96e-2 against 9.99e-2 over ten samples, median below 1e-3."""
    truth = exact(real_operator, 1e-4)
    sea = real_operator.sea
    ours = error(separable(real_operator), truth)[sea]
    theirs = error(homogeneous(real_operator), truth)[sea]
    assert ours.mean() < theirs.mean() / 3
    assert ours.max() < theirs.max() / 3
    assert np.median(ours) < 2e-3


def test_land_is_nan_and_all_land_is_no_trouble():
    operator = rough_operator(CHANNEL, (6, 8), scales=(0.3, 2.0), seed=0)
    assert (np.isnan(separable(operator)) == ~operator.sea).all()
    assert np.isnan(separable(rough_operator(CHANNEL, (4, 5), scales=(1, 2), seed=0, land=1.0))).all()


def test_energy_is_the_mean_over_the_gamma_distribution():
    """E[exp(-2 t)] of a Gamma distribution of shape M is 3^-M: 2 split between rows and columns."""
    nodes, weights = times(10)
    decay = np.broadcast_to(np.exp(-0.1 * nodes), (1, 1, len(nodes)))
    assert energy((decay, decay), 10)[0, 0] == pytest.approx(1.2**-10, rel=1e-10)
    assert weights.sum() == pytest.approx(1)
