"""Lorenz-96 with 40 variables and 10,000 members on one core: our steps against NumPy's, same precision, one run."""

import time

import numpy as np
import pytest
import torch

from dlgd.physics.integrators import advance, trajectory
from dlgd.physics.lorenz import Lorenz96

MEMBERS, DT = 10_000, 0.05


def slope(x: np.ndarray) -> np.ndarray:
    """The usual way, with the circle of each member rolled."""
    return (np.roll(x, -1, -1) - np.roll(x, 2, -1)) * np.roll(x, 1, -1) - x + 8


def numpy_step(x: np.ndarray) -> np.ndarray:
    k1 = DT * slope(x)
    k2 = DT * slope(x + k1 / 2)
    k3 = DT * slope(x + k2 / 2)
    k4 = DT * slope(x + k3)
    return x + (k1 + 2 * (k2 + k3) + k4) / 6


def numpy_steps(x: np.ndarray, steps: int) -> np.ndarray:
    """The start and every state after it."""
    states = np.empty((steps + 1, *x.shape), x.dtype)
    states[0] = x
    for step in range(steps):
        states[step + 1] = numpy_step(states[step])
    return states


def numpy_last(x: np.ndarray, steps: int) -> np.ndarray:
    for _ in range(steps):
        x = numpy_step(x)
    return x


def cpu_seconds(work) -> float:
    """Of this process alone, so that other programs on the machine count little."""
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.mark.bench
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_steps_are_many_times_faster_than_numpy(dtype):
    torch.set_num_threads(1)
    system = Lorenz96()
    start = advance(system, 8 + torch.randn(MEMBERS, 40, generator=torch.Generator().manual_seed(0)).to(dtype), DT, 400)
    array = start.numpy()
    tolerance = 1e-4 if dtype is torch.float32 else 1e-12
    np.testing.assert_allclose(advance(system, start, DT), numpy_step(array), rtol=tolerance, atol=tolerance)

    ways = {  # steps, NumPy's way and ours
        "one step a call": (1, lambda: numpy_step(array), lambda: advance(system, start, DT)),
        "ten steps a call": (10, lambda: numpy_last(array, 10), lambda: advance(system, start, DT, 10)),
        "ten steps a call, all kept": (10, lambda: numpy_steps(array, 10), lambda: trajectory(system, start, DT, 10)),
    }
    ratios = {}
    for name, (steps, theirs, ours) in ways.items():
        # in turns, so that both meet the same machine; the best of nine
        pairs = [(cpu_seconds(theirs), cpu_seconds(ours)) for _ in range(9)]
        slow, fast = (min(seconds) / steps for seconds in zip(*pairs, strict=True))
        ratios[name] = slow / fast
        speeds = f"{MEMBERS / fast / 1e6:.2f} M member-steps/s, NumPy {MEMBERS / slow / 1e6:.2f} M"
        print(f"\n{dtype}, {name}: {speeds}, {slow / fast:.1f} times faster", end="")
    print()
    assert min(ratios.values()) > 3
