"""Frequencies of ranks against those of equal probabilities."""

import numpy as np
import pytest

from dlgd.plotting.ranks import MOST, draw, relative


@pytest.mark.parametrize("members", [1, 10, 39, 40, 100])
def test_equal_chances_are_ones(members):
    heights, edges = relative(np.full(members + 1, 7.0))
    np.testing.assert_allclose(heights, 1.0)
    assert len(heights) == min(members + 1, MOST)
    assert (edges[0], edges[-1]) == (0.0, pytest.approx(1.0))
    assert (np.diff(edges) > 0).all()


def test_neighbours_are_put_together():
    counts = np.zeros(101)
    counts[:2] = 5.0, 3.0
    heights, edges = relative(counts)
    assert heights[0] == pytest.approx(8 / 3 * 101 / 8), "101 ranks in 40 bars: the first has three of them"
    assert edges[1] == pytest.approx(3 / 101)
    assert (heights * np.diff(edges)).sum() == pytest.approx(1.0)


def test_the_figure(tmp_path):
    rng = np.random.default_rng(0)
    draw(tmp_path / "ranks.png", {"EnKF 10": rng.integers(50, 100, 11), "ETKF 100": rng.integers(0, 9, 101)})
    assert (tmp_path / "ranks.png").stat().st_size > 5000
