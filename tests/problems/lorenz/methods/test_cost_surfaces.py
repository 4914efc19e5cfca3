"""Cost surfaces of 4D-Var: against the definition, and with the minima that chaos adds to long windows."""

import pytest
import torch

from dlgd.physics.integrators import advance, trajectory
from dlgd.physics.lorenz import Lorenz63
from dlgd.problems.lorenz.methods.cost_surfaces import costs, descend, plane
from dlgd.problems.lorenz.methods.windows import Windows

DT, NOISE = 0.01, 2.0


def window(steps):
    """x at every eighth step, with noise; and its truth (steps + 1, 3)."""
    system, generator = Lorenz63(), torch.Generator().manual_seed(0)
    start = advance(system, torch.tensor([8.0, 0.0, 30.0], dtype=torch.float64), DT, 700)
    truth = trajectory(system, start, DT, steps)
    observed = torch.zeros_like(truth, dtype=torch.bool)
    observed[::8, 0] = True
    noise = NOISE**0.5 * torch.randn(truth.shape, generator=generator, dtype=torch.float64)
    values = torch.where(observed, truth + noise, 0.0)
    return Windows(system, DT, NOISE, values[None], observed[None]), truth


def test_a_plane_moves_two_variables():
    states = plane(torch.tensor([1.0, 2.0, 3.0]), variables=(0, 2), reach=2.0, points=5)
    assert states.shape == (5, 5, 3)
    assert states[2, 2].tolist() == [1, 2, 3]
    assert states[0, 4].tolist() == [3, 2, 1]


def test_costs_are_half_chi_squared():
    one, truth = window(40)
    starts = plane(truth[0], variables=(1, 2), reach=1.0, points=3)
    found = costs(one, starts)
    path = trajectory(one.dynamics, starts[0, 2], DT, 40)
    expected = ((path[::8, 0] - one.values[0, ::8, 0]) ** 2).sum() / (2 * NOISE)
    torch.testing.assert_close(found[0, 2], expected)
    assert found.shape == (3, 3)


def test_a_short_window_has_one_basin_and_a_long_one_has_many():
    one, truth = window(200)
    starts = plane(truth[0], variables=(1, 2), reach=20.0, points=5)
    share = {}
    for steps in (25, 200):
        ended = descend(one.until(steps + 1), starts)
        assert ended.x.shape == starts.shape
        assert ended.cost.min() < costs(one.until(steps + 1), truth[:1])[0]  # noise pulls the minimum from the truth
        assert (ended.cost <= costs(one.until(steps + 1), starts)).all()
        share[steps] = (ended.cost < ended.cost.min() + 1).double().mean()
    assert share[25] == 1
    assert share[200] < 0.5


@pytest.mark.parametrize("wrong", [{"variables": (0, 0)}, {"points": 1}])
def test_no_plane(wrong):
    with pytest.raises(ValueError, match="a plane needs"):
        plane(torch.zeros(3), **{"variables": (0, 1), "reach": 1.0, "points": 3} | wrong)
