"""Lorenz's system of 1963 with noise and a forcing that has memory, in Euler-Maruyama steps (Ito).

    dX = (sigma (Y - X) + c sgn(W) |W|^a) dt
    dY = (X (rho - Z) - Y) dt + s Y dB_1
    dZ = (X Y - beta Z) dt + s Z dB_2
    dW = (-r W + k X) dt + q dB_3

W is the forcing: without the feedback k it is an Ornstein-Uhlenbeck process that forgets in a time 1 / r. X has no
noise of its own, so the transition density is singular in X. Parameters are (..., 5) in the order of PARAMETERS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from dlgd.physics.lorenz import Lorenz63

PARAMETERS = ("sigma", "rho", "beta", "strength", "exponent")  # the last two are c and a
USUAL = (10.0, 28.0, 8 / 3, 1.0, 1.6)
START = (1.0, 1.0, 20.0, 0.0)  # X, Y, Z, W before the spin-up


@dataclass(frozen=True)
class Noise:
    """What no parameter of the state's equations says.

    state: s, the standard deviation of the relative noise of Y and Z in a unit of time. forcing: q, that of W.
    decay: r. feedback: k.
    """

    state: float = 0.08
    forcing: float = 0.20
    decay: float = 0.05
    feedback: float = 0.1


@dataclass(frozen=True, eq=False)
class PushedLorenz63(Lorenz63):
    """The equations at one value of the forcing: dx/dt has `push` more, a number or a tensor that broadcasts as the
    parameters do."""

    push: float | Tensor = 0.0

    @property
    def compiled(self) -> bool:
        """False: a batch of steps, each with its own forcing, is one operation of tensors."""
        return False

    def tendency(self, state: Tensor) -> Tensor:
        """(..., 3) from (..., 3)."""
        x, y, z = super().tendency(state).unbind(-1)
        return torch.stack((x + self.push, y, z), -1)


def pushed(parameters: Tensor, forcing: Tensor) -> PushedLorenz63:
    """Return the equations for parameters (..., 5) and values of W (...), which broadcast with each other."""
    sigma, rho, beta, strength, exponent = parameters.unbind(-1)
    return PushedLorenz63(sigma, rho, beta, push=strength * forcing.sign() * forcing.abs() ** exponent)


def simulate(
    parameters: Sequence[float] | np.ndarray,
    rng: np.random.Generator,
    *,
    dt: float,
    steps: int,
    spin_up: int = 0,
    start: Sequence[float] = START,
    noise: Noise | None = None,
) -> np.ndarray:
    """Return (steps, 4), X, Y, Z, W of one trajectory from its step `spin_up` on; the start is step 0.

    parameters: five numbers. noise: None is that of `Noise()`.
    """
    out = np.empty((steps, 4))
    numbers = np.array(parameters, np.float64), np.array(start, np.float64), np.array(astuple(noise or Noise()))
    _simulate(*numbers, dt, spin_up, rng, out)
    return out


def forecast(states: Tensor, forcing: Tensor, parameters: Tensor, dt: float, normals: Tensor | None) -> Tensor:
    """Return the members' paths (steps + 1, E, N, 3) from states (E, N, 3) under a known forcing (E, steps).

    parameters (E, N, 5): of each member. normals (steps, E, N, 2): of variance 1, which become the noise of Y and Z;
    None for none. By a compiled loop on the CPU in float64, else step by step.
    """
    steps = forcing.shape[1]
    out = states.new_empty(steps + 1, *states.shape)
    out[0] = states
    s = Noise().state
    if states.device.type == "cpu" and states.dtype == torch.float64:
        scaled = np.zeros((0, 0, 0, 2)) if normals is None else normals.contiguous().numpy()
        _forecast(forcing.contiguous().numpy(), parameters.contiguous().numpy(), s, scaled, dt, out.numpy())
        return out
    for t in range(steps):
        here = out[t]
        out[t + 1] = here + dt * pushed(parameters, forcing[:, t, None]).tendency(here)
        if normals is not None:
            out[t + 1, ..., 1:] += s * dt**0.5 * here[..., 1:] * normals[t]
    return out


def ornstein_uhlenbeck(
    rng: np.random.Generator, count: int, steps: int, *, dt: float, time: float, std: float
) -> np.ndarray:
    """Return (count, steps) of stationary processes of this standard deviation that forget in `time`, exactly."""
    from scipy.signal import lfilter

    kept = np.exp(-dt / time)
    drawn = std * rng.standard_normal((count, steps))
    drawn[:, 1:] *= np.sqrt(1 - kept**2)
    return np.asarray(lfilter([1.0], [1.0, -kept], drawn, axis=1))


@numba.njit(cache=True, nogil=True)
def _simulate(
    parameters: np.ndarray,
    start: np.ndarray,
    noise: np.ndarray,
    dt: float,
    spin_up: int,
    rng: np.random.Generator,
    out: np.ndarray,
) -> None:
    """See `simulate`."""
    sigma, rho, beta, strength, exponent = parameters
    x, y, z, w = start
    s, q, r, k = noise
    root = np.sqrt(dt)
    for step in range(spin_up + out.shape[0]):
        if step >= spin_up:
            row = out[step - spin_up]
            row[0], row[1], row[2], row[3] = x, y, z, w
        push = strength * np.sign(w) * np.abs(w) ** exponent
        dx, dy, dz, dw = sigma * (y - x) + push, x * (rho - z) - y, x * y - beta * z, k * x - r * w
        dy, dz = dt * dy + root * s * y * rng.standard_normal(), dt * dz + root * s * z * rng.standard_normal()
        w += dt * dw + root * q * rng.standard_normal()
        x, y, z = x + dt * dx, y + dy, z + dz


@numba.njit(cache=True, nogil=True)
def _forecast(
    forcing: np.ndarray, parameters: np.ndarray, s: float, normals: np.ndarray, dt: float, out: np.ndarray
) -> None:
    """See `forecast`; normals of no step for none."""
    _, experiments, members, _ = out.shape
    scale = s * np.sqrt(dt)
    for e in range(experiments):
        for m in range(members):
            sigma, rho, beta = parameters[e, m, 0], parameters[e, m, 1], parameters[e, m, 2]
            strength, exponent = parameters[e, m, 3], parameters[e, m, 4]
            x, y, z = out[0, e, m, 0], out[0, e, m, 1], out[0, e, m, 2]
            for t in range(out.shape[0] - 1):
                w = forcing[e, t]
                dx = sigma * (y - x) + strength * np.sign(w) * np.abs(w) ** exponent
                dy, dz = dt * (x * (rho - z) - y), dt * (x * y - beta * z)
                if len(normals) > 0:
                    dy += scale * y * normals[t, e, m, 0]
                    dz += scale * z * normals[t, e, m, 1]
                x, y, z = x + dt * dx, y + dy, z + dz
                out[t + 1, e, m, 0], out[t + 1, e, m, 1], out[t + 1, e, m, 2] = x, y, z
