"""Explicit diffusion on a mesh against loops over edges, and its coefficients against dense matrices."""

import numpy as np
import pytest

from dlgd.physics import explicit, grids
from dlgd.physics.halo import Topology
from tests.physics.diffusion_reference import FOLD, Walker

NZ, NY, NX = 3, 6, 7


@pytest.fixture
def ocean():
    """A channel with land, a bottom, scales that differ, and its mesh."""
    grid, rng = grids.mercator(NY, NX), np.random.default_rng(0)
    horizontal = rng.uniform(0.3, 1.5, (NZ, NY, NX)) * np.sqrt(grid.area)
    vertical = rng.uniform(0.5, 1.5, (NZ, NY, NX))
    rock = np.zeros((NZ, NY, NX), bool)
    rock[:, 2, 3] = rock[2, :3] = True
    return (
        np.where(rock, 0, horizontal),
        np.where(rock, 0, vertical),
        explicit.mesh(grid.lat, grid.lon, grid.area, grid.topology),
    )


def dense_root(horizontal, vertical, mesh):
    """L = L_v L_h, edge by edge."""
    number = np.arange(NZ * NY * NX).reshape(NZ, NY, NX)
    edges = []
    for k, y, x in np.ndindex(NZ, NY, NX):
        neighbours = [((k, y, (x - 1) % NX), mesh.west_length[y, x], mesh.west_ratio[y, x])]
        if y:
            neighbours.append(((k, y - 1, x), mesh.south_length[y, x], mesh.south_ratio[y, x]))
        for other, length, ratio in neighbours:
            s = (horizontal[k, y, x] + horizontal[other]) / 2
            if horizontal[k, y, x] > 0 and horizontal[other] > 0:
                edges.append(((k, y, x), other, s, length, ratio))
    n = 2 * int(np.ceil(max(2 * s**2 / length**2 for *_, s, length, _ in edges) / 2))
    step = np.eye(number.size)
    for one, other, s, _, ratio in edges:
        for p, q in ((one, other), (other, one)):
            rate = ratio * s**2 / (2 * n) / mesh.area[p[1:]]
            step[number[p], number[p]] -= rate
            step[number[p], number[q]] += rate
    vertically = np.eye(number.size)
    pairs = [((k, y, x), (k + 1, y, x)) for k, y, x in np.ndindex(NZ - 1, NY, NX)]
    scales = {pair: (vertical[pair[0]] + vertical[pair[1]]) / 2 for pair in pairs
              if vertical[pair[0]] > 0 and vertical[pair[1]] > 0}  # fmt: skip
    n_v = 2 * int(np.ceil(max(2 * s**2 for s in scales.values()) / 2))
    for (one, other), s in scales.items():
        for p, q in ((one, other), (other, one)):
            vertically[number[p], number[p]] -= s**2 / (2 * n_v)
            vertically[number[p], number[q]] += s**2 / (2 * n_v)
    return np.linalg.matrix_power(vertically, n_v // 2) @ np.linalg.matrix_power(step, n // 2)


def test_column_sums_of_horizontal_variances_are_exact(ocean):
    horizontal, vertical, mesh = ocean
    reference = (dense_root(*ocean) ** 2).sum(axis=1).reshape(NZ, NY, NX)
    found = explicit.column_sums(vertical, explicit.horizontal_variances(horizontal, mesh))
    np.testing.assert_allclose(found, reference, rtol=1e-12)
    cells = np.argwhere(horizontal > 0)
    gamma = explicit.brute_force(horizontal, vertical, mesh, cells)
    np.testing.assert_allclose(gamma, reference[tuple(cells.T)] ** -0.5, rtol=1e-12)


def test_the_mesh_of_a_fine_grid_has_the_metric_of_its_cells():
    grid = grids.mercator(60, 120)
    mesh = explicit.mesh(grid.lat, grid.lon, grid.area, grid.topology)
    inner = np.s_[2:-2]
    radii = explicit.ATLAS_RADIUS_M / 6371e3
    np.testing.assert_allclose(mesh.west_length[inner] / grid.west_distance[inner], radii, rtol=2e-3)
    np.testing.assert_allclose(mesh.south_length[inner] / grid.south_distance[inner], radii, rtol=2e-3)
    np.testing.assert_allclose(mesh.west_ratio[inner], 1, rtol=2e-3)  # cells are squares
    np.testing.assert_allclose(mesh.south_ratio[inner], 1, rtol=2e-3)
    assert (mesh.west_ratio[[0, -1]] == 1).all()  # but one cell beside these edges


def test_the_mesh_continues_across_the_fold():
    grid = grids.tripolar(58, 72)
    mesh = explicit.mesh(grid.lat, grid.lon, grid.area, FOLD)
    there = Walker(57, 20, (58, 72), FOLD).step(north=1)
    points = grids.unit_vectors(grid.lat, grid.lon) * explicit.ATLAS_RADIUS_M
    chord = np.linalg.norm(points[57, 20] - points[there.row, there.column])
    assert mesh.south_length[58, 20] == pytest.approx(chord)
    np.testing.assert_allclose(mesh.south_ratio[58], mesh.south_ratio[58, ::-1])


def test_a_closed_side_has_no_edge():
    grid = grids.mercator(NY, NX)
    closed = Topology("closed", "closed")
    mesh = explicit.mesh(grid.lat, grid.lon, grid.area, closed)
    horizontal = np.full((1, NY, NX), 5e6)
    (step,), _ = explicit.horizontal_steps(horizontal, mesh)
    number = np.arange(NY * NX).reshape(NY, NX)
    assert step[number[3, 0], number[3, -1]] == 0
    np.testing.assert_allclose(step.sum(axis=1), 1)
