"""The cost of strong-constraint 4D-Var in one window as a function of the initial state: its surface and its basins."""

from __future__ import annotations

import torch
from torch import Tensor

from dlgd.problems.lorenz.methods.least_squares import Solution, minimize
from dlgd.problems.lorenz.methods.variational_costs import StrongConstraint
from dlgd.problems.lorenz.methods.windows import Windows


def plane(centre: Tensor, *, variables: tuple[int, int], reach: float, points: int) -> Tensor:
    """Return states (points, points, n) about the state `centre` (n,).

    Two variables vary from -reach to reach about those of the centre: the first from column to column, the second from
    row to row. points: 2 or more.
    """
    if points < 2 or variables[0] == variables[1]:
        raise ValueError(f"a plane needs two variables, not {variables}, and 2 points or more, not {points}")
    away = torch.linspace(-reach, reach, points, dtype=centre.dtype)
    states = centre.repeat(points, points, 1)
    states[..., variables[0]] += away
    states[..., variables[1]] += away[:, None]
    return states


def costs(window: Windows, starts: Tensor) -> Tensor:
    """Return the cost (...) of each initial state (..., n), for the first of the windows, without a background."""
    return _cost(window, starts).cost(starts.reshape(-1, starts.shape[-1])).reshape(starts.shape[:-1])


def descend(window: Windows, starts: Tensor, *, tolerance: float = 1e-2, most_steps: int = 40) -> Solution:
    """Return where Levenberg-Marquardt ends from each initial state (..., n), for the first of the windows.

    `x` (..., n), `cost` and `converged` (...) have the shape of the starts. tolerance, most_steps: see
    `least_squares.minimize`.
    """
    states = starts.reshape(-1, starts.shape[-1])
    ended = minimize(_cost(window, starts), states, tolerance=tolerance, most_steps=most_steps)
    cost, converged = (each.reshape(starts.shape[:-1]) for each in (ended.cost, ended.converged))
    return Solution(ended.x.reshape(starts.shape), cost, converged, ended.steps)


def _cost(window: Windows, starts: Tensor) -> StrongConstraint:
    """Return the cost of as many copies of the first window as there are starts."""
    return StrongConstraint(window.take(torch.zeros(starts[..., 0].numel(), dtype=torch.long)))
