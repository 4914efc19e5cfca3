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


def dense_root(horizontal, vertical, mesh, iterations=None):
    """L = L_v L_h, edge by edge."""
    number = np.arange(NZ * NY * NX).reshape(NZ, NY, NX)
    ends = zip(mesh.edges.one, mesh.edges.other, strict=True)
    metric = dict(zip(map(frozenset, ends), zip(mesh.length, mesh.ratio, strict=True), strict=True))
    edges = []
    for k, y, x in np.ndindex(NZ, NY, NX):
        for other in [(k, y, (x - 1) % NX), *([(k, y - 1, x)] if y else [])]:
            length, ratio = metric[frozenset({number[0, y, x], number[0][other[1:]]})]
            s = (horizontal[k, y, x] + horizontal[other]) / 2
            if horizontal[k, y, x] > 0 and horizontal[other] > 0:
                edges.append(((k, y, x), other, s, length, ratio))
    n = 2 * int(np.ceil(max(2 * s**2 / length**2 for *_, s, length, _ in edges) / 2))
    step = np.eye(number.size)
    for one, other, s, _, ratio in edges:
        for p, q in ((one, other), (other, one)):
            rate = ratio * s**2 / (2 * n) / mesh.area[number[0][p[1:]]]
            step[number[p], number[p]] -= rate
            step[number[p], number[q]] += rate
    vertically = np.eye(number.size)
    pairs = [((k, y, x), (k + 1, y, x)) for k, y, x in np.ndindex(NZ - 1, NY, NX)]
    scales = {pair: (vertical[pair[0]] + vertical[pair[1]]) / 2 for pair in pairs
              if vertical[pair[0]] > 0 and vertical[pair[1]] > 0}  # fmt: skip
    n_v = 2 * int(np.ceil(max(2 * s**2 for s in scales.values()) / 2)) if iterations is None else iterations
    for (one, other), s in scales.items():
        k = s**2 / (2 * n_v) if iterations is None else -(s**2) / (2 * iterations - 3)
        for p, q in ((one, other), (other, one)):
            vertically[number[p], number[p]] -= k
            vertically[number[p], number[q]] += k
    vertically = vertically if iterations is None else np.linalg.inv(vertically)
    return np.linalg.matrix_power(vertically, n_v // 2) @ np.linalg.matrix_power(step, n // 2)


@pytest.mark.parametrize("iterations", [None, 2, 4])
def test_column_sums_of_horizontal_variances_are_exact(ocean, iterations):
    horizontal, vertical, mesh = ocean
    reference = (dense_root(*ocean, iterations) ** 2).sum(axis=1).reshape(NZ, -1)
    operator = explicit.diffusion(horizontal.reshape(NZ, -1), vertical.reshape(NZ, -1), mesh, iterations=iterations)
    np.testing.assert_allclose(operator.gamma(), reference**-0.5, rtol=1e-12)
    cells = np.argwhere(horizontal.reshape(NZ, -1) > 0)
    np.testing.assert_allclose(operator.brute_force(cells), reference[tuple(cells.T)] ** -0.5, rtol=1e-12)


def of_edges(mesh, one, other, shape):
    """Length and ratio of the edges between nodes (row, column)."""
    ends = zip(mesh.edges.one, mesh.edges.other, strict=True)
    metric = dict(zip(map(frozenset, ends), zip(mesh.length, mesh.ratio, strict=True), strict=True))
    return metric[frozenset(int(np.ravel_multi_index(node, shape)) for node in (one, other))]


def test_the_mesh_of_a_fine_grid_has_the_metric_of_its_cells():
    grid = grids.mercator(60, 120)
    mesh = explicit.mesh(grid.lat, grid.lon, grid.area, grid.topology)
    radii = explicit.ATLAS_RADIUS_M / 6371e3
    for y, x in [(3, 0), (30, 17), (57, 119)]:
        west = of_edges(mesh, (y, x), (y, (x - 1) % 120), grid.shape)
        south = of_edges(mesh, (y, x), (y - 1, x), grid.shape)
        assert west[0] / grid.west_distance[y, x] == pytest.approx(radii, rel=2e-3)
        assert south[0] / grid.south_distance[y, x] == pytest.approx(radii, rel=2e-3)
        assert (west[1], south[1]) == pytest.approx((1, 1), rel=2e-3)  # cells are squares
    assert of_edges(mesh, (0, 5), (0, 4), grid.shape)[1] == 1  # but one mesh cell beside this edge


def test_the_mesh_continues_across_the_fold():
    grid = grids.tripolar(58, 72)
    mesh = explicit.mesh(grid.lat, grid.lon, grid.area, FOLD)
    there = Walker(57, 20, (58, 72), FOLD).step(north=1)
    points = grids.unit_vectors(grid.lat, grid.lon) * explicit.ATLAS_RADIUS_M
    chord = np.linalg.norm(points[57, 20] - points[there.row, there.column])
    assert of_edges(mesh, (57, 20), (there.row, there.column), (58, 72))[0] == pytest.approx(chord)


def test_structured_columns_join_across_the_poles():
    """On a regular grid, dx, dy and area are those of its cells, and the row beyond the pole is half way around."""
    ny, nx = 18, 36
    lat, lon = np.meshgrid(np.arange(-85, 90, 10.0), np.arange(nx) * 10.0, indexing="ij")
    mesh = explicit.structured_columns(lat, lon)
    radius = explicit.ATLAS_RADIUS_M
    ten = np.deg2rad(10) * radius
    assert of_edges(mesh, (0, 3), (0, 3 + nx // 2), (ny, nx))[0] == pytest.approx(ten)
    length, ratio = of_edges(mesh, (9, 3), (8, 3), (ny, nx))
    assert length == pytest.approx(ten)
    assert ratio == pytest.approx(np.cos(np.deg2rad(5)), rel=2e-2)  # chords of a circle of latitude are shorter
    np.testing.assert_allclose(mesh.area.reshape(ny, nx)[9], ten**2 * np.cos(np.deg2rad(5)), rtol=2e-2)
    assert len(mesh.length) == 2 * ny * nx  # four edges a node, and each edge once
    ends = np.bincount(np.concatenate([mesh.edges.one, mesh.edges.other]))
    assert (ends == 4).all()


def test_a_closed_side_has_no_edge():
    grid = grids.mercator(NY, NX)
    closed = Topology("closed", "closed")
    mesh = explicit.mesh(grid.lat, grid.lon, grid.area, closed)
    operator = explicit.diffusion(np.full((1, NY * NX), 5e6), None, mesh)
    number = np.arange(NY * NX).reshape(NY, NX)
    (step,) = operator.horizontal_steps
    assert step[number[3, 0], number[3, -1]] == 0
    np.testing.assert_allclose(step.sum(axis=1), 1)
