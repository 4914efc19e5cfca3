"""Correlations of the sea surface height between places and times, for optimal interpolation.

Coordinates are in correlation lengths: a point is (t / Lt, y / Ly, x / Lx). For two points at the distance rho in space
and tau in time,

    gaussian:  C = exp(-rho^2 - tau^2), without the factor 1/2, as in the SSH mapping data challenge 2020a
    matern:    C = m(rho) m(tau), where m is the function of degree 1/2, 3/2 or 5/2 (Rasmussen and Williams 2006,
               Gaussian Processes for Machine Learning, equation 4.17)

All of them are separable: a function of space times the same function of time. The Gaussian is also separable in its
directions; the Matern functions are isotropic in space where lengths are measured in Lx and Ly.
"""

from __future__ import annotations

import torch
from torch import Tensor

COVARIANCES = ("gaussian", "matern12", "matern32", "matern52")


def correlation(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """Between points a (..., n, 3) and b (..., m, 3), each (t, y, x) in correlation lengths: (..., n, m)."""
    if kind == "gaussian":
        return _gaussian(a, b)
    return in_time(kind, a[..., 0], b[..., 0]).mul_(in_space(kind, a[..., 1:], b[..., 1:]))


def in_space(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """The factor of space, between points a (..., n, 2) and b (..., m, 2): (..., n, m)."""
    if kind == "gaussian":
        return _gaussian(a, b)
    # by differences: products lose half of the digits of short distances
    return matern(kind, torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist"))


def in_time(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """The factor of time, between a (..., n) and b (..., m): (..., n, m)."""
    distance = (a[..., :, None] - b[..., None, :]).abs_()
    return torch.exp(-(distance**2)) if kind == "gaussian" else matern(kind, distance)


def matern(kind: str, distance: Tensor) -> Tensor:
    """The Matern function of this kind at distances in correlation lengths."""
    if kind == "matern12":
        return torch.exp(-distance)
    if kind == "matern32":
        scaled = 3**0.5 * distance
        return (1 + scaled) * torch.exp(-scaled)
    scaled = 5**0.5 * distance
    return (1 + scaled + scaled**2 / 3) * torch.exp(-scaled)


def _gaussian(a: Tensor, b: Tensor) -> Tensor:
    """exp(-|a - b|^2), whose exponent 2 a b - |a|^2 - |b|^2 is one product of matrices. It is exact to rounding where
    coordinates are a few correlation lengths."""
    left = torch.cat((2 * a, -(a**2).sum(-1, keepdim=True), torch.ones_like(a[..., :1])), -1)
    right = torch.cat((b, torch.ones_like(b[..., :1]), -(b**2).sum(-1, keepdim=True)), -1)
    return (left @ right.mT).exp_()
