"""Lyapunov exponents, which say how fast neighbouring states separate, and the attractor's dimension from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dlgd.physics.integrators import RK4, Dynamics, Scheme, advance, unit_perturbations


@torch.no_grad()
def lyapunov_exponents(
    dynamics: Dynamics,
    state: Tensor,
    dt: float,
    steps: int,
    *,
    spin_up: int = 0,
    every: int = 1,
    count: int | None = None,
    scheme: Scheme = RK4,
) -> Tensor:
    """Return the leading `count` exponents (all of them if None), per unit of time, of each trajectory: (..., count).

    Perturbations grow by the tangent linear of the scheme and are made orthonormal by QR every few steps (Benettin et
    al. 1980). The first spin_up steps turn them towards the leading directions and are not counted; the states
    (..., size) should be on the attractor already. Average over trajectories for their mean, and for its error.
    """
    if steps < every or steps % every or spin_up % every:
        raise ValueError(f"steps={steps} and spin_up={spin_up} must be multiples of every={every}, and steps not zero")
    count = dynamics.size if count is None else count
    directions = unit_perturbations(state)[:count].expand(count, *state.shape)
    growth = state.new_zeros(*state.shape[:-1], count)
    for step in range(1, spin_up + steps + 1):
        directions = scheme.tangent(dynamics, state, directions, dt)
        state = advance(dynamics, state, dt, scheme=scheme)
        if step % every == 0:
            orthonormal, triangle = torch.linalg.qr(directions.movedim(0, -1))
            directions = orthonormal.movedim(-1, 0)
            if step > spin_up:
                growth += triangle.diagonal(dim1=-2, dim2=-1).abs().log()
    return growth / (steps * dt)


def kaplan_yorke_dimension(exponents: Sequence[float] | Tensor) -> float:
    """k + (sum of the k largest exponents) / |the next one|, k the most whose sum is not negative (1979).

    It is the number of exponents where volumes do not shrink, and 0 where all exponents are negative.
    """
    ordered = torch.as_tensor(exponents, dtype=torch.float64).sort(descending=True).values
    sums = ordered.cumsum(0)
    k = int((sums >= 0).sum())
    if k in (0, len(ordered)):
        return float(k)
    return k + float(sums[k - 1] / ordered[k].abs())
