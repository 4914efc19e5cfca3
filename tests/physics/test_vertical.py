"""Levels as NEMO has them, cells that the bottom cuts, and a bottom with shelves and seamounts."""

import numpy as np
import pytest

from dlgd.core.errors import Refusal
from dlgd.physics import coastline, grids, vertical
from dlgd.physics.bathymetry import random_bathymetry


@pytest.mark.parametrize(("levels", "top", "bottom", "depth"), [(31, 10, 500, 5000), (75, 1, 204, 5800)])
def test_levels_are_those_of_the_reference_configurations(levels, top, bottom, depth):
    """NEMO ocean engine: ORCA2 has 5000 m above the top of its last level, ORCA025 5800 m."""
    w_depth = vertical.interfaces(levels)
    e3 = np.diff(w_depth)
    assert w_depth[0] == 0
    assert np.all(np.diff(e3) > 0)
    assert e3[0] == pytest.approx(top, rel=0.06)
    assert e3[-1] == pytest.approx(bottom, rel=0.02)
    assert w_depth[levels - 1] == pytest.approx(depth, rel=1e-3)


def test_other_numbers_of_levels_read_the_same_curve():
    np.testing.assert_allclose(vertical.interfaces(62)[::2], vertical.interfaces(31))
    with pytest.raises(Refusal, match="at least 2 levels"):
        vertical.interfaces(1)


def test_a_column_is_as_deep_as_the_bottom():
    w_depth = np.array([0.0, 10, 30, 100, 400])
    depth = np.array([[0.0, 30, 33, 50, 120, 126, 500]])
    e3, sea = vertical.partial_cells(depth, w_depth)
    assert sea[:, 0].sum(0).tolist() == [0, 2, 2, 3, 3, 4, 4]  # 3 m of 70, and 20 m of 300, are too thin
    assert np.where(sea, e3, 0)[:, 0].sum(0).tolist() == [0, 30, 30, 50, 100, 126, 400]
    assert (e3[~sea] == np.broadcast_to(np.diff(w_depth)[:, None, None], e3.shape)[~sea]).all()


def test_vertical_scales_keep_their_range_and_have_no_jump():
    grid, w_depth = grids.mercator(30, 60), vertical.interfaces(31)
    l_v = vertical.random_vertical_scales(grid, w_depth, np.random.default_rng(0), least=0.5, most=3.0, smoothness=20.0)
    full = np.diff(w_depth)
    share = l_v[1:-1] / ((full[:-1] + full[1:]) / 2)[:, None, None]
    assert share.min() >= 0.5
    assert share.max() <= 3
    assert share.std() > 0.3
    assert np.abs(np.diff(np.log(share), axis=0)).max() < 0.5


def test_the_bottom_falls_away_from_the_coast_and_has_seamounts():
    grid = grids.mercator(60, 120)
    sea = coastline.random_polar_continents(grid, seed=0)
    distance = coastline.signed_distance(sea, grid.topology)
    bare = random_bathymetry(grid, sea, np.random.default_rng(0), seamounts=0)
    mounts = random_bathymetry(grid, sea, np.random.default_rng(0), seamounts=60)
    assert (bare[~sea] == 0).all()
    assert bare[sea].min() >= 50
    assert bare.max() <= 5000
    assert bare[sea & (distance <= 1)].mean() < 0.5 * bare[sea & (distance > 8)].mean()
    assert np.all(mounts <= bare)
    assert (bare - mounts).max() > 1000
    again = random_bathymetry(grid, sea, np.random.default_rng(0), seamounts=60)
    np.testing.assert_array_equal(mounts, again)
