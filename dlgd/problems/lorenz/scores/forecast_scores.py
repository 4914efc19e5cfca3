"""Scores of forecasts: skill against persistence, errors by lead, and the time for which a forecast is of use.

Truth and forecast are (sample, lead, variable); the first lead is one step after the last known state.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.scores.sequences import Climate

if TYPE_CHECKING:
    from dlgd.physics.integrators import Dynamics

VALID = 0.4  # of the climatological spread: a forecast with a larger error is of no use
# leading exponents, per unit of time, of Lorenz-63 (Sprott 2003, Chaos and Time-Series Analysis) and of Lorenz-96
# (values from 1.67 to 1.69 are printed; `lyapunov_exponents` gives 1.685 +- 0.013)
KNOWN = {
    ("lorenz63", 10.0, 28.0, 8 / 3): 0.9056,
    ("lorenz96", 40, 8.0): 1.68,
}
# of other parameters: time units and trajectories over which the growth of perturbations is averaged
GROWTH_TIME, GROWTH_STEP, TRAJECTORIES = 50.0, 0.01, 16


def skill(truth: np.ndarray, forecast: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return (lead,): 1 - sum |x - forecast|^2 / sum |x - x(t0)|^2, sums over samples and variables.

    x(t0) = last (sample, variable) is the last known state. 1 is perfect, 0 as good as persistence. Raises Refusal
    where persistence is perfect.
    """
    errors = ((truth - forecast) ** 2).sum(axis=(0, 2))
    changes = ((truth - last[:, None]) ** 2).sum(axis=(0, 2))
    if not changes.all():
        raise Refusal("Persistence makes no error at some lead: there is no skill against it. Choose other samples.")
    return 1 - errors / changes


def rmse(truth: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Return (lead,): root mean square error over samples and variables."""
    return np.sqrt(((truth - forecast) ** 2).mean(axis=(0, 2)))


def valid_steps(truth: np.ndarray, forecast: np.ndarray, climate: Climate) -> np.ndarray:
    """Return (sample,), leads before the root mean square error over variables first passes VALID times the spread.

    All leads count where it never does.
    """
    passed = np.sqrt(((truth - forecast) ** 2).mean(axis=2)) > VALID * climate.spread
    return np.where(passed.any(axis=1), passed.argmax(axis=1), passed.shape[1])


def leading_exponent(attributes: Mapping[str, Any]) -> float:
    """Return the leading Lyapunov exponent, per unit of time, of the system that samples' attributes name.

    It is a published value, or computed, which takes some seconds once.
    """
    from dlgd.physics.systems import attributes_of, dynamics_of

    dynamics = dynamics_of(attributes)
    key = tuple(attributes_of(dynamics).values())
    found = [value for known, value in KNOWN.items() if known[0] == key[0] and np.allclose(known[1:], key[1:])]
    return found[0] if found else _computed(key, tuple(attributes_of(dynamics)))


@functools.lru_cache(maxsize=16)
def _computed(values: tuple[Any, ...], names: tuple[str, ...]) -> float:
    from dlgd.physics.lyapunov import lyapunov_exponents
    from dlgd.physics.systems import dynamics_of

    dynamics, steps = dynamics_of(dict(zip(names, values, strict=True))), round(GROWTH_TIME / GROWTH_STEP)
    start = _on_attractor(dynamics, steps)
    growth = lyapunov_exponents(dynamics, start, GROWTH_STEP, steps, spin_up=steps // 10, every=10, count=1)
    return float(growth.mean())


def _on_attractor(dynamics: Dynamics, steps: int) -> Any:
    """Return states (trajectory, variable) after a spin-up."""
    import torch

    from dlgd.physics.integrators import advance

    noise = np.random.default_rng(0).standard_normal((TRAJECTORIES, dynamics.size))
    return advance(dynamics, torch.from_numpy(noise), GROWTH_STEP, steps)
