"""The costs of 4D-Var for many windows at once, as nonlinear least squares.

    weak constraint:    J(x)   = sum (x - y)^2 / (2 R) + sum |x_(t+1) - M(x_t)|^2 / (2 q) [+ background of x_0]
    strong constraint:  J(x_0) = sum (M^t(x_0) - y)^2 / (2 R) [+ background of x_0]

M is a step of the windows' model, with its exact tangent linear: RK4, in several where dt is long, or Euler's of a
stochastic one. The background is
(x_0 - mean) B^-1 (x_0 - mean) / 2.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from dlgd.problems.lorenz.methods import block_tridiagonal
from dlgd.problems.lorenz.methods.least_squares import Problem
from dlgd.problems.lorenz.methods.windows import Background, Windows


@dataclass(frozen=True)
class WindowCost(Problem):
    """What both share."""

    windows: Windows
    background: Background | None = None

    def take(self, rows: Tensor) -> Self:
        """Return the cost of some of the windows."""
        background = None if self.background is None else self.background.take(rows)
        return replace(self, windows=self.windows.take(rows), background=background)

    @abstractmethod
    def states(self, x: Tensor) -> Tensor:
        """Return the trajectories (B, T, n) of x."""

    def cost(self, x: Tensor) -> Tensor:
        """Return the costs (B,)."""
        states = self.states(x)
        loss = (self.windows.precision * (states - self.windows.values) ** 2).sum((1, 2))
        if self.background is not None:
            departure = states[:, 0] - self.background.mean
            loss = loss + (departure @ self.background.precision * departure).sum(1)
        return loss / 2

    def _gradient(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient with respect to each state (B, T, n), and the Hessian of the background, (n, n)."""
        gradient = self.windows.precision * (states - self.windows.values)
        size = states.shape[-1]
        if self.background is None:
            return gradient, states.new_zeros(size, size)
        precision = self.background.precision
        gradient[:, 0] += (states[:, 0] - self.background.mean) @ precision
        return gradient, precision

    def _jacobians(self, states: Tensor) -> Tensor:
        """Return the derivative of each state's successor with respect to it, (B, T - 1, n, n)."""
        return self.windows.jacobians(states[:, :-1])


@dataclass(frozen=True)
class WeakConstraint(WindowCost):
    """The cost of x (B, T, n), all states of the windows."""

    model_variance: float = 1.0  # q, of a step, in squared units of the state

    def states(self, x: Tensor) -> Tensor:
        """Return x itself."""
        return x

    def cost(self, x: Tensor) -> Tensor:
        """Return the costs (B,)."""
        return super().cost(x) + (self._errors(x) ** 2).sum((1, 2)) / (2 * self.model_variance)

    def normal_equations(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the gradient and a block tridiagonal solver."""
        jacobians = self._jacobians(x)
        errors = self._errors(x) / self.model_variance
        gradient, first = self._gradient(x)
        gradient[:, 1:] += errors
        gradient[:, :-1] -= (jacobians.mT @ errors[..., None])[..., 0]
        precision = self.windows.precision

        def solve(damping: Tensor) -> Tensor:
            diagonal = precision + damping[:, None, None]
            return block_tridiagonal.solve(jacobians, self.model_variance, diagonal, first, -gradient)

        return gradient, solve

    def variances(self, x: Tensor) -> Tensor:
        """Return the diagonal (B, T, n) of the inverse Gauss-Newton Hessian: those of a Gaussian posterior around x."""
        _, first = self._gradient(x)
        return block_tridiagonal.variances(self._jacobians(x), self.model_variance, self.windows.precision, first)

    def _errors(self, x: Tensor) -> Tensor:
        """Return the error of the model at each step, (B, T - 1, n)."""
        return x[:, 1:] - self.windows.successors(x[:, :-1])


@dataclass(frozen=True)
class StrongConstraint(WindowCost):
    """The cost of x (B, n), the initial states."""

    def states(self, x: Tensor) -> Tensor:
        """Integrate from x."""
        return self.windows.forecast(x, 0, self.windows.values.shape[1] - 1).movedim(0, 1)

    def normal_equations(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the gradient and a dense solver of sum P_t^T P_t / R, where P_t is the derivative of x_t by x_0."""
        states = self.states(x)
        jacobians = self._jacobians(states)
        forces, hessian = self._gradient(states)
        precision = self.windows.precision
        hessian = hessian + torch.diag_embed(precision[:, 0])
        gradient, propagator = forces[:, 0], torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        for t in range(jacobians.shape[1]):
            propagator = jacobians[:, t] @ propagator
            hessian = hessian + propagator.mT @ (precision[:, t + 1, :, None] * propagator)
            gradient = gradient + (propagator.mT @ forces[:, t + 1, :, None])[..., 0]

        def solve(damping: Tensor) -> Tensor:
            # not finite where rounding has made the Hessian indefinite: such a step fails, and is damped more
            factor, failed = torch.linalg.cholesky_ex(hessian + torch.diag_embed(damping[:, None].expand_as(x)))
            step = torch.cholesky_solve(-gradient[..., None], factor)[..., 0]
            return torch.where(failed[:, None] == 0, step, torch.nan)

        return gradient, solve
