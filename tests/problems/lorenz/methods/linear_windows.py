"""A linear system, its observations, and what is known of its states: the conditional Gaussian, by dense matrices."""

from __future__ import annotations

import numpy as np
import torch

from dlgd.physics.integrators import RK4, Dynamics
from dlgd.problems.lorenz.methods.windows import Background, Windows

DT = 0.1


class Linear(Dynamics):
    """dx/dt = A x."""

    def __init__(self, matrix):
        self.matrix, self.size = torch.as_tensor(matrix, dtype=torch.float64), len(matrix)

    def tendency(self, state):
        return state @ self.matrix.T

    def tangent(self, state, perturbation):
        return torch.broadcast_tensors(state, perturbation)[1] @ self.matrix.T


def system(size, seed=0):
    """A rotation that grows and decays a little."""
    rng = np.random.default_rng(seed)
    return Linear(rng.normal(0, 1, (size, size)) - 0.3 * np.eye(size))


def windows_of_linear(dynamics, *, count, steps, noise=0.5, share=0.4, seed=1):
    """Each with its own pattern of observations; every other step has none at all."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, steps, dynamics.size)
    observed = torch.rand(shape, generator=generator) < share
    observed[:, ::2] = False
    values = torch.randn(shape, generator=generator, dtype=torch.float64) * 2
    return Windows(dynamics, DT, noise, torch.where(observed, values, 0.0), observed)


def prior(size, seed=2):
    factor = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Background(torch.arange(size, dtype=torch.float64), factor @ factor.T + 0.5 * torch.eye(size))


def conditional(windows, number, background, *, model_variance=0.0, until=None):
    """Mean (steps, n) and covariance (steps n, steps n) of the states of a window, given its observations before a
    step: what the Kalman filter (at the last step of them) and the Rauch-Tung-Striebel smoother compute."""
    steps, size = windows.values.shape[1:]
    jacobian = RK4.jacobian(windows.dynamics, torch.zeros(size, dtype=torch.float64), DT).numpy()
    mean, covariance = np.zeros((steps, size)), np.zeros((steps, size, steps, size))
    mean[0], covariance[0, :, 0] = background.mean.numpy(), background.covariance.numpy()
    for t in range(1, steps):
        mean[t] = jacobian @ mean[t - 1]
        covariance[t, :, :t] = np.einsum("ij,jsk->isk", jacobian, covariance[t - 1, :, :t])
        covariance[:t, :, t] = covariance[t, :, :t].transpose(1, 2, 0)
        covariance[t, :, t] = jacobian @ covariance[t - 1, :, t - 1] @ jacobian.T + model_variance * np.eye(size)
    mean, covariance = mean.ravel(), covariance.reshape(steps * size, -1)
    observed = windows.observed[number].numpy().copy()
    observed[steps if until is None else until :] = False
    seen = observed.ravel()
    innovation = windows.values[number].numpy().ravel()[seen] - mean[seen]
    within = covariance[np.ix_(seen, seen)] + windows.noise_variance * np.eye(seen.sum())
    gain = np.linalg.solve(within, covariance[seen]).T
    return (mean + gain @ innovation).reshape(steps, size), covariance - gain @ covariance[seen]


def exact_ensemble(background, members, count):
    """(count, members, n) whose mean and covariance are those of the background, to rounding."""
    size = len(background.mean)
    drawn = torch.randn(members, size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    drawn = torch.linalg.qr(drawn - drawn.mean(0)).Q * (members - 1) ** 0.5
    ensemble = background.mean + drawn @ torch.linalg.cholesky(background.covariance).T
    return ensemble.expand(count, members, size).clone()
