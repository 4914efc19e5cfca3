"""Pieces of an axis, whose weights add up to one."""

import numpy as np
import pytest

from dlgd.problems.ssh.methods.oi_tiles import cut


@pytest.mark.parametrize("scattered", [False, True])
@pytest.mark.parametrize("size", [0.5, 2.0, 7.3, 100.0])
def test_weights_of_pieces_add_up_to_one(size, scattered):
    axis = np.linspace(-3, 18, 106)
    if scattered:
        axis = np.random.default_rng(0).permutation(axis)[[0, 5, 7, 50, 51, 52, 100]]
    pieces, total = cut(axis, size), np.zeros(len(axis))
    for piece in pieces:
        total[piece.members] += piece.weights
        assert axis.min() <= piece.low <= piece.high <= axis.max()
    np.testing.assert_allclose(total, 1)
    assert len(pieces) == 1 or scattered or abs(len(pieces) - 21 / size) < 1
    covered = np.any([piece.distance(axis) == 0 for piece in pieces], axis=0)
    assert covered.all()
