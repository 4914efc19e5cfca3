"""The Lorenz systems of 1963 (convection, 3 variables) and 1996 (a circle of latitude, any number of variables).

Right-hand sides in torch, batched over leading dimensions, with tangent linear and adjoint by hand; and a compiled
loop for each on the CPU, for ensembles and long trajectories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import Dynamics, Scheme

MIRROR = (-1.0, -1.0, 1.0)  # of x, y, z: (x, y, z) -> (-x, -y, z) takes trajectories of Lorenz63 to trajectories
BLOCK_BYTES = 2800  # of the states integrated together: 16 members of 40 variables in float32, 8 in float64


@dataclass(frozen=True, eq=False)
class Lorenz63(Dynamics):
    """dx/dt = sigma (y - x), dy/dt = x (rho - z) - y, dz/dt = x y - beta z (Lorenz 1963, equations 25 to 27).

    Parameters may be tensors, to be learned or different for each state: shapes that broadcast with the leading ones.
    """

    sigma: float | Tensor = 10.0
    rho: float | Tensor = 28.0
    beta: float | Tensor = 8 / 3

    size = 3
    one_step = 0.01

    def tendency(self, state: Tensor) -> Tensor:
        """(..., 3) from (..., 3)."""
        x, y, z = state.unbind(-1)
        return torch.stack((self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z), -1)

    def tangent(self, state: Tensor, perturbation: Tensor) -> Tensor:
        """f'(x) p, (..., 3)."""
        state, perturbation = torch.broadcast_tensors(state, perturbation)
        (x, y, z), (dx, dy, dz) = state.unbind(-1), perturbation.unbind(-1)
        return torch.stack(
            (self.sigma * (dy - dx), dx * (self.rho - z) - dy - x * dz, dx * y + x * dy - self.beta * dz), -1
        )

    def adjoint(self, state: Tensor, gradient: Tensor) -> Tensor:
        """f'(x)^T g, (..., 3)."""
        state, gradient = torch.broadcast_tensors(state, gradient)
        (x, y, z), (gx, gy, gz) = state.unbind(-1), gradient.unbind(-1)
        return torch.stack(
            ((self.rho - z) * gy + y * gz - self.sigma * gx, self.sigma * gx - gy + x * gz, -x * gy - self.beta * gz),
            -1,
        )

    @property
    def compiled(self) -> bool:
        """Whether all parameters are numbers."""
        return not any(isinstance(value, Tensor) for value in (self.sigma, self.rho, self.beta))

    def fill(self, snapshots: Tensor, state: Tensor, dt: float, every: int, scheme: Scheme) -> None:
        """See `Dynamics.fill`."""
        _fill(_integrate63, (self.sigma, self.rho, self.beta), snapshots, state, dt, every, scheme)


@dataclass(frozen=True, eq=False)
class Lorenz96(Dynamics):
    """dx_i/dt = (x_(i+1) - x_(i-2)) x_(i-1) - x_i + forcing, on a circle (Lorenz 1996, equation 1).

    One unit of time is about five days. The forcing may be a tensor, to be learned or different for each state:
    a shape that broadcasts with states (..., size).
    """

    size: int = 40
    forcing: float | Tensor = 8.0

    one_step = 0.05

    def __post_init__(self) -> None:
        if self.size < 4:
            raise Refusal(f"size={self.size}: Lorenz-96 needs four variables at least, so that neighbours differ")

    def tendency(self, state: Tensor) -> Tensor:
        """(..., size) from (..., size)."""
        second_before, before, after = _neighbours(state, -2, -1, 1)
        return (after - second_before) * before - state + self.forcing

    def tangent(self, state: Tensor, perturbation: Tensor) -> Tensor:
        """f'(x) p, (..., size)."""
        second_before, before, after = _neighbours(state, -2, -1, 1)
        d_second_before, d_before, d_after = _neighbours(perturbation, -2, -1, 1)
        return (d_after - d_second_before) * before + (after - second_before) * d_before - perturbation

    def adjoint(self, state: Tensor, gradient: Tensor) -> Tensor:
        """f'(x)^T g, (..., size): what each variable gives to the three equations in which it is a neighbour."""
        second_before, before, after, second_after = _neighbours(state, -2, -1, 1, 2)
        g_before, g_after, g_second_after = _neighbours(gradient, -1, 1, 2)
        return second_before * g_before - after * g_second_after + (second_after - before) * g_after - gradient

    @property
    def compiled(self) -> bool:
        """Whether the forcing is a number."""
        return not isinstance(self.forcing, Tensor)

    def fill(self, snapshots: Tensor, state: Tensor, dt: float, every: int, scheme: Scheme) -> None:
        """See `Dynamics.fill`."""
        _fill(_integrate96, (self.forcing,), snapshots, state, dt, every, scheme)


