"""Assimilation on one core against the plain NumPy that one writes first, in one run: many windows of 4D-Var at once,
and a hundred repeated filter experiments at once, against one window and one experiment at a time."""

import functools
import time

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.physics.integrators import advance, trajectory
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.physics.systems import attributes_of
from dlgd.problems.lorenz.methods.ensemble import ETKF
from dlgd.problems.lorenz.methods.variational import WeakFourDVar
from dlgd.problems.lorenz.methods.variational_costs import WeakConstraint
from dlgd.problems.lorenz.methods.windows import Background, windows_of

DIMS = ("sample", "time", "variable")


def cpu_seconds(work) -> float:
    """Of this process alone, so that other programs on the machine count little."""
    began = time.process_time()
    work()
    return time.process_time() - began


def samples_of(dynamics, dt, state, observed, noise, **attrs):
    """Truth (B, T, n) with observations of the noise variance where observed."""
    drawn = torch.randn(state.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    observations = torch.where(observed, state + noise**0.5 * drawn, torch.nan)
    known = {"task": "assimilate", "dt": dt, "noise_variance": noise, **attributes_of(dynamics)}
    return xr.Dataset(
        {"state": (DIMS, state.numpy()), "observations": (DIMS, observations.numpy())}, attrs=known | attrs
    )


def lorenz63(count, steps=200, dt=0.01):
    """Windows, x observed every 8 steps."""
    start = 5 * torch.randn(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    state = trajectory(Lorenz63(), advance(Lorenz63(), start + 20, dt, 2000), dt, steps - 1).movedim(0, 1)
    observed = torch.zeros_like(state, dtype=torch.bool)
    observed[:, 10:-10:8, 0] = True
    return samples_of(Lorenz63(), dt, state, observed, 2.0)


# --- 4D-Var -------------------------------------------------------------------------------------------------


def slope63(x):
    return np.stack((10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]))


def tangent63(x):
    """(3, 3, T) of states (3, T)."""
    rows = np.zeros((3, 3, x.shape[1]))
    rows[0, 0], rows[0, 1] = -10, 10
    rows[1, 0], rows[1, 1], rows[1, 2] = 28 - x[2], -1, -x[0]
    rows[2, 0], rows[2, 1], rows[2, 2] = x[1], x[0], -8 / 3
    return rows


def step63(x, dt):
    """The next states (3, T), and the derivatives (3, 3, T) of RK4."""
    identity = np.eye(3)[:, :, None]
    slope, grown = slope63(x), tangent63(x)
    total, jacobian = slope / 6, grown / 6
    for node, weight in ((0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6)):
        place = x + node * dt * slope
        grown = np.einsum("ijt,jkt->ikt", tangent63(place), identity + node * dt * grown)
        slope = slope63(place)
        total, jacobian = total + weight * slope, jacobian + weight * grown
    return x + dt * total, identity + dt * jacobian


def numpy_step(x, y, precision, variance, mean, inverse, dt, damping=1e-3):
    """One Gauss-Newton step of weak 4D-Var of one window: x, y, precision (T, 3)."""
    following, jacobians = step63(x[:-1].T, dt)
    errors, jacobians = (x[1:] - following.T) / variance, jacobians.transpose(2, 0, 1)
    gradient = precision * (x - y)
    gradient[1:] += errors
    gradient[:-1] -= np.einsum("tji,tj->ti", jacobians, errors)
    gradient[0] += inverse @ (x[0] - mean)
    blocks = np.einsum("ti,ij->tij", precision + damping, np.eye(3))
    blocks[:-1] += jacobians.transpose(0, 2, 1) @ jacobians / variance
    blocks[1:] += np.eye(3) / variance
    blocks[0] += inverse
    right, gains = -gradient, []
    for t in range(1, len(x)):
        gains.append(-np.linalg.solve(blocks[t - 1], jacobians[t - 1].T / variance))
        blocks[t] = blocks[t] + (jacobians[t - 1] / variance) @ gains[-1]
        right[t] = right[t] - gains[-1].T @ right[t - 1]
    step = np.empty_like(x)
    step[-1] = np.linalg.solve(blocks[-1], right[-1])
    for t in range(len(x) - 2, -1, -1):
        step[t] = np.linalg.solve(blocks[t], right[t]) - gains[t] @ step[t + 1]
    return step


@pytest.mark.bench
def test_weak_4dvar_of_many_windows():
    torch.set_num_threads(1)
    few, many, climate = lorenz63(10), lorenz63(2000), lorenz63(200)
    variance, background = 1e-3, Background.learnt(climate)
    windows = windows_of(few)
    x = torch.from_numpy(few.state.values) + 0.1

    def theirs():
        inverse = np.linalg.inv(background.covariance.numpy())
        return [
            numpy_step(*(a[number].numpy() for a in (x, windows.values, windows.precision)), variance,
                       background.mean.numpy(), inverse, 0.01)
            for number in range(10)
        ]  # fmt: skip

    def ours(samples):
        given = windows_of(samples)
        gradient, solve = WeakConstraint(given, background, variance).normal_equations(
            torch.from_numpy(samples.state.values) + 0.1
        )
        return solve(torch.full((len(gradient),), 1e-3, dtype=torch.float64))

    np.testing.assert_allclose(ours(few), np.stack(theirs()), atol=1e-6)
    part = many.isel(sample=slice(500))
    pairs = [(cpu_seconds(theirs) / 10, cpu_seconds(lambda: ours(part)) / 500) for _ in range(5)]
    slow, fast = (min(seconds) for seconds in zip(*pairs, strict=True))
    print(f"\na Gauss-Newton step of a window: {fast * 1e6:.0f} us, NumPy {slow * 1e6:.0f} us, {slow / fast:.0f} times")
    for start in ("interpolation", "ensemble"):
        method = WeakFourDVar(
            annealing=[1, 1e-2, 1e-4], start=start, background=True, starts=2, tolerance=1e-3, most_steps=100,
            seed=0, device="cpu",
        )  # fmt: skip
        method.fit(climate)
        seconds = cpu_seconds(functools.partial(method.predict, many))
        print(f"2,000 windows converged, start={start}: {seconds:.1f} s of one core")
    assert slow > 5 * fast


# --- filters ------------------------------------------------------------------------------------------------


def slope96(x):
    return (np.roll(x, -1, -1) - np.roll(x, 2, -1)) * np.roll(x, 1, -1) - x + 8


def slope63_rows(x):
    return slope63(x.T).T


def numpy_etkf(samples, ensemble, slope, inflation, every):
    """One experiment: the symmetric square root with random rotations, as one writes it first."""
    rng, dt = np.random.default_rng(0), samples.attrs["dt"]
    observations, noise = samples.observations.values[0], samples.attrs["noise_variance"]
    members, means = len(ensemble), []
    basis = np.linalg.qr(np.hstack((np.ones((members, 1)), np.eye(members)[:, 1:])))[0][:, 1:]
    for step in range(1, len(observations)):
        k1 = dt * slope(ensemble)
        k2 = dt * slope(ensemble + k1 / 2)
        k3 = dt * slope(ensemble + k2 / 2)
        ensemble = ensemble + (k1 + 2 * (k2 + k3) + dt * slope(ensemble + k3)) / 6
        if step % every == 0:
            mean = ensemble.mean(0)
            departures = ensemble - mean
            scaled = departures / np.sqrt(noise * (members - 1))
            values, vectors = np.linalg.eigh(scaled @ scaled.T)
            values = 1 + np.maximum(values, 0)
            innovation = (observations[step] - mean) / np.sqrt(noise * (members - 1))
            mean = mean + (vectors / values) @ (vectors.T @ (scaled @ innovation)) @ departures
            turn = basis @ np.linalg.qr(rng.normal(size=(members - 1, members - 1)))[0] @ basis.T + 1 / members
            departures = turn @ ((vectors / np.sqrt(values)) @ (vectors.T @ departures))
            ensemble = mean + inflation * departures
        means.append(ensemble.mean(0))
    return np.array(means)


TWINS = {  # system, dt, steps between observations, noise, members, slope in NumPy
    "sakov2012": (Lorenz63(), 0.01, 25, 2.0, 10, slope63_rows),
    "sakov2008": (Lorenz96(), 0.05, 1, 1.0, 24, slope96),
}


@pytest.mark.bench
@pytest.mark.parametrize("preset", TWINS)
def test_a_hundred_filter_experiments(preset):
    torch.set_num_threads(1)
    dynamics, dt, every, noise, members, slope = TWINS[preset]
    count, cycles = 100, 60
    start = torch.randn(count, dynamics.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    state = trajectory(dynamics, advance(dynamics, start + 8, dt, 1000), dt, cycles * every).movedim(0, 1)
    observed = torch.zeros_like(state, dtype=torch.bool)
    observed[:, every::every] = True
    samples = samples_of(dynamics, dt, state, observed, noise)
    method = ETKF(members=members, inflation=1.02, rotated=True, seed=0, device="cpu")
    windows, generator = windows_of(samples), torch.Generator().manual_seed(1)
    drawn = torch.randn(count, members, dynamics.size, generator=generator, dtype=torch.float64)
    ensemble = state[:, :1] + drawn

    def error(means):
        return np.sqrt(((means[-every * 20 :] - state[0, -every * 20 :].numpy()) ** 2).mean())

    def theirs():
        return numpy_etkf(samples, ensemble[0].numpy(), slope, 1.02, every)

    def ours(experiments=count):
        return method.cycles(windows.take(rows := slice(experiments)), ensemble[rows], generator, state[rows])

    assert error(ours().estimate[0, 1:].numpy()) == pytest.approx(error(theirs()), rel=0.5)
    works = theirs, functools.partial(ours, 1), ours
    turns = [[cpu_seconds(work) / cycles for work in works] for _ in range(5)]
    slow, alone, fast = (min(seconds) for seconds in zip(*turns, strict=True))
    fast /= count
    print(
        f"\n{preset}, a cycle of an experiment: {fast * 1e6:.0f} us, alone {alone * 1e6:.0f} us, "
        f"NumPy {slow * 1e6:.0f} us: {slow / fast:.0f} times, alone {slow / alone:.1f} times"
    )
    assert slow > 10 * fast
    assert slow > alone
