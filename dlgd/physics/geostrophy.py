"""Geostrophic velocity and relative vorticity of sea surface height, on the sphere.

Fields are (..., lat, lon), NumPy arrays or tensors (through which gradients pass); lat and lon are NumPy arrays in
degrees, ascending. A result is NaN on and beside NaN (land), along the boundary of the grid, and near the equator.
With height eta, latitude phi, longitude lambda, Earth's radius R and f = 2 Omega sin(phi) (Gill 1982, Atmosphere-Ocean
Dynamics, sections 4.12 and 7.6):

    u = -g / (f R) d eta / d phi,    v = g / (f R cos(phi)) d eta / d lambda,
    zeta = (d v / d lambda - d (u cos(phi)) / d phi) / (R cos(phi)).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from dlgd.core.constants import EARTH_RADIUS_M, EARTH_RATE, GRAVITY
from dlgd.core.errors import Refusal

EQUATOR = 3.0  # degrees: nearer to the equator f is too small for the balance to hold
CORNERS = 3  # cells in each direction, without which there is no derivative

Field = TypeVar("Field", np.ndarray, Tensor)


def coriolis(lat: np.ndarray) -> np.ndarray:
    """f in 1/s at latitudes in degrees, NaN within EQUATOR of the equator."""
    return np.where(np.abs(lat) < EQUATOR, np.nan, 2 * EARTH_RATE * np.sin(np.deg2rad(lat)))


def velocity(ssh: Field, *, lat: np.ndarray, lon: np.ndarray) -> tuple[Field, Field]:
    """Height (..., Y, X) in m -> eastward and northward velocity (..., Y, X) in m/s, by centred differences."""
    _check(ssh, lat, lon)
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    scale = GRAVITY / (coriolis(lat) * EARTH_RADIUS_M)
    north = scale[1:-1] / (phi[2:] - phi[:-2])
    east = (scale / np.cos(phi))[1:-1, None] / (lam[2:] - lam[:-2])
    u = _times(ssh[..., :-2, 1:-1] - ssh[..., 2:, 1:-1], north[:, None])
    v = _times(ssh[..., 1:-1, 2:] - ssh[..., 1:-1, :-2], east)
    nowhere = 0 * ssh[..., 1:-1, 1:-1]  # NaN on land: an islet's neighbours would give it a velocity
    return _with_boundary(u + nowhere), _with_boundary(v + nowhere)


def vorticity(ssh: Field, *, lat: np.ndarray, lon: np.ndarray) -> Field:
    """Height (..., Y, X) in m -> relative vorticity over f, (..., Y, X), without unit.

    From velocities half-way between the cells, so that only a cell and its four neighbours count.
    """
    _check(ssh, lat, lon)
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    middle = (lat[1:] + lat[:-1]) / 2
    scale = GRAVITY / EARTH_RADIUS_M
    north = scale * np.cos(np.deg2rad(middle)) / (coriolis(middle) * np.diff(phi))  # of u cos(phi), less the sign
    east = (scale / (coriolis(lat) * np.cos(phi)))[1:-1, None] / np.diff(lam)
    u = _times(ssh[..., :-1, 1:-1] - ssh[..., 1:, 1:-1], north[:, None])
    v = _times(ssh[..., 1:-1, 1:] - ssh[..., 1:-1, :-1], east)
    over = coriolis(lat)[1:-1] * EARTH_RADIUS_M * np.cos(phi)[1:-1]
    width, height = (lam[2:] - lam[:-2]) / 2, (phi[2:] - phi[:-2]) / 2
    turning = _times(v[..., 1:] - v[..., :-1], 1 / (over[:, None] * width))
    return _with_boundary(turning - _times(u[..., 1:, :] - u[..., :-1, :], (1 / (over * height))[:, None]))


def _check(ssh: Field, lat: np.ndarray, lon: np.ndarray) -> None:
    if tuple(ssh.shape[-2:]) != (len(lat), len(lon)) or min(len(lat), len(lon)) < CORNERS:
        raise Refusal(
            f"A velocity needs ssh (..., lat, lon) of {CORNERS} x {CORNERS} cells or more, not of shape "
            f"{tuple(ssh.shape)} with {len(lat)} latitudes and {len(lon)} longitudes."
        )


def _times(field: Field, factor: np.ndarray) -> Field:
    """The product, with the field's own kind, precision and device."""
    if isinstance(field, Tensor):
        return field * torch.as_tensor(factor, dtype=field.dtype, device=field.device)
    return field * factor.astype(field.dtype)


def _with_boundary(field: Field) -> Field:
    """(..., Y - 2, X - 2) -> (..., Y, X), NaN around."""
    if isinstance(field, Tensor):
        return torch.nn.functional.pad(field, (1, 1, 1, 1), value=torch.nan)
    return np.pad(field, [(0, 0)] * (field.ndim - 2) + [(1, 1), (1, 1)], constant_values=np.nan)
