"""The rotated square root filter on the CPU: one compiled loop over experiments instead of some forty small operations.

`ETKF` chooses it; its results are those of `ensemble_updates.triangular` and `rotation`, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import torch
from torch import Tensor

from dlgd.problems.lorenz.methods.ensemble_run import Diagnostics
from dlgd.problems.lorenz.methods.ensemble_updates import turned_basis, zero_sum_basis
from dlgd.problems.lorenz.methods.windows import Windows

# Sums may be taken in any order, which lets them be vectorized; infinities and NaN stay what they are.
FAST = {"contract", "reassoc", "nsz"}


def rotated_cycles(
    windows: Windows,
    ensemble: Tensor,
    generator: torch.Generator,
    truth: Tensor | None,
    inflation: float,
    refuse_infinite: Callable[[Tensor, int], None],
) -> Diagnostics:
    """Forecast and analyse in turn, from the ensemble (E, N, n) at the first step to the last: `Filter.cycles`.

    refuse_infinite: called with the members before each analysis and its step.
    """
    members = ensemble.shape[1]
    diagnostics, basis = Diagnostics.empty(windows, members, truth), zero_sum_basis(members).numpy()
    values, observed = windows.values.contiguous().numpy(), windows.observed.contiguous().numpy()
    true = None if truth is None else truth.to(torch.float64).numpy()
    forecast = diagnostics.forecast_mean.numpy(), diagnostics.forecast_spread.numpy()
    analysis = diagnostics.analysis_mean.numpy(), diagnostics.analysis_spread.numpy()
    estimate, below = diagnostics.estimate.numpy(), diagnostics.below.numpy()
    stops = np.asarray(observed.any((0, 2)))
    last, now = len(stops) - 1, 0
    _describe(ensemble[None].numpy(), 0, *forecast, estimate)
    for step in sorted({*np.flatnonzero(stops).tolist(), last}):
        if step > now:
            path = windows.forecast(ensemble, now, step - now)[1:]
            _describe(path.numpy(), now + 1, *forecast, estimate)
            ensemble, now = path[-1], step
        if stops[step]:
            refuse_infinite(diagnostics.forecast_mean[:, step], step)  # that of infinite members is so, too
            new, turned = np.empty(ensemble.shape), turned_basis(members, generator).numpy()
            rotated_square_root(
                ensemble.numpy(),
                step,
                forecast[0],
                values,
                observed,
                windows.noise_variance,
                basis,
                turned,
                inflation,
                new,
            )
            _describe(new[None], step, *analysis, estimate)
            if true is not None:
                np.add.reduce(new < true[:, step, None], axis=1, out=below[:, step])
            ensemble = torch.from_numpy(new)
    return diagnostics


@numba.njit(fastmath=FAST, cache=True, nogil=True)
def _describe(path: np.ndarray, begin: int, mean: np.ndarray, spread: np.ndarray, estimate: np.ndarray) -> None:
    """Write means of members (steps, E, N, n) from a step on, (E, T, n), twice, and their last spread, (E, T)."""
    steps, experiments, members, size = path.shape
    end = begin + steps - 1
    for e in range(experiments):
        for t in range(steps):
            for i in range(size):
                mean[e, begin + t, i] = 0.0
            for k in range(members):
                for i in range(size):
                    mean[e, begin + t, i] += path[t, e, k, i]
            for i in range(size):
                mean[e, begin + t, i] /= members
                estimate[e, begin + t, i] = mean[e, begin + t, i]
        total = 0.0
        for k in range(members):
            for i in range(size):
                total += (path[steps - 1, e, k, i] - mean[e, end, i]) ** 2
        spread[e, end] = np.sqrt(total / (max(1, members - 1) * size))


@numba.njit(fastmath=FAST, inline="always")
def _add_rows(total: np.ndarray, numbers: np.ndarray, rows: np.ndarray, count: int) -> None:
    """total (n,) += numbers (count,) @ rows (count, n): four rows at a time, so that the total is loaded less often."""
    whole = count - count % 4
    for j in range(0, whole, 4):
        a, b, c, d = numbers[j], numbers[j + 1], numbers[j + 2], numbers[j + 3]
        for i in range(total.size):
            total[i] += a * rows[j, i] + b * rows[j + 1, i] + c * rows[j + 2, i] + d * rows[j + 3, i]
    for j in range(whole, count):
        for i in range(total.size):
            total[i] += numbers[j] * rows[j, i]


@numba.njit(fastmath=FAST, inline="always")
def _coordinates(members: np.ndarray, basis: np.ndarray, total: np.ndarray, z: np.ndarray) -> None:
    """Write z (N - 1, n) = basis^T members. total (n,) is room.

    Column j - 1 of the basis has one number at j, another one at 0 and after j, and zeros between.
    """
    for i in range(total.size):
        total[i] = members[0, i]
    for j in range(len(z), 0, -1):
        own, rest = basis[j, j - 1], basis[0, j - 1]
        for i in range(total.size):
            z[j - 1, i] = own * members[j, i] + rest * total[i]
            total[i] += members[j, i]


@numba.njit(fastmath=FAST, inline="always")
def _whiten(z: np.ndarray, weight: np.ndarray, scaled: np.ndarray, factor: np.ndarray) -> None:
    """Replace z (N - 1, n) by L^-1 z, where L L^T = I + z diag(weight) z^T. scaled (n,) and factor are room.

    factor (N - 1, N - 1) gets the negative of L below its diagonal, and one over L there.
    """
    for j in range(len(z)):
        for i in range(scaled.size):
            scaled[i] = weight[i] * z[j, i]
        for m in range(j + 1):
            total = 0.0
            for i in range(scaled.size):
                total += scaled[i] * z[m, i]
            factor[j, m] = total
        factor[j, j] += 1.0
    for j in range(len(z)):
        for m in range(j):
            total = factor[j, m]
            for p in range(m):
                total -= factor[j, p] * factor[m, p]
            factor[j, m] = -total * factor[m, m]
        total = factor[j, j]
        for m in range(j):
            total -= factor[j, m] ** 2
        factor[j, j] = 1.0 / np.sqrt(total)
        _add_rows(z[j], factor[j], z, j)
        for i in range(scaled.size):
            z[j, i] *= factor[j, j]


@numba.njit(fastmath=FAST, cache=True, nogil=True)
def rotated_square_root(
    members: np.ndarray,
    step: int,
    mean: np.ndarray,
    values: np.ndarray,
    observed: np.ndarray,
    noise_variance: float,
    basis: np.ndarray,
    turned: np.ndarray,
    inflation: float,
    analysis: np.ndarray,
) -> None:
    """Write the analysis (E, N, n) of members (E, N, n) at a step, inflated and rotated.

    mean (E, T, n): of the members. values, observed (E, T, n): observations, and where there are any.
    basis (N, N - 1): `zero_sum_basis`. turned (N, N - 1): the same, times the random rotation.

    With Z = basis^T members, the Cholesky factor L of I + Z H^T H Z^T / ((N - 1) R), and A = L^-1 Z, the new departures
    are turned A, and the mean moves by A^T A H^T d / ((N - 1) R).
    """
    experiments, count, size = members.shape
    rank = count - 1
    z, factor = np.empty((rank, size)), np.empty((rank, rank))
    scaled, after, others, weight = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    pull = np.empty(rank)
    for e in range(experiments):
        seen = False
        for i in range(size):
            seen = seen or observed[e, step, i]
            weight[i] = 1.0 / (rank * noise_variance) if observed[e, step, i] else 0.0
            after[i] = mean[e, step, i]
        _coordinates(members[e], basis, others, z)
        if seen:
            _whiten(z, weight, scaled, factor)
            for j in range(rank):
                total = 0.0
                for i in range(size):
                    total += weight[i] * z[j, i] * (values[e, step, i] - mean[e, step, i])
                pull[j] = total
            _add_rows(after, pull, z, rank)
        scale = inflation if seen else 1.0
        for k in range(count):
            for i in range(size):
                others[i] = 0.0
            _add_rows(others, turned[k], z, rank)
            for i in range(size):
                analysis[e, k, i] = after[i] + scale * others[i]
