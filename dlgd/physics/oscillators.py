"""Systems of one or two variables whose limit sets one knows by sight: pendulum, double well, van der Pol, tori.

They are small enough to be drawn in a plane, and show what the limit of trajectories can be: a state of rest, one of
two of them, a closed orbit, a torus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dlgd.physics.integrators import Dynamics


class Linear(Dynamics):
    """dz/dt = rate * z with a complex rate: z turns around 0, and comes nearer where the real part is negative.

    Steps of a scheme multiply z by its stability function R(rate dt) (Hairer and Wanner 1996, IV.2).
    """

    size = 1

    def __init__(self, rate: complex | Tensor) -> None:
        self.rate = rate

    def tendency(self, state: Tensor) -> Tensor:
        """Of complex states (..., 1)."""
        return self.rate * state


class Pendulum(Dynamics):
    """d(angle)/dt = velocity, d(velocity)/dt = -sin(angle) - friction * velocity, in units of sqrt(length / gravity).

    With friction, each trajectory comes to rest, at angle 0 or a multiple of 2 pi; without, it keeps its energy.
    """

    size = 2

    def __init__(self, friction: float = 0.0) -> None:
        self.friction = friction

    def tendency(self, state: Tensor) -> Tensor:
        """Of states (..., 2): angle, velocity."""
        angle, velocity = state.unbind(-1)
        return torch.stack((velocity, -torch.sin(angle) - self.friction * velocity), dim=-1)

    def energy(self, state: Tensor) -> Tensor:
        """Return velocity^2 / 2 - cos(angle) of states (..., 2)."""
        angle, velocity = state.unbind(-1)
        return velocity**2 / 2 - torch.cos(angle)


class DoubleWell(Dynamics):
    """d(x)/dt = v, d(v)/dt = x - x^3 - friction * v: a ball in the potential x^4 / 4 - x^2 / 2.

    With friction it comes to rest in one of the wells, x = -1 or 1; which one depends on the start in a winding way.
    """

    size = 2

    def __init__(self, friction: float = 0.1) -> None:
        self.friction = friction

    def tendency(self, state: Tensor) -> Tensor:
        """Of states (..., 2): x, v."""
        x, v = state.unbind(-1)
        return torch.stack((v, x - x**3 - self.friction * v), dim=-1)

    def energy(self, state: Tensor) -> Tensor:
        """Return v^2 / 2 + x^4 / 4 - x^2 / 2 of states (..., 2)."""
        x, v = state.unbind(-1)
        return v**2 / 2 + x**4 / 4 - x**2 / 2


class VanDerPol(Dynamics):
    """dx/dt = v, dv/dt = damping * (1 - x^2) v - x + amplitude * cos(phase), d(phase)/dt = 2 pi / period.

    Van der Pol 1926. Without forcing, all trajectories but that of rest come to one closed orbit.

    damping: of large oscillations; small ones grow. amplitude, period: of the forcing.
    """

    size = 3

    def __init__(self, damping: float = 1.0, *, amplitude: float = 0.0, period: float = 2 * math.pi) -> None:
        self.damping, self.amplitude, self.period = damping, amplitude, period

    def tendency(self, state: Tensor) -> Tensor:
        """Of states (..., 3): x, v, phase."""
        x, v, phase = state.unbind(-1)
        push = self.amplitude * torch.cos(phase)
        turn = torch.full_like(phase, 2 * math.pi / self.period)
        return torch.stack((v, self.damping * (1 - x**2) * v - x + push, turn), dim=-1)


class Torus(Dynamics):
    """Oscillations that do not know of one another: d(phase_k)/dt = frequency_k.

    A trajectory closes if the ratios of all frequencies are rational, else it comes near every point of the torus.
    """

    def __init__(self, frequencies: Sequence[float]) -> None:
        self.size, self.frequencies = len(frequencies), tuple(frequencies)

    def tendency(self, state: Tensor) -> Tensor:
        """Of states (..., size): phases."""
        return torch.tensor(self.frequencies, dtype=state.dtype, device=state.device).expand(state.shape)
