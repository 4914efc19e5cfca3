"""The diffusion operator against a dense matrix made by walking from cell to cell; random length scales."""

import numpy as np
import pytest

from dlgd.physics import grids
from dlgd.physics.diffusion import STEPS, Diffusion
from dlgd.physics.halo import pad_cells, pad_west_faces
from dlgd.physics.length_scales import LengthScales, random_diffusion
from dlgd.physics.random_fields import smooth_field
from tests.physics.diffusion_reference import CHANNEL, TOPOLOGIES, Walker, dense, rough_operator

SHAPE = (7, 16)


@pytest.fixture(params=TOPOLOGIES)
def operator(request):
    return rough_operator(TOPOLOGIES[request.param], SHAPE, scales=(0.2, 2.0), seed=1)


def test_matrix_is_the_dense_one(operator):
    matrix, number = operator.matrix()
    at_sea = operator.sea.ravel()
    np.testing.assert_allclose(matrix.toarray(), dense(operator)[np.ix_(at_sea, at_sea)], rtol=1e-13)
    np.testing.assert_array_equal(number[operator.sea], np.arange(at_sea.sum()))
    assert (number[~operator.sea] == -1).all()


def test_matrix_is_symmetric_conserves_and_is_positive_definite(operator):
    matrix = operator.matrix()[0].toarray()
    area = operator.area[operator.sea]
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(matrix.sum(axis=1), area, rtol=1e-13)  # D conserves: its rows sum to zero
    assert np.linalg.eigvalsh(matrix).min() >= area.min() * (1 - 1e-12)
    assert (matrix - np.diag(np.diag(matrix)) <= 0).all()


def test_stencil_is_the_scaled_matrix(operator):
    """A x by the stencil, over sea and land alike, against W^-1/2 (W + D) W^-1/2 x."""
    diagonal, south, west = operator.couplings()
    x = np.random.default_rng(2).normal(size=SHAPE)
    around = pad_cells(x, 1, operator.topology)
    east = pad_west_faces(west, 0, operator.topology)[:, 1:]
    product = diagonal * x - south[:-1] * around[:-2, 1:-1] - south[1:] * around[2:, 1:-1]
    product -= west * around[1:-1, :-2] + east * around[1:-1, 2:]
    root = np.sqrt(operator.area).ravel()
    np.testing.assert_allclose(product.ravel(), dense(operator) / np.outer(root, root) @ x.ravel(), rtol=1e-12)


def test_operator_reaches_through_the_fold(small_tripolar):
    grid, sea = small_tripolar
    operator = random_diffusion(grid, sea, np.random.default_rng(0))
    matrix, number = operator.matrix()
    crossings = 0
    for column in range(72):
        here, there = number[-1, column], number[-1, 71 - column]
        if here >= 0 and there >= 0:
            assert matrix[here, there] == -operator.alpha_i[-1, column] < 0
            crossings += 1
    assert crossings > 10
    assert abs(matrix - matrix.T).max() == 0


@pytest.mark.parametrize("shapes", [((7, 16), (7, 16)), ((8, 16), (7, 17)), ((8, 15), (7, 16))])
def test_shapes_that_do_not_fit_are_refused(shapes):
    south, west = shapes
    with pytest.raises(ValueError, match="shapes do not fit"):
        Diffusion(np.zeros(south), np.zeros(west), np.ones(SHAPE), np.ones(SHAPE, bool), CHANNEL)


@pytest.mark.parametrize("steps", [0, 1, 7, -2])
def test_odd_numbers_of_steps_are_refused(steps):
    with pytest.raises(ValueError, match="even and positive"):
        rough_operator(CHANNEL, SHAPE, scales=(1, 2), seed=0, steps=steps)


# --- random length scales -----------------------------------------------------------------------------------


def length_scales(grid, operator):
    """l_i, l_j in cells on their faces, NaN on closed ones, from the definition of alpha."""
    with np.errstate(invalid="ignore"):
        l_i = np.sqrt(operator.alpha_i * grid.south_distance / grid.south_length) / grid.south_distance
        l_j = np.sqrt(operator.alpha_j * grid.west_distance / grid.west_length) / grid.west_distance
    return np.where(operator.alpha_i > 0, l_i, np.nan), np.where(operator.alpha_j > 0, l_j, np.nan)


def sample(grid_and_sea, seed, *, steps=STEPS, **options):
    return random_diffusion(*grid_and_sea, np.random.default_rng(seed), LengthScales(**options), steps=steps)


def test_scales_fill_their_range(small_tripolar):
    for options in ({}, {"scale_min": 1.0, "scale_max": 3.0}):
        low, high = options.get("scale_min", 0.25), options.get("scale_max", 1.6)
        found = [length_scales(small_tripolar[0], sample(small_tripolar, seed, **options)) for seed in range(6)]
        for kind in zip(*found, strict=True):
            values = np.stack(kind)
            assert low * (1 - 1e-9) <= np.nanmin(values) < 1.1 * low
            assert 0.9 * high < np.nanmax(values) <= high * (1 + 1e-9)
            share = np.log(values / low) / np.log(high / low)
            assert np.nanmean(share) == pytest.approx(0.5, abs=0.1)  # log l is uniform
            assert np.nanstd(share) == pytest.approx(12**-0.5, abs=0.07)


