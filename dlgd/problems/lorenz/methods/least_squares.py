"""Nonlinear least squares for many small problems at once: Levenberg-Marquardt, each problem with its own damping."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FIRST_DAMPING = 1e-2
LEAST_DAMPING, MOST_DAMPING = 1e-9, 1e12
# Factors of the damping after a step that was better than its model promised, that was worse, or that failed:
EASED, TIGHTENED, REFUSED = 1 / 5, 3.0, 10.0


class Problem(ABC):
    """B problems: costs that are half a sum of squares of x (B, ...)."""

    @abstractmethod
    def cost(self, x: Tensor) -> Tensor:
        """Return the costs (B,)."""

    @abstractmethod
    def normal_equations(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the gradient g, of the shape of x, and a function of a damping (B,).

        The function solves (H + damping) step = -g, where H is the Gauss-Newton Hessian.
        """

    @abstractmethod
    def take(self, rows: Tensor) -> Problem:
        """Return some of the problems."""


@dataclass
class Solution:
    """Where the minimization stopped."""

    x: Tensor  # (B, ...)
    cost: Tensor  # (B,)
    converged: Tensor  # bool, (B,)
    steps: int  # of the slowest

    def keep_lower(self, rows: Tensor, other: Solution) -> None:
        """Replace the rows for which another solution of them has a lower cost."""
        (better,) = torch.nonzero(other.cost < self.cost[rows], as_tuple=True)
        for own, others in ((self.x, other.x), (self.cost, other.cost), (self.converged, other.converged)):
            own[rows[better]] = others[better]


@torch.no_grad()
def minimize(problem: Problem, x: Tensor, *, tolerance: float, most_steps: int = 100) -> Solution:
    """Levenberg-Marquardt (Marquardt 1963); the gain, real over promised decrease, drives the damping (More 1978).

    A problem is converged, and leaves the batch, when a step promises to lower its cost by less than the tolerance
    (in units of the cost: a half of chi squared), or when no step lowers it by what rounding would show.
    """
    x, cost = x.clone(), problem.cost(x)
    damping = torch.full_like(cost, FIRST_DAMPING)
    converged = torch.zeros_like(cost, dtype=torch.bool)
    rows, active, step_number = torch.arange(len(x), device=x.device), problem, 0
    while len(rows) and step_number < most_steps:
        step_number += 1
        here, force = x[rows], damping[rows]
        gradient, solve = active.normal_equations(here)
        step = solve(force)
        promised = (force * (step**2).flatten(1).sum(1) - (step * gradient).flatten(1).sum(1)) / 2
        there = active.cost(here + step)
        gain = (cost[rows] - there) / promised
        better = gain > 0  # false for NaN, of a step that exploded
        x[rows] = torch.where(better.reshape(-1, *[1] * (x.dim() - 1)), here + step, here)
        cost[rows] = torch.where(better, there, cost[rows])
        factor = torch.where(gain > 0.75, EASED, torch.where(gain > 0.25, 1.0, TIGHTENED))
        damping[rows] = torch.where(better, force * factor, force * REFUSED).clamp_min(LEAST_DAMPING)
        done = (promised < tolerance) & (force <= 1) | (damping[rows] > MOST_DAMPING)
        converged[rows[done]] = torch.isfinite(cost[rows[done]])
        if done.any():
            rows = rows[~done]
            active = problem.take(rows)
    return Solution(x, cost, converged, step_number)
