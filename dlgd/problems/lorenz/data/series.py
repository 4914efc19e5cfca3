"""Trajectories of a system, and where the windows of each split begin in them: our own recipe, or published ones.

A recipe's series is (steps, size), float64. It may hold several runs, one after the other, and no window belongs to two
of them. A series does not depend on what is observed; its random numbers depend on the plan's seed alone.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.physics.integrators import Dynamics, advance, say_substeps, trajectory
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.problems.lorenz.data import course_rk45

SPIN_UP = 50.0  # time units from a random state to the attractor


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The options of a series and of its windows."""

    dt: float
    length: int  # steps of a window
    stride: int  # steps between the beginnings of two training windows
    gap: int  # steps between two splits
    counts: Mapping[str, int]  # windows of each split
    seed: int


class Recipe(ABC):
    """A way to make a series and to cut it."""

    @abstractmethod
    def run(self, dynamics: Dynamics, plan: Plan) -> np.ndarray:
        """Return the series (steps, size)."""

    @abstractmethod
    def starts(self, plan: Plan, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        """Return, by split, the step at which each window begins, (windows,); Refusal where they do not fit."""

    def attributes(self, dynamics: Dynamics) -> dict[str, object]:
        """Return what methods may know of the first state: nothing, unless it was drawn."""
        return {}


class OneRun(Recipe):
    """One long trajectory, cut into train, gap, validation, gap, test.

    No step belongs to two splits, nor to two windows of validation or of test. The series is integrated by RK4 at dt,
    or with several steps in each dt where it is long (`integrators.rk4`): methods that know the equations take the same
    steps, so that their errors are due to the observations alone.
    """

    def run(self, dynamics: Dynamics, plan: Plan) -> np.ndarray:
        """Integrate from a random state, after a spin-up."""
        beginnings = self.starts(plan, np.random.RandomState(plan.seed))
        steps = int(beginnings["test"][-1]) + plan.length
        say_substeps("the truth", dynamics, plan.dt)
        start = _on_attractor(dynamics, plan, count=1)[0]
        return _finite(trajectory(dynamics, start, plan.dt, steps - 1).numpy(), plan)

    def starts(self, plan: Plan, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        """Return the beginnings, the splits one after the other."""
        first, found = 0, {}
        for split in SPLITS:
            stride = plan.stride if split == "train" else plan.length
            found[split] = first + stride * np.arange(plan.counts[split])
            first = int(found[split][-1]) + plan.length + plan.gap
        return found


@dataclass(frozen=True)
class Solver:
    """A series by SciPy's solvers: states at dt, 2 dt, ..., from a fixed state.

    method: "RK45", solve_ivp at its default tolerances (rtol 1e-3: an error far above that of RK4), with a first step
        of dt, after a spin-up until time 5; or "odeint" at its default tolerances without spin-up, where the fixed
        state is the first of the series.
    steps: of the series. begin: the time at which the spin-up of RK45 begins. beyond: the time for which RK45 runs on
        after the last state.
    """

    method: str
    steps: int
    begin: float = 0.0
    beyond: float = 1e-6

    def __call__(self, dynamics: Dynamics, plan: Plan) -> np.ndarray:
        """Return the series (steps, size)."""
        state, dt = _course_start(dynamics).numpy(), plan.dt
        times = np.arange(dt, (self.steps + 0.5) * dt, dt)  # as the recipes write it: its rounding counts
        if self.method == "odeint":
            return _finite(_odeint(dynamics, state, times), plan)
        solve = functools.partial(course_rk45.solve, _slope(dynamics), first_step=dt, rtol=1e-3, atol=1e-6)
        state = solve(state, np.arange(self.begin, 5 + 1e-6, dt), end=5 + 1e-6)[-1]
        return _finite(solve(state, times, end=times[-1] + self.beyond), plan)


@dataclass(frozen=True)
class Drawn(Recipe):
    """Windows that overlap, drawn at random from the two ends of a series by scikit-learn's extract_patches_2d.

    The last windows that were drawn for training are the validation split; with `shuffled`, a random share of them.
    """

    solver: Solver
    train: tuple[int, int]  # steps of the series, the last excluded
    test: tuple[int, int]
    shuffled: bool = False

    def run(self, dynamics: Dynamics, plan: Plan) -> np.ndarray:
        """Return the series of the solver."""
        return self.solver(dynamics, plan)

    def starts(self, plan: Plan, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        """Draw training and validation together, then test."""
        train, valid = plan.counts["train"], plan.counts["valid"]
        known = _draw(self.train, "train and data.samples.valid", train + valid, plan, rng)
        test = _draw(self.test, "test", plan.counts["test"], plan, rng)
        if self.shuffled:
            known = known[rng.permutation(len(known))]
        return {"train": known[:train], "valid": known[train:], "test": test}


@dataclass(frozen=True)
class Stretches(Recipe):
    """Windows every `stride` steps of three stretches of a series, in all splits."""

    solver: Solver
    stretches: Mapping[str, tuple[int, int]]  # by split: steps of the series, the last excluded

    def run(self, dynamics: Dynamics, plan: Plan) -> np.ndarray:
        """Return the series of the solver."""
        return self.solver(dynamics, plan)

    def starts(self, plan: Plan, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        """Return the beginnings, from the first step of each stretch on."""
        found = {}
        for split, (first, last) in self.stretches.items():
            most = (last - first - plan.length) // plan.stride + 1
            _check_room(split, plan.counts[split], most, last - first, plan)
            found[split] = first + plan.stride * np.arange(plan.counts[split])
        return found


@dataclass(frozen=True)
class Twin(Recipe):
    """Repeated twin experiments, one in each test window.

    The first state is drawn from N(mean, variance I) and followed by RK4 at dt, as in `OneRun`. Windows of training and
    validation are free runs on the attractor, for a climatology. mean: of the first variables; that of the others is 0.
    """

    mean: Sequence[float]
    variance: float

    def run(self, dynamics: Dynamics, plan: Plan) -> np.ndarray:
        """Integrate one run for each window."""
        free = _on_attractor(dynamics, plan, count=plan.counts["train"] + plan.counts["valid"])
        rng = np.random.default_rng((plan.seed, 1))
        noise = rng.standard_normal((plan.counts["test"], dynamics.size))
        first = torch.from_numpy(self._mean(dynamics) + np.sqrt(self.variance) * noise)
        runs = trajectory(dynamics, torch.cat((free, first)), plan.dt, plan.length - 1)
        return _finite(runs.movedim(0, 1).reshape(-1, dynamics.size).numpy(), plan)

    def starts(self, plan: Plan, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        """Return the beginnings of the runs, one after the other."""
        ends = np.cumsum([plan.counts[split] for split in SPLITS])
        return {
            split: plan.length * np.arange(end - plan.counts[split], end)
            for split, end in zip(SPLITS, ends, strict=True)
        }

    def attributes(self, dynamics: Dynamics) -> dict[str, object]:
        """Return the distribution of the first state."""
        return {"background_mean": self._mean(dynamics).tolist(), "background_variance": self.variance}

    def _mean(self, dynamics: Dynamics) -> np.ndarray:
        return np.pad(np.array(self.mean, dtype=np.float64), (0, dynamics.size - len(self.mean)))


def _on_attractor(dynamics: Dynamics, plan: Plan, *, count: int) -> torch.Tensor:
    """Return random states (count, size) after a spin-up."""
    noise = np.random.default_rng((plan.seed, 0)).standard_normal((count, dynamics.size))
    state = _course_start(dynamics) + torch.from_numpy(noise)
    return advance(dynamics, state, plan.dt, round(SPIN_UP / plan.dt))


def _course_start(dynamics: Dynamics) -> torch.Tensor:
    """Return (8, 0, 30), or the unstable fixed point of Lorenz-96 (size,), its middle variable moved by 0.01."""
    if isinstance(dynamics, Lorenz63):
        return torch.tensor([8.0, 0.0, 30.0], dtype=torch.float64)
    assert isinstance(dynamics, Lorenz96)
    state = torch.full((dynamics.size,), float(dynamics.forcing), dtype=torch.float64)
    state[round(dynamics.size / 2)] += 0.01
    return state


def _slope(dynamics: Dynamics) -> course_rk45.Slope:
    return lambda state: dynamics.tendency(torch.from_numpy(state)).numpy()


def _odeint(dynamics: Dynamics, state: np.ndarray, times: np.ndarray) -> np.ndarray:
    from scipy.integrate import odeint

    slope = _slope(dynamics)
    return odeint(lambda state, _: slope(state.copy()), state, times)


def _draw(stretch: tuple[int, int], split: str, count: int, plan: Plan, rng: np.random.RandomState) -> np.ndarray:
    """Return the beginnings of windows (count,), the same as patches drawn from the series itself would have."""
    from sklearn.feature_extraction.image import extract_patches_2d

    first, last = stretch
    _check_room(split, count, last - first - plan.length, last - first, plan)
    steps = np.arange(first, last, dtype=np.float64)[:, None]
    windows = extract_patches_2d(steps, (plan.length, 1), max_patches=count, random_state=rng)
    return windows.reshape(count, -1)[:, 0].astype(np.int64)


def _check_room(split: str, count: int, most: int, steps: int, plan: Plan) -> None:
    if most < 1:
        raise Refusal(
            f"data.preset has {steps} steps for {split.split()[0]}, too few for windows of {plan.length}: choose a "
            "smaller data.window, data.history or data.leads, or data.preset=none"
        )
    if count > most:
        raise Refusal(f"data.samples.{split} ask for {count} windows, but data.preset has room for {most}: choose less")


def _finite(series: np.ndarray, plan: Plan) -> np.ndarray:
    if not np.isfinite(series).all():
        raise Refusal(f"the trajectory is not finite at data.dt={plan.dt:g}: choose a smaller one")
    return series