@pytest.mark.parametrize("grid", [grids.mercator(30, 60), grids.tripolar(58, 72), grids.uniform(20, 24)])
def test_exactly_the_faces_beside_land_and_on_closed_sides_are_zero(grid):
    sea = np.random.default_rng(5).random(grid.shape) > 0.3
    operator = random_diffusion(grid, sea, np.random.default_rng(0))
    ny, nx = grid.shape
    for row in range(ny):
        for column in range(nx):
            south = operator.alpha_i, grid.south_length, -1, 0
            west = operator.alpha_j, grid.west_length, 0, -1
            for alpha, length, north, east in (south, west):
                there = Walker(row, column, grid.shape, grid.topology).step(north, east)
                is_open = sea[row, column] and not there.outside and there.cell(sea)
                at_a_pole = length[row, column] == 0  # of the cap, where a column of faces is one point
                assert (alpha[row, column] > 0) == (is_open and not at_a_pole)
    last = operator.alpha_i[-1] > 0
    north = {"closed": np.zeros(nx, bool), "fold": sea[-1] & sea[-1, ::-1], "periodic": sea[-1] & sea[0]}
    np.testing.assert_array_equal(last, north[grid.topology.south_north])
    assert np.isfinite(operator.alpha_i).all()
    assert np.isfinite(operator.alpha_j).all()


@pytest.mark.parametrize("seed", [0, 11])
def test_a_seed_repeats_its_sample_and_others_differ(small_tripolar, seed):
    one, again, other = (sample(small_tripolar, s) for s in (seed, seed, seed + 1))
    np.testing.assert_array_equal(one.alpha_i, again.alpha_i)
    np.testing.assert_array_equal(one.alpha_j, again.alpha_j)
    at_sea = one.alpha_i > 0
    assert (np.abs(np.log(one.alpha_i[at_sea] / other.alpha_i[at_sea])) > 0.1).mean() > 0.7


def test_samples_drawn_one_after_the_other_differ(small_tripolar):
    rng = np.random.default_rng(0)
    one, other = (random_diffusion(*small_tripolar, rng) for _ in range(2))
    at_sea = one.alpha_j > 0
    assert (np.abs(np.log(one.alpha_j[at_sea] / other.alpha_j[at_sea])) > 0.1).mean() > 0.7


@pytest.mark.parametrize(("anisotropy", "correlation"), [(0.0, 1.0), (0.7, 0.51), (1.0, 0.0)])
def test_anisotropy_is_what_the_two_scales_do_not_share(anisotropy, correlation):
    """Both are fields of position, each seen at its own faces: compared at the centres, midway between faces."""
    grid = grids.mercator(45, 90)
    sea = np.ones(grid.shape, bool)
    pairs = []
    for seed in range(8):
        operator = sample((grid, sea), seed, anisotropy=anisotropy)
        l_i, l_j = length_scales(grid, operator)
        centre_i = (l_i[1:-2] + l_i[2:-1]) / 2
        centre_j = (l_j + np.roll(l_j, -1, axis=1))[1:-1] / 2
        pairs.append((centre_i[::5, ::5].ravel(), centre_j[::5, ::5].ravel()))
    l_i, l_j = (np.concatenate(side) for side in zip(*pairs, strict=True))
    if anisotropy == 0:
        np.testing.assert_allclose(l_i, l_j, rtol=0.03)
    assert np.corrcoef(np.log(l_i), np.log(l_j))[0, 1] == pytest.approx(correlation, abs=0.18)


def test_both_sides_of_the_fold_see_one_diffusivity(small_tripolar):
    operator = sample(small_tripolar, 4)
    np.testing.assert_array_equal(operator.alpha_i[-1], operator.alpha_i[-1, ::-1])


@pytest.mark.parametrize(
    "options",
    [
        {"scale_min": 0.0},
        {"scale_min": -1.0},
        {"scale_min": 2.0, "scale_max": 1.0},
        {"anisotropy": -0.1},
        {"anisotropy": 1.1},
        {"steps": 3},
    ],
)
def test_bad_options_are_refused(small_tripolar, options):
    with pytest.raises(ValueError, match="must"):
        sample(small_tripolar, 0, **options)


# --- smooth fields ------------------------------------------------------------------------------------------


def test_covariance_of_smooth_fields_is_gaussian_in_the_chord():
    length = 20.0
    angles = np.array([0.0, 5, 10, 20, 30, 60, 120])
    points = grids.unit_vectors(angles, np.full(7, 33.0))
    fields = np.stack([smooth_field(points, length, np.random.default_rng(seed), waves=50) for seed in range(4000)])
    chord = 2 * np.sin(np.deg2rad(angles) / 2)
    expected = np.exp(-(chord**2) / (2 * np.deg2rad(length) ** 2))
    np.testing.assert_allclose(fields.T @ fields[:, 0] / 4000, expected, atol=0.06)  # 2.5 times 1.5 / sqrt(4000)
    assert np.abs(fields.mean(axis=0)).max() < 0.05
    np.testing.assert_allclose(fields.var(axis=0), 1, atol=0.08)


def test_smooth_fields_have_no_seam():
    """Just west and just east of the date line the field is the same; so it is all round the pole."""
    rng = np.random.default_rng
    lat = np.linspace(-80, 80, 9)
    west, east = (smooth_field(grids.unit_vectors(lat, np.full(9, lon)), 10.0, rng(0)) for lon in (-180.0, 180.0))
    np.testing.assert_allclose(west, east, atol=1e-10)
    round_the_pole = smooth_field(grids.unit_vectors(np.full(36, 89.999), np.arange(0, 360, 10.0)), 10.0, rng(0))
    assert np.ptp(round_the_pole) < 1e-3
