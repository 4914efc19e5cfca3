"""Random length scales: what they have at coasts, at the equator and at fronts."""

from __future__ import annotations

import numpy as np
import pytest

from dlgd.physics import coastline, grids
from dlgd.physics.length_scales import EquatorialBand, Fronts, LengthScales, NearCoasts, random_diffusion
from tests.physics.test_diffusion import length_scales

GRID = grids.mercator(60, 120)
SEA = coastline.random_polar_continents(GRID, 0)
EVEN = {"scale_min": 1.0, "scale_max": 1.0}  # without the smooth field


def scales(seed: int = 0, grid: grids.Grid = GRID, sea: np.ndarray = SEA, **options) -> tuple[np.ndarray, np.ndarray]:
    """l_i and l_j in cells on their faces."""
    return length_scales(grid, random_diffusion(grid, sea, np.random.default_rng(seed), LengthScales(**options)))


def test_they_fall_towards_coasts():
    """In proportion to the distance of the face, which is the mean of those of its two cells."""
    part = NearCoasts(share=(0.4, 0.4), cells=(6.0, 6.0))
    distance = coastline.signed_distance(SEA, GRID.topology)
    west = (distance + np.roll(distance, 1, axis=1)) / 2
    south = (distance[:-1] + distance[1:]) / 2
    l_i, l_j = scales(**EVEN, coast=part)
    for found, of_face in ((l_j, west), (l_i[1:-1], south)):
        there = np.isfinite(found)
        np.testing.assert_allclose(found[there], (0.4 + 0.6 * np.clip(of_face / 6, 0, 1))[there], rtol=1e-12)
        assert np.nanmin(found) < 0.55
        assert np.nanmax(found) == pytest.approx(1)


def test_a_band_has_sharp_edges():
    l_i, l_j = scales(**EVEN, band=EquatorialBand(factor=(2.0, 2.0), half_width=(15.0, 15.0)))
    inside = np.abs(GRID.lat) < 15
    np.testing.assert_allclose(l_j[SEA & inside & np.isfinite(l_j)], 2)
    np.testing.assert_allclose(l_j[SEA & ~inside & np.isfinite(l_j)], 1)
    np.testing.assert_allclose(l_i[np.isfinite(l_i)], 1)


def test_fronts_have_their_share_of_the_globe():
    sea = np.ones(GRID.shape, bool)
    l_i, l_j = scales(sea=sea, **EVEN, fronts=Fronts(factor=(3.0, 3.0), area=(0.2, 0.2)))
    assert set(np.unique(l_j.round(9))) == {1.0, 3.0}
    assert (l_j > 2).mean() == pytest.approx(0.2, abs=0.01)
    both = (l_i[1:-2] > 2) & (l_i[2:-1] > 2)  # the same places on both kinds of faces
    assert (l_j[1:-1] > 2)[both].mean() > 0.9


def test_each_sample_has_its_own_values():
    part = EquatorialBand(factor=(1.3, 2.2), half_width=(10.0, 20.0))
    found = {round(float(np.nanmax(scales(seed, **EVEN, band=part)[1])), 6) for seed in range(8)}
    assert len(found) == 8
    assert min(found) >= 1.3
    assert max(found) <= 2.2


def test_one_smoothness_of_several():
    """The difference of neighbours says which."""
    rough = [np.nanmean(np.abs(np.diff(np.log(scales(seed, smoothness=(4.0, 40.0))[1]), axis=1))) for seed in range(8)]
    assert max(rough) > 5 * min(rough)


@pytest.mark.parametrize(
    "part",
    [
        {"coast": NearCoasts(share=(0.5, 0.4), cells=(4.0, 4.0))},
        {"coast": NearCoasts(share=(0.5, 1.4), cells=(4.0, 4.0))},
        {"band": EquatorialBand(factor=(0.0, 2.0), half_width=(10.0, 20.0))},
        {"fronts": Fronts(factor=(1.0, 2.0), area=(0.5, 1.5))},
    ],
)
def test_ranges_that_cannot_be(part):
    with pytest.raises(ValueError, match="in order"):
        LengthScales(**part)


def test_cells_of_a_regular_grid_shrink_with_latitude():
    grid = grids.latlon(60, 120)
    ratio = grid.area / np.cos(np.deg2rad(grid.lat))
    np.testing.assert_allclose(ratio, ratio[30, 0], rtol=2e-3)
    sea = coastline.without_polar_caps(np.ones(grid.shape, bool), grid)
    np.testing.assert_array_equal(sea[:, 0], np.abs(grid.lat[:, 0]) < 80)