def _neighbours(field: Tensor, *offsets: int) -> tuple[Tensor, ...]:
    """x_(i + offset) for each offset from -2 to 2: views (..., size) of one copy, faster than a roll for each."""
    ring, size = torch.cat((field[..., -2:], field, field[..., :2]), -1), field.shape[-1]
    return tuple(ring.narrow(-1, 2 + offset, size) for offset in offsets)


def _fill(
    integrate: Callable[..., None],
    parameters: tuple[float | Tensor, ...],
    snapshots: Tensor,
    state: Tensor,
    dt: float,
    every: int,
    scheme: Scheme,
) -> None:
    """`Dynamics.fill` by one of the loops below."""
    size = state.shape[-1]
    start = state.detach().reshape(-1, size).contiguous().numpy()
    number = start.dtype.type
    # each stage moves the state to where the next one is taken; nothing comes after the last
    shifts = np.array([dt * node for node in (*scheme.nodes[1:], 0.0)], start.dtype)
    weights = np.array([dt * weight for weight in scheme.weights], start.dtype)
    out = snapshots.view(len(snapshots), len(start), size).numpy()
    integrate(start, shifts, weights, tuple(number(value) for value in parameters), every, out)


# The loops: out (snapshots, members, size) <- the states after every, 2 every, ... steps from start (members, size).
# shifts, weights (stages,): the scheme's nodes and weights, times dt. Of fast mathematics only contractions to fused
# multiply-adds: the infinities and NaN of a trajectory that explodes stay what they are. Each function is whole, see
# `stencil`.


@numba.njit(fastmath={"contract"}, cache=True, nogil=True)
def _integrate63(
    start: np.ndarray,
    shifts: np.ndarray,
    weights: np.ndarray,
    parameters: tuple[float, float, float],
    every: int,
    out: np.ndarray,
) -> None:
    """Integrate member by member, so that three numbers stay in registers."""
    sigma, rho, beta = parameters
    for member in range(start.shape[0]):
        x, y, z = start[member, 0], start[member, 1], start[member, 2]
        for snapshot in range(out.shape[0]):
            for _ in range(every):
                a, b, c = x, y, z  # where the stage takes its slope
                new_x, new_y, new_z = x, y, z
                for j in range(len(weights)):
                    da, db, dc = sigma * (b - a), a * (rho - c) - b, a * b - beta * c
                    new_x, new_y, new_z = new_x + weights[j] * da, new_y + weights[j] * db, new_z + weights[j] * dc
                    a, b, c = x + shifts[j] * da, y + shifts[j] * db, z + shifts[j] * dc
                x, y, z = new_x, new_y, new_z
            out[snapshot, member, 0], out[snapshot, member, 1], out[snapshot, member, 2] = x, y, z


@numba.njit(fastmath={"contract"}, inline="always")
def _stage96(
    stage: np.ndarray,
    state: np.ndarray,
    weight: float,
    shift: float,
    forcing: float,
    width: int,
    result: np.ndarray,
    following: np.ndarray,
) -> None:
    """One stage of a block: its slope, weighted, into the result, and the place of the following stage.

    Cells between two circles get numbers without a meaning, which nothing reads: that keeps the loop whole.
    """
    for row in range(0, stage.size, width):  # close the circles
        stage[row], stage[row + 1] = stage[row + width - 3], stage[row + width - 2]
        stage[row + width - 1] = stage[row + 2]
    before, here, after = stage[1:], stage[2:], stage[3:]
    for k in range(after.size):
        slope = (after[k] - stage[k]) * before[k] - here[k] + forcing
        result[k] += weight * slope
        following[k] = state[k] + shift * slope


@numba.njit(fastmath={"contract"}, cache=True, nogil=True)
def _integrate96(
    start: np.ndarray,
    shifts: np.ndarray,
    weights: np.ndarray,
    parameters: tuple[float],
    every: int,
    out: np.ndarray,
) -> None:
    """Integrate block by block, each over all times, so that a block's four arrays stay in the fastest cache.

    A block holds its members end to end. Where a stage starts, each has its last two variables repeated before it and
    its first one after it: so one long loop serves all, in which a neighbour is a shift by one.
    """
    members, size = start.shape
    width = size + 3
    block = max(1, min(members, BLOCK_BYTES // (width * start.itemsize)))
    state, result = np.zeros(block * width, start.dtype), np.zeros(block * width, start.dtype)
    stage, following = np.zeros(block * width, start.dtype), np.zeros(block * width, start.dtype)
    for first in range(0, members, block):
        count = min(block, members - first)
        for row in range(count):
            for i in range(size):
                result[row * width + i] = start[first + row, i]
        for snapshot in range(out.shape[0]):
            for _ in range(every):
                inner = stage[2:]
                for k in range(inner.size):
                    state[k] = inner[k] = result[k]
                for j in range(len(weights)):
                    _stage96(stage, state, weights[j], shifts[j], parameters[0], width, result, following[2:])
                    stage, following = following, stage
            for row in range(count):
                for i in range(size):
                    out[snapshot, first + row, i] = result[row * width + i]
