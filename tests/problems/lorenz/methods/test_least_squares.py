"""Levenberg-Marquardt against scipy, and block tridiagonal systems against dense ones."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares

from dlgd.problems.lorenz.methods import block_tridiagonal
from dlgd.problems.lorenz.methods.least_squares import Problem, Solution, minimize


@dataclass
class Rosenbrock(Problem):
    """(1 - a)^2 + s (b - a^2)^2, over 2, each problem with its own s."""

    steepness: torch.Tensor  # (B,)

    def residuals(self, x):
        return torch.stack((1 - x[:, 0], self.steepness.sqrt() * (x[:, 1] - x[:, 0] ** 2)), 1)

    def cost(self, x):
        return (self.residuals(x) ** 2).sum(1) / 2

    def normal_equations(self, x):
        zero, one = torch.zeros_like(x[:, 0]), torch.ones_like(x[:, 0])
        root = self.steepness.sqrt()
        jacobian = torch.stack((torch.stack((-one, zero), 1), torch.stack((-2 * root * x[:, 0], root), 1)), 1)
        gradient = (jacobian.mT @ self.residuals(x)[..., None])[..., 0]

        def solve(damping):
            hessian = jacobian.mT @ jacobian + torch.diag_embed(damping[:, None].expand_as(x))
            return torch.linalg.solve(hessian, -gradient)

        return gradient, solve

    def take(self, rows):
        return Rosenbrock(self.steepness[rows])


STEEP = torch.tensor([1.0, 100.0, 1e4], dtype=torch.float64)
START = torch.tensor([[-1.2, 1.0]], dtype=torch.float64).repeat(3, 1)


def test_every_problem_of_a_batch_finds_the_minimum_that_scipy_finds():
    solution = minimize(Rosenbrock(STEEP), START, tolerance=1e-20, most_steps=1000)
    assert solution.converged.all()
    for steepness, x in zip(STEEP, solution.x, strict=True):
        residuals = lambda x, s=float(steepness): [1 - x[0], s**0.5 * (x[1] - x[0] ** 2)]  # noqa: E731
        np.testing.assert_allclose(x, least_squares(residuals, START[0], xtol=1e-14).x, atol=1e-7)


def test_a_batch_is_its_problems_one_by_one():
    together = minimize(Rosenbrock(STEEP), START, tolerance=1e-6)
    for number in range(3):
        alone = minimize(Rosenbrock(STEEP[number : number + 1]), START[:1], tolerance=1e-6)
        assert torch.equal(alone.x[0], together.x[number])
        assert torch.equal(alone.cost[0], together.cost[number])


def test_a_looser_tolerance_stops_earlier_and_too_few_steps_are_confessed():
    tight, loose = (minimize(Rosenbrock(STEEP), START, tolerance=tolerance) for tolerance in (1e-20, 1e-2))
    assert loose.steps < tight.steps
    assert (loose.cost >= tight.cost).all()
    assert loose.converged.all()
    short = minimize(Rosenbrock(STEEP), START, tolerance=1e-20, most_steps=3)
    assert short.steps == 3
    assert not short.converged[1:].any()
    assert (short.cost < Rosenbrock(STEEP).cost(START)).all(), "no step goes up"


def test_a_start_without_a_finite_cost_is_not_called_converged():
    start = START.clone()
    start[1] = torch.nan
    assert minimize(Rosenbrock(STEEP[:1].repeat(3)), start, tolerance=1e-6).converged.tolist() == [True, False, True]


def test_the_lower_cost_is_kept():
    def solution(costs, value):
        costs = torch.tensor(costs)
        return Solution(torch.full((len(costs), 2), value), costs, costs < 3, steps=1)

    best = solution([1.0, 5.0, 4.0], 0.0)
    best.keep_lower(torch.tensor([1, 2]), solution([2.0, 9.0], 1.0))
    assert best.x[:, 0].tolist() == [0, 1, 0]
    assert best.cost.tolist() == [1, 2, 4]
    assert best.converged.tolist() == [True, True, False]


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("way", [block_tridiagonal.solve, block_tridiagonal._solve_batched], ids=["compiled", "torch"])
def test_block_tridiagonal_systems_are_dense_ones(size, way):
    generator, steps, variance = torch.Generator().manual_seed(0), 6, 0.3
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    jacobians, right, diagonal = draw(2, steps - 1, size, size), draw(2, steps, size), draw(2, steps, size) ** 2
    factor = draw(size, size)
    first = factor @ factor.T
    answer = way(jacobians, variance, diagonal, first, right)
    for system in range(2):
        errors = torch.zeros(steps - 1, size, steps, size, dtype=torch.float64)  # x -> x_(t+1) - M_t x_t
        for t in range(steps - 1):
            errors[t, :, t + 1], errors[t, :, t] = torch.eye(size), -jacobians[system, t]
        errors = errors.reshape(-1, steps * size)
        dense = errors.T @ errors / variance + torch.diag(diagonal[system].flatten())
        dense[:size, :size] += first
        wanted = torch.linalg.solve(dense, right[system].flatten())
        torch.testing.assert_close(answer[system].flatten(), wanted, rtol=1e-9, atol=1e-9)
