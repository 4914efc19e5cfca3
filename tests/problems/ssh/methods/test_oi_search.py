"""The search for a few positive parameters."""

import numpy as np

from dlgd.problems.ssh.methods.oi_search import search


def test_search():
    asked = []

    def cost(x):
        asked.append(tuple(x))
        return float((np.log(np.asarray(x) / [3.0, 0.2, 7.0]) ** 2).sum())

    best, least = search(cost, [1.0, 1.0, 7.0])
    assert least == cost(best) == min(map(cost, asked.copy()))
    np.testing.assert_allclose(np.log(best), np.log([3.0, 0.2, 7.0]), atol=np.log(1.2) / 2 + 1e-9)
    assert len(asked) < 100
