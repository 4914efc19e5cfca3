"""The normal equations of weak-constraint 4D-Var: block tridiagonal in time, a block being as large as a state.

Of the cost sum_t p_t (x_t - y_t)^2 / 2 + sum_t |x_(t+1) - M_t x_t|^2 / (2 q) + damping |x|^2 / 2 the Hessian has
the blocks p_t + damping + [t > 0] / q + [t < T - 1] M_t^T M_t / q on its diagonal and -M_t / q below. Block Cholesky
solves it in one sweep forward and one back, which are those of a Kalman smoother in information form.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor


def solve(jacobians: Tensor, variance: float, diagonal: Tensor, first: Tensor, right: Tensor) -> Tensor:
    """Return the solution (B, T, n) of B systems.

    jacobians (B, T - 1, n, n): M_t; variance: q; diagonal (B, T, n): precisions and damping; first (n, n): what is
    added to the first block; right (B, T, n). float64; by a compiled loop over the systems on the CPU.
    """
    if right.device.type != "cpu":
        return _solve_batched(jacobians, variance, diagonal, first, right)
    solution = np.empty(right.shape)
    _solve_each(_array(jacobians), _array(diagonal), _array(first), _array(right), 1 / variance, solution)
    return torch.from_numpy(solution)


def variances(jacobians: Tensor, variance: float, diagonal: Tensor, first: Tensor) -> Tensor:
    """Return the diagonal (B, T, n) of the inverses of the same systems: the variances of a smoother.

    A sweep forward eliminates the past of each block, one back adds what its future says (Rauch, Tung and Striebel
    1965).
    """
    steps, size = diagonal.shape[1:]
    identity = torch.eye(size, dtype=diagonal.dtype, device=diagonal.device)
    block = first + torch.diag_embed(diagonal[:, 0])
    filtered, gains = [], []
    for t in range(steps):
        if t < steps - 1:
            block = block + jacobians[:, t].mT @ jacobians[:, t] / variance
        factor = torch.linalg.cholesky_ex(block).L
        filtered.append(torch.cholesky_solve(identity.expand_as(block), factor))
        if t < steps - 1:
            gains.append(torch.cholesky_solve(-jacobians[:, t].mT / variance, factor))
            block = identity / variance + torch.diag_embed(diagonal[:, t + 1]) + jacobians[:, t] @ gains[-1] / variance
    covariance = filtered[-1]
    found = [covariance.diagonal(dim1=1, dim2=2)]
    for t in range(steps - 2, -1, -1):
        covariance = filtered[t] + gains[t] @ covariance @ gains[t].mT
        found.append(covariance.diagonal(dim1=1, dim2=2))
    return torch.stack(found[::-1], 1)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.contiguous().numpy()


def _solve_batched(jacobians: Tensor, variance: float, diagonal: Tensor, first: Tensor, right: Tensor) -> Tensor:
    """Solve all systems together, time by time."""
    steps, size = right.shape[1:]
    identity = torch.eye(size, dtype=right.dtype, device=right.device) / variance
    block, known = first + torch.diag_embed(diagonal[:, 0]), right[:, 0]
    factors, uppers, reduced = [], [], []
    for t in range(steps):
        if t < steps - 1:
            block = block + jacobians[:, t].mT @ jacobians[:, t] / variance
        factors.append(torch.linalg.cholesky_ex(block).L)  # no error where rounding has made it indefinite
        reduced.append(torch.linalg.solve_triangular(factors[-1], known[..., None], upper=False))
        if t < steps - 1:
            uppers.append(torch.linalg.solve_triangular(factors[-1], -jacobians[:, t].mT / variance, upper=False))
            block = identity + torch.diag_embed(diagonal[:, t + 1]) - uppers[-1].mT @ uppers[-1]
            known = right[:, t + 1] - (uppers[-1].mT @ reduced[-1])[..., 0]
    solution = [torch.linalg.solve_triangular(factors[-1].mT, reduced[-1], upper=True)]
    for t in range(steps - 2, -1, -1):
        solution.append(torch.linalg.solve_triangular(factors[t].mT, reduced[t] - uppers[t] @ solution[-1], upper=True))
    return torch.stack(solution[::-1], 1)[..., 0]


@numba.njit(fastmath={"contract", "reassoc"}, cache=True, nogil=True)
def _solve_each(
    jacobians: np.ndarray,
    diagonal: np.ndarray,
    first: np.ndarray,
    right: np.ndarray,
    inverse: float,
    solution: np.ndarray,
) -> None:
    """Solve system by system, of any size; inverse is 1 / q."""
    count, steps, size = right.shape
    factors, uppers = np.empty((steps, size, size)), np.empty((steps, size, size))
    for system in range(count):
        x = solution[system]
        for t in range(steps):
            factor = factors[t]
            for i in range(size):
                for j in range(i + 1):
                    factor[i, j] = first[i, j] if t == 0 else 0.0
                factor[i, i] += diagonal[system, t, i] + (inverse if t > 0 else 0.0)
                x[t, i] = right[system, t, i]
            if t < steps - 1:
                _add_products(factor, jacobians[system, t], inverse, size)
            if t > 0:
                before = uppers[t - 1]
                _add_products(factor, before, -1.0, size)
                for k in range(size):
                    for i in range(size):
                        x[t, i] -= before[k, i] * x[t - 1, k]
            _factorize(factor, size)
            for i in range(size):
                for k in range(i):
                    x[t, i] -= factor[i, k] * x[t, k]
                x[t, i] /= factor[i, i]
            if t < steps - 1:
                _reduce(uppers[t], factor, jacobians[system, t], inverse, size)
        for t in range(steps - 1, -1, -1):
            factor = factors[t]
            for i in range(size - 1, -1, -1):
                value = x[t, i]
                if t < steps - 1:
                    for k in range(size):
                        value -= uppers[t, i, k] * x[t + 1, k]
                for k in range(i + 1, size):
                    value -= factor[k, i] * x[t, k]
                x[t, i] = value / factor[i, i]


@numba.njit(fastmath={"contract", "reassoc"}, cache=True, nogil=True, inline="always")
def _add_products(block: np.ndarray, matrix: np.ndarray, scale: float, size: int) -> None:
    """block += scale matrix^T matrix, of which the lower triangle is enough."""
    for k in range(size):
        for i in range(size):
            scaled = scale * matrix[k, i]
            for j in range(i + 1):
                block[i, j] += scaled * matrix[k, j]


@numba.njit(fastmath={"contract", "reassoc"}, cache=True, nogil=True, inline="always")
def _factorize(block: np.ndarray, size: int) -> None:
    """Cholesky in place, in the lower triangle."""
    for i in range(size):
        for j in range(i + 1):
            value = block[i, j]
            for k in range(j):
                value -= block[i, k] * block[j, k]
            block[i, j] = np.sqrt(value) if i == j else value / block[j, j]


@numba.njit(fastmath={"contract", "reassoc"}, cache=True, nogil=True, inline="always")
def _reduce(upper: np.ndarray, factor: np.ndarray, jacobian: np.ndarray, inverse: float, size: int) -> None:
    """upper = factor^-1 (-jacobian^T inverse)."""
    for i in range(size):
        for j in range(size):
            upper[i, j] = -inverse * jacobian[j, i]
        for k in range(i):
            for j in range(size):
                upper[i, j] -= factor[i, k] * upper[k, j]
        for j in range(size):
            upper[i, j] /= factor[i, i]
