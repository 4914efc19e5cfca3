"""The analysis of ensemble Kalman filters, as weights: each new member is a combination of the old ones.

Y (..., N, n) are the members' departures from their mean at the observations, over the noise's standard deviation and
sqrt(N - 1), d (..., n) the observations' departures from the mean, over the same deviation; both are 0 where nothing is
observed, which leaves such an observation out. Weights (..., N, N) have rows that sum to 1. The same weights update
earlier states of the same members: that is the ensemble Kalman smoother (Evensen and van Leeuwen 2000).
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

TAPERS = ("gaspari_cohn", "step")


def stochastic(departures: Tensor, innovation: Tensor, noise: Tensor) -> Tensor:
    """EnKF with perturbed observations (Burgers et al. 1998): weights (E, N, N).

    noise (E, N, n): the perturbations over the noise's standard deviation, 0 where nothing is observed. With
    K = A^T Y (Y^T Y + I)^-1 members become x + K (y + noise - H x), through whichever inverse is smaller.
    """
    members, variables = departures.shape[-2:]
    differences = innovation[:, None] + noise - departures * (members - 1) ** 0.5
    if variables <= members:
        gain = _solve(departures.mT @ departures, departures.mT)
    else:
        gain = departures.mT @ _solve(departures @ departures.mT, _identity(departures, members))
    return _identity(departures, members) + differences @ gain / (members - 1) ** 0.5


def perturbed(departures: Tensor, innovation: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
    """Return the weights of `stochastic` with drawn perturbations, of the noise's variance and without a mean."""
    members = departures.shape[1]
    drawn = torch.randn(departures.shape, generator=generator, dtype=torch.float64).to(departures)
    drawn = (drawn - drawn.mean(1, keepdim=True)) * (members / (members - 1)) ** 0.5
    return stochastic(departures, innovation, drawn * observed[:, None])


def symmetric(departures: Tensor, innovation: Tensor) -> Tensor:
    """Return the weights of `square_root` without localization."""
    return square_root(departures @ departures.mT, (departures @ innovation[..., None])[..., 0])


def square_root(products: Tensor, pull: Tensor) -> Tensor:
    """The symmetric square root of the ETKF (Bishop et al. 2001; Hunt et al. 2007): weights (..., N, N).

    products (..., N, N) = Y Y^T and pull (..., N) = Y d; local ones where distant observations count less. The mean
    moves by pull (I + Y Y^T)^-1 / sqrt(N - 1), the departures are multiplied by (I + Y Y^T)^(-1/2).
    """
    members = products.shape[-1]
    values, vectors = torch.linalg.eigh(products)
    values = 1 + values.clamp_min(0)
    shift = ((pull[..., None, :] @ vectors) / values[..., None, :]) @ vectors.mT
    return (vectors / values.sqrt()[..., None, :]) @ vectors.mT + shift / (members - 1) ** 0.5


def triangular(departures: Tensor, innovation: Tensor) -> Tensor:
    """Return the weights (E, N, N) of a square root that takes a quarter of the time of the symmetric one.

    Departures are multiplied by the inverse of the Cholesky factor of I + Y Y^T, within the space of those that sum to
    0 over the members. Once rotated at random, the ensemble has the same distribution as one from the symmetric root.
    """
    members = departures.shape[-2]
    basis = zero_sum_basis(members).to(departures)
    inner = basis.T @ departures
    factor = torch.linalg.cholesky(inner @ inner.mT + _identity(departures, members - 1))
    root = torch.linalg.solve_triangular(factor, basis.T.expand(*factor.shape[:-2], -1, -1), upper=False)
    pull = torch.cholesky_solve(inner @ innovation[..., None], factor)
    shift = (basis @ pull).mT / (members - 1) ** 0.5
    return basis @ root + shift + 1 / members


def gauss_newton(weights: Tensor, departures: Tensor, innovation: Tensor) -> Tensor:
    """Correct weights (E, N, N) of the members at an earlier time by a step of Gauss-Newton (Sakov et al. 2012).

    Y and d are those of the forecast from the members that these weights make. The inverse of its square root takes Y
    back to the departures of the original members, for which the new weights are those of the filter.
    """
    members = weights.shape[-1]
    shift = weights.mean(1) - 1 / members  # of the mean; the rest is the square root
    departures = torch.linalg.solve(weights - shift[:, None], departures)
    moved = (shift[:, None] @ departures)[:, 0] * (members - 1) ** 0.5  # what the shift has changed in H x so far
    return symmetric(departures, innovation + moved)


def combine(weights: Tensor, states: Tensor) -> Tensor:
    """Return new members from the old ones, (steps, E, N, n), by weights (E, N, N), or (E, n, N, N) by variable."""
    return torch.einsum("ekm,semv->sekv" if weights.dim() == 3 else "evkm,semv->sekv", weights, states)


def rotation(members: int, generator: torch.Generator) -> Tensor:
    """A random orthogonal (N, N) that keeps an ensemble's mean and covariance (Sakov and Oke 2008), float64."""
    return turned_basis(members, generator) @ zero_sum_basis(members).T + 1 / members


def turned_basis(members: int, generator: torch.Generator) -> Tensor:
    """The columns (N, N - 1) of `zero_sum_basis`, turned at random, float64."""
    square = torch.randn(members - 1, members - 1, generator=generator, dtype=torch.float64)
    turned, triangle = torch.linalg.qr(square)
    # uniform among all rotations and reflections (Mezzadri 2007)
    return zero_sum_basis(members) @ (turned * triangle.diagonal().sign())


@functools.cache
def zero_sum_basis(members: int) -> Tensor:
    """Return orthonormal columns (N, N - 1), each of which sums to 0."""
    columns = torch.eye(members, dtype=torch.float64)
    columns[:, 0] = 1
    return torch.linalg.qr(columns).Q[:, 1:]


def weights_on_ring(size: int, radius: float, kind: str) -> Tensor:
    """Return the weight (n, n) of each observation at each variable of a ring of unit spacing, by distance; float64.

    "step": 1 within the radius, else 0. "gaspari_cohn": their equation 4.10 (1999) of half width sqrt(10 / 3) radius,
    which is close to a Gaussian whose standard deviation is the radius, and 0 from twice the half width on.
    """
    steps = torch.arange(size, dtype=torch.float64)
    distance = (steps[:, None] - steps).abs()
    distance = torch.minimum(distance, size - distance)
    if kind == "step":
        return (distance <= radius).double()
    r = distance / ((10 / 3) ** 0.5 * radius)
    near = 1 - 5 / 3 * r**2 + 5 / 8 * r**3 + r**4 / 2 - r**5 / 4
    far = 4 - 5 * r + 5 / 3 * r**2 + 5 / 8 * r**3 - r**4 / 2 + r**5 / 12 - 2 / (3 * r.clamp_min(1))
    return torch.where(r <= 1, near, torch.where(r < 2, far, 0.0)).clamp_min(0)


def _identity(like: Tensor, size: int) -> Tensor:
    return torch.eye(size, dtype=like.dtype, device=like.device)


def _solve(products: Tensor, right: Tensor) -> Tensor:
    """(products + I)^-1 right."""
    factor = torch.linalg.cholesky(products + _identity(products, products.shape[-1]))
    return torch.cholesky_solve(right.expand(*products.shape[:-1], right.shape[-1]), factor)
