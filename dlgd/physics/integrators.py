"""Differential equations dx/dt = f(x) in time: fixed steps with their tangent linear and adjoint, and adaptive ones.

States are (..., size): any leading dimensions (windows, repeated experiments, members), variables last. Trajectories
have time first. Everything with a fixed step is differentiable by autograd, in the state and in all tensors of the
right-hand side. On the CPU, where no derivative is needed, a system may have a compiled loop of its own.
"""

from __future__ import annotations

import logging
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor
from torch.autograd import forward_ad

log = logging.getLogger(__name__)


class Dynamics(ABC):
    """dx/dt = tendency(x), with its derivatives: by autograd here, by hand where a system is faster so.

    A network is one too: class Learned(nn.Module, Dynamics), with `size` and `tendency`.
    """

    size: int  # number of variables
    compiled = False  # whether `fill` exists
    one_step = math.inf  # time units: a longer time between states takes several steps of RK4, see `rk4`

    @abstractmethod
    def tendency(self, state: Tensor) -> Tensor:
        """f(x) of states (..., size), per unit of time."""

    def tangent(self, state: Tensor, perturbation: Tensor) -> Tensor:
        """f'(x) p: states and perturbations (..., size) that broadcast."""
        state, perturbation = (x.contiguous() for x in torch.broadcast_tensors(state, perturbation))
        with warnings.catch_warnings():  # torch's own forward mode uses what torch deprecates
            warnings.filterwarnings("ignore", "`torch.jit.script`", DeprecationWarning)
            return torch.func.jvp(self.tendency, (state,), (perturbation,))[1]

    def adjoint(self, state: Tensor, gradient: Tensor) -> Tensor:
        """f'(x)^T g: states and gradients (..., size) that broadcast."""
        state, gradient = torch.broadcast_tensors(state, gradient)
        return torch.func.vjp(self.tendency, state)[1](gradient)[0]

    def fill(self, snapshots: Tensor, state: Tensor, dt: float, every: int, scheme: Scheme) -> None:
        """Write the states (n, ..., size) after every, 2 every, ..., n every steps of dt, on the CPU, without autograd.

        The substeps of the scheme are counted in `every` already.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compiled loop")


@dataclass(frozen=True)
class Scheme:
    """An explicit Runge-Kutta scheme, in which each stage needs only the slope before it.

        slope_i = f(x + nodes_i dt slope_(i-1)),    x(t + dt) = x + dt sum_i weights_i slope_i

    Its tangent linear and adjoint are those of the discrete step, so that <M p, g> = <p, M^T g> up to rounding.
    """

    nodes: tuple[float, ...]  # the first is 0
    weights: tuple[float, ...]
    substeps: int = 1  # equal steps of which each step of dt consists

    def step(self, dynamics: Dynamics, state: Tensor, dt: float) -> Tensor:
        """x(t + dt) (..., size) from x(t)."""
        for _ in range(self.substeps):
            state = self._step(dynamics, state, dt / self.substeps)
        return state

    def tangent(self, dynamics: Dynamics, state: Tensor, perturbation: Tensor, dt: float) -> Tensor:
        """M p: the perturbation at t + dt that grows from a small one of x(t); perturbations broadcast with states."""
        for start in self._starts(dynamics, state, dt):
            perturbation = self._tangent(dynamics, start, perturbation, dt / self.substeps)
        return perturbation

    def adjoint(self, dynamics: Dynamics, state: Tensor, gradient: Tensor, dt: float) -> Tensor:
        """M^T g: the gradient with respect to x(t) of a function whose gradient with respect to x(t + dt) is g."""
        for start in reversed(self._starts(dynamics, state, dt)):
            gradient = self._adjoint(dynamics, start, gradient, dt / self.substeps)
        return gradient

    def jacobian(self, dynamics: Dynamics, state: Tensor, dt: float) -> Tensor:
        """M (..., size, size), with M[..., i, j] the derivative of x_i(t + dt) with respect to x_j(t)."""
        columns = self.tangent(dynamics, state, unit_perturbations(state), dt)
        return columns.movedim(0, -1)

    def _starts(self, dynamics: Dynamics, state: Tensor, dt: float) -> list[Tensor]:
        """The states at which the substeps begin."""
        states = [state]
        for _ in range(self.substeps - 1):
            states.append(self._step(dynamics, states[-1], dt / self.substeps))
        return states

    def _step(self, dynamics: Dynamics, state: Tensor, dt: float) -> Tensor:
        slope = dynamics.tendency(state)
        result = state + self.weights[0] * dt * slope
        for node, weight in zip(self.nodes[1:], self.weights[1:], strict=True):
            slope = dynamics.tendency(state + node * dt * slope)
            result = result + weight * dt * slope
        return result

    def _tangent(self, dynamics: Dynamics, state: Tensor, perturbation: Tensor, dt: float) -> Tensor:
        places = self._places(dynamics, state, dt)
        slope = dynamics.tangent(state, perturbation)
        result = perturbation + self.weights[0] * dt * slope
        for node, weight, place in zip(self.nodes[1:], self.weights[1:], places[1:], strict=True):
            slope = dynamics.tangent(place, perturbation + node * dt * slope)
            result = result + weight * dt * slope
        return result

    def _adjoint(self, dynamics: Dynamics, state: Tensor, gradient: Tensor, dt: float) -> Tensor:
        places = self._places(dynamics, state, dt)
        back = dynamics.adjoint(places[-1], self.weights[-1] * dt * gradient)  # to the place of the last stage
        result = gradient + back
        for stage in range(len(places) - 2, -1, -1):
            slope = self.weights[stage] * dt * gradient + self.nodes[stage + 1] * dt * back
            back = dynamics.adjoint(places[stage], slope)
            result = result + back
        return result

    def _places(self, dynamics: Dynamics, state: Tensor, dt: float) -> list[Tensor]:
        """The states at which the stages take their slopes."""
        places = [state]
        for node in self.nodes[1:]:
            places.append(state + node * dt * dynamics.tendency(places[-1]))
        return places


def unit_perturbations(state: Tensor) -> Tensor:
    """Return a perturbation of each variable, (size, 1, ..., 1, size); they lead, so that parameters broadcast."""
    size = state.shape[-1]
    return torch.eye(size, dtype=state.dtype, device=state.device).reshape(size, *[1] * (state.dim() - 1), size)


EULER = Scheme(nodes=(0.0,), weights=(1.0,))
RK4 = Scheme(nodes=(0.0, 1 / 2, 1 / 2, 1.0), weights=(1 / 6, 1 / 3, 1 / 3, 1 / 6))
SCHEMES = {"euler": EULER, "rk4": RK4}
FINE_STEP = 0.01  # time units, of the steps within a long one


def substeps_of(dynamics: Dynamics, dt: float) -> int:
    """Return how many steps of RK4 are taken within dt: one, or where dt is longer than `one_step` of the equations,
    as many as make each at most FINE_STEP long."""
    return 1 if dt <= dynamics.one_step * (1 + 1e-9) else math.ceil(dt / FINE_STEP - 1e-9)


def rk4(dynamics: Dynamics, dt: float) -> Scheme:
    """Return RK4 with the substeps of `substeps_of`."""
    return replace(RK4, substeps=substeps_of(dynamics, dt))


def say_substeps(who: str, dynamics: Dynamics, dt: float) -> None:
    """Log how many steps of RK4 are taken within dt, where one would be too long. who: what integrates."""
    if (count := substeps_of(dynamics, dt)) > 1:
        log.info("%s: %d steps of RK4 in each step of %g time units, which is long for one", who, count, dt)


def advance(dynamics: Dynamics, state: Tensor, dt: float, steps: int = 1, scheme: Scheme | None = None) -> Tensor:
    """Return the states (..., size) after some steps of dt. scheme: None is that of `rk4`."""
    _check(dynamics, state, steps)
    scheme = rk4(dynamics, dt) if scheme is None else scheme
    if _may_be_compiled(dynamics, state):
        snapshots = _room(state, 1)
        dynamics.fill(snapshots, state, dt / scheme.substeps, steps * scheme.substeps, scheme)
        return snapshots[0]
    for _ in range(steps):
        state = scheme.step(dynamics, state, dt)
    return state


def trajectory(
    dynamics: Dynamics, state: Tensor, dt: float, steps: int, every: int = 1, scheme: Scheme | None = None
) -> Tensor:
    """Return the start and the states after every `every` steps: (steps / every + 1, ..., size).

    scheme: None is that of `rk4`.
    """
    _check(dynamics, state, steps)
    scheme = rk4(dynamics, dt) if scheme is None else scheme
    if every < 1 or steps % every:
        raise ValueError(f"{steps} steps cannot be kept every {every}: take a divisor of {steps}")
    if _may_be_compiled(dynamics, state):
        snapshots = _room(state, steps // every + 1)
        snapshots[0] = state
        dynamics.fill(snapshots[1:], state, dt / scheme.substeps, every * scheme.substeps, scheme)
        return snapshots
    states = [state]
    for step in range(1, steps + 1):
        state = scheme.step(dynamics, state, dt)
        if step % every == 0:
            states.append(state)
    return torch.stack(states)


def tangent_trajectory(
    dynamics: Dynamics, states: Tensor, perturbation: Tensor, dt: float, scheme: Scheme | None = None
) -> Tensor:
    """Return perturbations (steps + 1, ..., size) that grow from the first, (..., size), along states
    (steps + 1, ..., size). scheme: None is that of `rk4`."""
    scheme = rk4(dynamics, dt) if scheme is None else scheme
    perturbations = [perturbation]
    for state in states[:-1]:
        perturbations.append(scheme.tangent(dynamics, state, perturbations[-1], dt))
    return torch.stack(perturbations)


def adjoint_trajectory(
    dynamics: Dynamics, states: Tensor, forcing: Tensor, dt: float, scheme: Scheme | None = None
) -> Tensor:
    """Return the gradients of a cost with respect to an increment of the state at each time, (steps + 1, ..., size).

    forcing (steps + 1, ..., size): the derivative of the cost with respect to the state at each time, all other
    times held. The first gradient is that of strong-constraint 4D-Var (Talagrand and Courtier 1987), all of them
    are those of the weak-constraint one with respect to the model's errors. scheme: None is that of `rk4`.
    """
    scheme = rk4(dynamics, dt) if scheme is None else scheme
    gradients = [forcing[-1]]
    for state, force in zip(reversed(states[:-1].unbind()), reversed(forcing[:-1].unbind()), strict=True):
        gradients.append(force + scheme.adjoint(dynamics, state, gradients[-1], dt))
    return torch.stack(gradients[::-1])


@torch.no_grad()
def adaptive(
    dynamics: Dynamics,
    state: Tensor,
    times: Sequence[float] | np.ndarray,
    *,
    method: str = "DOP853",
    rtol: float = 1e-9,
    atol: float = 1e-9,
    first_step: float | None = None,
) -> Tensor:
    """Return the states (len(times), ..., size) at increasing times, the first that of `state`, by scipy's solve_ivp.

    Each state chooses its own steps, so a batch is a loop. The right-hand side is evaluated in the precision and on
    the device of `state`; no derivatives. Raises ArithmeticError if the solver gives up.
    """
    _check(dynamics, state, steps=0)
    times = np.asarray(times, dtype=np.float64)
    if len(times) < 2 or (np.diff(times) <= 0).any():
        raise ValueError("times must increase, and there must be two of them at least")
    if rtol < 100 * torch.finfo(state.dtype).eps:
        raise ValueError(f"rtol={rtol:g} is out of reach of {state.dtype}: pass a float64 state or a larger rtol")

    def slope(_: float, x: np.ndarray) -> np.ndarray:
        return dynamics.tendency(torch.from_numpy(x).to(state)).to("cpu", torch.float64).numpy()

    span, solved = (times[0], times[-1]), []
    for start in state.reshape(-1, dynamics.size).to("cpu", torch.float64).numpy():
        solution = solve_ivp(
            slope, span, start, method=method, t_eval=times, rtol=rtol, atol=atol, first_step=first_step
        )
        if not solution.success:
            raise ArithmeticError(f"solve_ivp ({method}) stopped at t = {solution.t[-1]:g}: {solution.message}")
        solved.append(solution.y.T)
    return torch.from_numpy(np.stack(solved, axis=1)).to(state).reshape(len(times), *state.shape)


def _check(dynamics: Dynamics, state: Tensor, steps: int) -> None:
    if state.shape[-1:] != (dynamics.size,):
        raise ValueError(f"states of {type(dynamics).__name__} are (..., {dynamics.size}), not {tuple(state.shape)}")
    if not (state.is_floating_point() or state.is_complex()):
        raise ValueError(f"states must be floating point, not {state.dtype}")
    if steps < 0:
        raise ValueError(f"steps={steps} is negative")


def _room(state: Tensor, snapshots: int) -> Tensor:
    """Return an empty (snapshots, ..., size) on the CPU. NumPy asks for huge pages: half the time for long ones."""
    return torch.from_numpy(np.empty((snapshots, *state.shape), state.detach().numpy().dtype))


def _may_be_compiled(dynamics: Dynamics, state: Tensor) -> bool:
    """Return whether plain numbers on the CPU are enough: no derivative, no torch.func transform, no torch.compile."""
    if not dynamics.compiled or torch.compiler.is_compiling():
        return False
    if state.device.type != "cpu" or state.dtype not in (torch.float32, torch.float64):
        return False
    if torch.is_grad_enabled() and state.requires_grad:
        return False
    try:
        state.data_ptr()
    except RuntimeError:  # inside jvp, vjp or vmap a tensor has no memory of its own
        return False
    return forward_ad.unpack_dual(state).tangent is None
