"""Edges of grids: each pair of neighbours once, whatever lies beyond the sides."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from dlgd.physics import edges
from tests.physics.diffusion_reference import TOPOLOGIES, Walker

SHAPE = (4, 6)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_edges_join_neighbours_once(name):
    topology = TOPOLOGIES[name]
    north, east = set(), set()  # two cells beside a pole of the fold are neighbours in both ways
    for row, column in np.ndindex(*SHAPE):
        for pairs, step in ((north, {"north": 1}), (east, {"east": 1})):
            there = Walker(row, column, SHAPE, topology).step(**step)
            if not there.outside:
                pairs.add(frozenset({row * SHAPE[1] + column, there.row * SHAPE[1] + there.column}))
    found = edges.of_grid(SHAPE, topology)
    pairs = list(map(frozenset, zip(found.one.tolist(), found.other.tolist(), strict=True)))
    south = int(found.south.sum())
    assert (len(pairs[:south]), set(pairs[:south])) == (len(north), north)
    assert (len(pairs[south:]), set(pairs[south:])) == (len(east), east)


def test_edges_take_the_values_of_their_faces():
    found = edges.of_grid(SHAPE, TOPOLOGIES["closed"])
    south, west = np.arange(30.0).reshape(5, 6), 100 + np.arange(24.0).reshape(4, 6)
    taken = dict(zip(zip(found.one, found.other, strict=True), found.take(south, west), strict=True))
    assert taken[(6, 0)] == south[1, 0]
    assert taken[(1, 0)] == west[0, 1]


def tower(width):
    """Where the cells of the llc grid stand: on the four sides and the top of a tower of three cubes, in compact order.

    Rows of faces 1 and 2 go up, those of faces 4 and 5 go round, and their columns go down.
    """
    j, i = (one + 0.5 for one in np.mgrid[0 : 3 * width, 0:width].astype(float))
    w = float(width)
    sides = [(0 * i, w - i, j), (i, 0 * i, j)]
    top = i[:width], j[:width], 0 * i[:width] + 3 * w
    across, down = (one + 0.5 for one in np.mgrid[0:width, 0 : 3 * width].astype(float))
    others = [(0 * down + w, across, 3 * w - down), (w - across, 0 * down + w, 3 * w - down)]
    return np.concatenate([np.stack([one.ravel() for one in face], axis=1) for face in (*sides, top, *others)])


@pytest.mark.parametrize("width", [2, 5])
def test_llc_edges_are_those_of_a_tower_of_cubes(width):
    found = edges.of_llc(width)
    points = tower(width)
    assert len(points) == edges.LLC_FACES * width**2
    expected = KDTree(points).query_pairs(1.01)
    pairs = {tuple(sorted(pair)) for pair in zip(found.one.tolist(), found.other.tolist(), strict=True)}
    assert pairs == expected
    assert len(found.one) == len(expected)


def test_each_llc_edge_is_a_south_or_west_face_of_its_first_cell():
    """MITgcm's Kux and Kvy of a cell are those of its west and south face."""
    found = edges.of_llc(3)
    number = np.arange(edges.LLC_FACES * 9).reshape(-1, 3)
    faces = found.take(np.concatenate([number, number[:1]]), 1000 + number)
    np.testing.assert_array_equal(faces % 1000, found.one)
