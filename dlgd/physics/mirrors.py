"""Mirror images of a sea, which obey the same quasi-geostrophic dynamics.

With streamfunction psi and potential vorticity q on a beta plane, q_t + J(psi, q) + beta psi_x = 0 stays true when

    y -> -y and psi -> -psi    mirrored south-north, highs become lows (the mean flow stays eastward)
    x -> -x and t -> -t        mirrored west-east, the film runs backward (bottom drag alone breaks this)

(Vallis 2017, Atmospheric and Oceanic Fluid Dynamics, section 5.3, for the equations.) This holds for a real sea as far
as it is quasi-geostrophic, and for all its layers at once. Ascending tracks become descending ones, and altimeters have
as many of either.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dlgd.core.specs import FIRST_GUESS, OBSERVATIONS, OBSERVED, SEA, SURFACE

# The groups of channels of maps that can be mirrored, and whether they change their sign with the streamfunction.
SIGNED = {FIRST_GUESS: True, OBSERVATIONS: True, OBSERVED: False, SEA: False, SURFACE: True}


def mirror(field: Tensor, *, north: bool, west: bool, signed: bool) -> Tensor:
    """Return a field (B, days, Y, X) mirrored south-north, west-east, or both. Mirrored twice, it is the field again.

    signed: whether it changes its sign with psi, as heights do; a flag or a standard deviation does not.
    """
    if north:
        field = -field.flip(-2) if signed else field.flip(-2)
    return field.flip(1, -1) if west else field


def mirror_maps(maps: Tensor, groups: Mapping[str, slice], *, north: bool, west: bool) -> Tensor:
    """Return maps (B, C, Y, X) mirrored; `groups` gives the channels of some groups of SIGNED, in their order."""
    parts = [(maps[:, channels], SIGNED[name]) for name, channels in groups.items()]
    return torch.cat([mirror(part, north=north, west=west, signed=signed) for part, signed in parts], dim=1)
