"""Padding against walking from cell to cell, and against true positions on the tripolar grid."""

import numpy as np
import pytest

from dlgd.physics.halo import Topology, pad_cells, pad_south_faces, pad_west_faces
from tests.physics.diffusion_reference import CHANNEL, CLOSED, FOLD, TOPOLOGIES, TORUS, walk

NY, NX = 5, 6
HALOS = (0, 1, 3, 5)


def fields(topology):
    """Numbers that are all different, but for faces that are one and the same."""
    cells = 1.0 + np.arange(NY * NX).reshape(NY, NX)
    south = 100.0 + np.arange((NY + 1) * NX).reshape(NY + 1, NX)
    west = 200.0 + np.arange(NY * NX).reshape(NY, NX)
    if topology.south_north == "fold":
        south[-1] = np.minimum(south[-1], south[-1, ::-1])
    if topology.south_north == "periodic":
        south[-1] = south[0]
    return cells, south, west


@pytest.mark.parametrize("halo", HALOS)
@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
def test_padded_cells_are_where_a_walker_finds_them(topology, halo):
    cells, _, _ = fields(topology)
    padded = pad_cells(cells, halo, topology)
    assert padded.shape == (NY + 2 * halo, NX + 2 * halo)
    for y in range(-halo, NY + halo):
        for x in range(-halo, NX + halo):
            walker = walk(y, x, cells.shape, topology)
            assert padded[y + halo, x + halo] == (0 if walker.outside else walker.cell(cells)), (y, x)


@pytest.mark.parametrize("halo", HALOS)
@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
def test_padded_south_faces_are_where_a_walker_finds_them(topology, halo):
    _, south, _ = fields(topology)
    padded = pad_south_faces(south, halo, topology)
    assert padded.shape == (NY + 1 + 2 * halo, NX + 2 * halo)
    for y in range(-halo, NY + halo + 1):
        for x in range(-halo, NX + halo):
            # a face is known from the cell north of it or from the one south of it
            above, below = walk(y, x, (NY, NX), topology), walk(y - 1, x, (NY, NX), topology)
            if not above.outside:
                expected = above.south_face(south)
            elif not below.outside:
                expected = south[below.row + (not below.turned), below.column]
            else:
                expected = 0
            assert padded[y + halo, x + halo] == expected, (y, x)


@pytest.mark.parametrize("halo", HALOS)
@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
def test_padded_west_faces_are_where_a_walker_finds_them(topology, halo):
    _, _, west = fields(topology)
    padded = pad_west_faces(west, halo, topology)
    assert padded.shape == (NY + 2 * halo, NX + 1 + 2 * halo)
    for y in range(-halo, NY + halo):
        for x in range(-halo, NX + halo + 1):
            walker = walk(y, x, (NY, NX), topology)
            assert padded[y + halo, x + halo] == (0 if walker.outside else walker.west_face(west)), (y, x)


def test_faces_shift_through_the_fold():
    """Spelt out once: a south face becomes a north face (one row on), a west face an east face (one column on)."""
    cells, south, west = fields(FOLD)
    np.testing.assert_array_equal(pad_cells(cells, 1, FOLD)[-1, 1:-1], cells[-1, ::-1])
    np.testing.assert_array_equal(pad_south_faces(south, 1, FOLD)[-2, 1:-1], south[-1])  # the fold itself
    np.testing.assert_array_equal(pad_south_faces(south, 1, FOLD)[-1, 1:-1], south[-2, ::-1])
    np.testing.assert_array_equal(pad_west_faces(west, 1, FOLD)[-1, 1:-1], np.append(west[-1], west[-1, 0])[::-1])


def test_a_halo_may_be_larger_than_a_periodic_grid():
    cells, south, west = fields(TORUS)
    np.testing.assert_array_equal(pad_cells(cells, NY * NX, TORUS), np.tile(cells, (2 * NX + 1, 2 * NY + 1)))
    assert (pad_south_faces(south, 20, TORUS)[20 % NY :: NY, 20 % NX :: NX] == south[0, 0]).all()
    assert (pad_west_faces(west, 20, TORUS)[20 % NY :: NY, 20 % NX :: NX] == west[0, 0]).all()
    around = pad_cells(cells, 20, CHANNEL)
    np.testing.assert_array_equal(around[20:-20, 2 : 2 + NX], cells)  # 18 columns away: three times round
    assert not around[:20].any()
    assert not around[-20:].any()


def test_nearest_repeats_the_side_cells():
    cells, _, _ = fields(CLOSED)
    np.testing.assert_array_equal(pad_cells(cells, 2, CLOSED, "nearest"), np.pad(cells, 2, mode="edge"))
    channel = pad_cells(cells, 2, CHANNEL, "nearest")
    np.testing.assert_array_equal(channel, np.pad(np.pad(cells, ((0, 0), (2, 2)), "wrap"), ((2, 2), (0, 0)), "edge"))


def test_leading_axes_and_booleans_pass():
    cells, south, west = fields(FOLD)
    for pad, field in ((pad_cells, cells), (pad_south_faces, south), (pad_west_faces, west)):
        stack = np.stack([field, -field])[:, None]
        np.testing.assert_array_equal(pad(stack, 2, FOLD)[1, 0], pad(-field, 2, FOLD))
    padded = pad_cells(cells > 7, 1, CLOSED)
    assert padded.dtype == bool
    assert not padded[0].any()


def test_ghosts_of_the_tripolar_grid_stand_where_the_earth_has_them(tripolar):
    """Padded positions: each face lies midway between the padded centres on either side of it."""
    halo = 4
    centre = np.moveaxis(pad_cells(_first(_centres(tripolar)), halo, FOLD), 0, -1)
    south = np.moveaxis(pad_south_faces(_first(tripolar.south_position), halo, FOLD), 0, -1)
    west = np.moveaxis(pad_west_faces(_first(tripolar.west_position), halo, FOLD), 0, -1)
    away = np.ones(centre.shape[1], bool)
    for pole in (halo, halo + 180, halo + 360):
        away[max(pole - 20, 0) : pole + 20] = False
    rows = slice(250, None)  # in the cap, through the fold, and four rows on
    _lies_midway(south[1:-1][rows][:, away], centre[:-1][rows][:, away], centre[1:][rows][:, away])
    inner = away[:-1] & away[1:]
    _lies_midway(west[:, 1:-1][rows][:, inner], centre[:, :-1][rows][:, inner], centre[:, 1:][rows][:, inner])


def _first(vectors):
    return np.moveaxis(vectors, -1, 0)


def _centres(grid):
    phi, lam = np.deg2rad(grid.lat), np.deg2rad(grid.lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def _lies_midway(face, one, other):
    distance = np.linalg.norm(one - other, axis=-1)
    assert distance.min() > 0
    assert (np.linalg.norm(face - (one + other) / 2, axis=-1) / distance).max() < 0.05


@pytest.mark.parametrize("sides", [("round", "closed"), ("periodic", "open"), ("closed", "fold")])
def test_unknown_topologies_are_refused(sides):
    with pytest.raises(ValueError, match=r"unknown topology|must be periodic"):
        Topology(*sides)
