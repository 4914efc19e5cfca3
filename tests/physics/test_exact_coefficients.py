"""Exact coefficients: brute force against dense matrices, probing against both."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dlgd.physics import grids, normalization
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.length_scales import random_diffusion
from dlgd.physics.normalization import brute_force, exact
from tests.physics.diffusion_reference import (
    CHANNEL,
    CLOSED,
    FOLD,
    TOPOLOGIES,
    TORUS,
    dense_gamma,
    even_gamma,
    even_operator,
)
from tests.physics.diffusion_reference import rough_operator as rough


def all_cells(operator):
    """gamma (ny, nx) by brute force everywhere, NaN on land."""
    gamma = np.full(operator.sea.shape, np.nan)
    gamma[operator.sea] = brute_force(operator, np.argwhere(operator.sea))
    return gamma


def worst(gamma, reference):
    """Largest relative error of gamma^2 over the sea; both must be undefined on the same land."""
    np.testing.assert_array_equal(np.isnan(gamma), np.isnan(reference))
    return np.nanmax(np.abs((gamma / reference) ** 2 - 1))


@pytest.fixture
def probing_alone(monkeypatch):
    """Brute force, which `exact` uses where a response meets itself, is out of reach."""

    def refuse(*_):
        raise AssertionError("brute force instead of probing")

    monkeypatch.setattr(normalization, "brute_force", refuse)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- brute force --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [2, 4, 10])
@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
def test_brute_force_is_the_diagonal_of_the_dense_matrix(topology, steps):
    operator = rough(topology, (7, 16), scales=(0.2, 2.0), seed=1, steps=steps)
    assert worst(all_cells(operator), dense_gamma(operator)) < 1e-11


def test_brute_force_by_the_inverse_itself():
    """F = ((W + D)^-1 W)^M W^-1, written down."""
    operator = rough(CHANNEL, (5, 8), scales=(0.5, 1.5), seed=2, land=0.0)
    matrix = operator.matrix()[0].toarray()
    w = np.diag(operator.area.ravel())
    covariance = np.linalg.matrix_power(np.linalg.inv(matrix) @ w, 10) @ np.linalg.inv(w)
    np.testing.assert_allclose(all_cells(operator).ravel(), 1 / np.sqrt(np.diag(covariance)), rtol=1e-11)


def test_brute_force_does_not_depend_on_its_blocks():
    operator = rough(TORUS, (6, 9), scales=(0.5, 1.5), seed=2)
    cells = np.argwhere(operator.sea)[::2]
    np.testing.assert_allclose(brute_force(operator, cells, block=5), brute_force(operator, cells, block=1), rtol=1e-12)


def test_brute_force_refuses_land():
    operator = rough(TORUS, (6, 9), scales=(0.5, 1.5), seed=2)
    with pytest.raises(ValueError, match="on land"):
        brute_force(operator, np.argwhere(~operator.sea))


# --- probing on small grids, every cell ---------------------------------------------------------------------

RANGES = {"tiny": ((24, 48), (0.02, 0.05)), "default": ((30, 80), (0.25, 1.6)), "large": ((16, 140), (1.0, 3.0))}


@pytest.mark.parametrize("steps", [2, 4, 10])
@pytest.mark.parametrize("scales", RANGES)
@pytest.mark.parametrize("topology", [CLOSED, CHANNEL, FOLD], ids=["closed", "channel", "fold"])
def test_probing_keeps_its_tolerance(topology, scales, steps, probing_alone):
    shape, span = RANGES[scales]
    if topology is CLOSED:
        shape = shape[0], 30  # need not be wider than a response
    operator = rough(topology, shape, scales=span, seed=4, steps=steps)
    reference = all_cells(operator)
    assert worst(exact(operator, 1e-6), reference) < 1e-6
    assert worst(exact(operator, 1e-4), reference) < 1e-4


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6, 1e-8])
def test_probing_keeps_every_tolerance_on_a_torus(tolerance, probing_alone):
    operator = rough(TORUS, (48, 52), scales=(0.2, 0.7), seed=5)
    assert worst(exact(operator, tolerance), all_cells(operator)) < tolerance


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize(("r_i", "r_j"), [(2**-4, 2**-4), (0.25, 0.25), (1.0, 1.0), (2**-5, 1.0)])
def test_cross_talk_stays_below_the_tolerance_where_it_is_largest(
    r_i, r_j, tolerance, device, probing_alone, one_thread
):
    """Everywhere the same scales, exactly those for which the spacing was chosen: every Dirac meets others."""
    shape = (64, 80)
    gamma = exact(even_operator(shape, r_i=r_i, r_j=r_j), tolerance, device)
    assert worst(gamma, np.full(shape, even_gamma(shape, r_i=r_i, r_j=r_j))) < tolerance


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
def test_some_cells_are_those_of_all(topology):
    operator = rough(topology, (20, 32), scales=(0.2, 1.0), seed=4)
    some = np.random.default_rng(0).random(operator.sea.shape) < 0.1
    found, whole = exact(operator, 1e-6, cells=some), exact(operator, 1e-6)
    np.testing.assert_array_equal(np.isfinite(found), some & operator.sea)
    np.testing.assert_allclose(found[some], whole[some], rtol=2e-6)


@pytest.mark.parametrize("topology", [CLOSED, CHANNEL, FOLD], ids=["closed", "channel", "fold"])
@pytest.mark.parametrize("tolerance", [1e-6, 1e-4])
def test_the_device_version_gives_the_same(topology, tolerance, probing_alone, one_thread):
    operator = rough(topology, (24, 72), scales=(0.2, 1.2), seed=6)
    compiled, batched = exact(operator, tolerance), exact(operator, tolerance, "cpu:0")
    assert worst(batched, all_cells(operator)) < tolerance
    assert worst(batched, compiled) < tolerance


@pytest.mark.gpu
@pytest.mark.parametrize("tolerance", [1e-6, 1e-4])
def test_a_gpu_gives_the_same(real_operator, tolerance):
    assert worst(exact(real_operator, tolerance, "cuda"), exact(real_operator, 1e-8)) < tolerance


# --- where a response meets itself --------------------------------------------------------------------------


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
@pytest.mark.parametrize("shape", [(6, 8), (9, 40), (40, 10)])
@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_grids_smaller_than_a_response(topology, shape, device, one_thread):
    operator = rough(topology, shape, scales=(0.5, 2.0), seed=7)
    assert worst(exact(operator, 1e-6, device), dense_gamma(operator)) < 1e-6


@pytest.mark.parametrize("column", [0, 40])
def test_a_pole_of_the_fold_at_sea(column):
    """Round a corner of the fold lie two cells, not four: padded, they are there twice."""
    shape = (20, 80)
    sea = np.ones(shape, bool)
    sea[-8:, [(40 - column + d) % 80 for d in range(-4, 4)]] = False  # the other pole stands on land
    rng = np.random.default_rng(8)
    alpha_i, alpha_j = rng.uniform(0.2, 1.2, (21, 80)), rng.uniform(0.2, 1.2, shape)
    around = rough(FOLD, shape, scales=(1, 2), seed=0, land=0.0)  # for its topology alone
    open_i, open_j = replace(around, sea=sea).open_faces()
    alpha_i[-1] = (alpha_i[-1] + alpha_i[-1, ::-1]) / 2
    operator = Diffusion(alpha_i * open_i, alpha_j * open_j, np.ones(shape), sea, FOLD)
    assert worst(exact(operator, 1e-6), all_cells(operator)) < 1e-6


# --- a whole sample -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chosen(real_operator):
    """300 random sea cells of the real coast (100 of them on it, 30 near the fold), and their gamma by brute force."""
    rng = np.random.default_rng(0)
    sea = real_operator.sea
    beside_land = sum(~np.roll(sea, shift, axis) for shift in (1, -1) for axis in (0, 1)) > 0
    kinds = (sea & beside_land, 100), (sea & (np.arange(292) > 280)[:, None], 30), (sea, 170)
    cells = np.concatenate([rng.permutation(np.argwhere(kind))[:count] for kind, count in kinds])
    return cells, brute_force(real_operator, cells)


@pytest.mark.parametrize("tolerance", [1e-6, 1e-4])
def test_probing_against_brute_force_on_the_real_ocean(real_operator, chosen, tolerance, probing_alone):
    cells, reference = chosen
    gamma = exact(real_operator, tolerance)
    assert worst(gamma[tuple(cells.T)], reference) < tolerance
    np.testing.assert_array_equal(np.isnan(gamma), ~real_operator.sea)


# --- invariances --------------------------------------------------------------------------------------------


def test_gamma_scales_with_length():
    operator = rough(CHANNEL, (20, 64), scales=(0.2, 1.0), seed=9)
    longer = replace(operator, alpha_i=operator.alpha_i * 9, alpha_j=operator.alpha_j * 9, area=operator.area * 9)
    assert worst(exact(longer), 3 * exact(operator)) < 1e-12


@pytest.mark.parametrize(("down", "right"), [(5, 7), (16, 1), (33, 50)])
def test_neither_signs_nor_tiles_matter(down, right, one_thread):
    """Shifted round the torus, each cell gets other signs, other neighbours in its tile, and the same gamma."""
    operator = rough(TORUS, (64, 64), scales=(0.2, 0.9), seed=10)

    def shifted(field):
        return np.roll(field, (down, right), (0, 1))

    south = shifted(operator.alpha_i[:-1])
    moved = Diffusion(
        np.concatenate([south, south[:1]]),
        shifted(operator.alpha_j),
        shifted(operator.area),
        shifted(operator.sea),
        TORUS,
    )
    for device in ("cpu", "cpu:0"):
        assert worst(exact(moved, 1e-6, device), shifted(exact(operator, 1e-6, device))) < 1e-6


def test_rows_and_columns_are_treated_alike():
    operator = rough(TORUS, (64, 72), scales=(0.2, 1.0), seed=11)
    south = operator.alpha_j.T
    turned = Diffusion(
        np.concatenate([south, south[:1]]), operator.alpha_i[:-1].T, operator.area.T, operator.sea.T, TORUS
    )
    assert worst(exact(turned), exact(operator).T) < 1e-6


# --- odd cases ----------------------------------------------------------------------------------------------


def test_a_lake_of_one_cell_keeps_its_area():
    """Nothing flows: F = W^-1 and gamma = sqrt(w)."""
    sea = np.zeros((9, 11), bool)
    sea[4, 5] = True
    grid = grids.uniform(9, 11, spacing_m=3.0)
    operator = random_diffusion(grid, sea, np.random.default_rng(0))
    gamma = exact(operator)
    assert gamma[4, 5] == pytest.approx(3.0, rel=1e-6)
    assert np.isnan(gamma).sum() == 98


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_all_land_has_no_coefficients(device):
    operator = rough(CHANNEL, (6, 8), scales=(1, 2), seed=0, land=1.0)
    assert np.isnan(exact(operator, device=device)).all()


@pytest.mark.parametrize("tolerance", [0.0, -1e-6, 1e-9, 0.1, float("nan")])
def test_tolerances_out_of_range_are_refused(tolerance):
    with pytest.raises(ValueError, match="must lie between"):
        exact(rough(CHANNEL, (6, 8), scales=(1, 2), seed=0), tolerance)


def test_length_scales_that_no_halo_holds_are_refused():
    with pytest.raises(ValueError, match="too large to be probed"):
        exact(rough(CHANNEL, (6, 8), scales=(30, 40), seed=0))
