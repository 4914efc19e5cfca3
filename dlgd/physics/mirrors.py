"""Mirror images of a sea, which obey the same quasi-geostrophic dynamics.

With streamfunction psi and potential vorticity q on a beta plane, q_t + J(psi, q) + beta psi_x = 0 stays true when

    y -> -y and psi -> -psi    mirrored south-north, highs become lows (the mean flow stays eastward)
    x -> -x and t -> -t        mirrored west-east, the film runs backward (bottom drag alone breaks this)

A temperature that the flow stirs about a mean gradient to the north goes with the first mirror image if it changes its
sign as psi does: the gradient stays. It has no part in the second one, since what has been stirred and mixed does not
come back: in the film run backward heat would flow from cold to warm. So a sea with a temperature is mirrored
south-north alone.

(Vallis 2017, Atmospheric and Oceanic Fluid Dynamics, section 5.3, for the equations.) This holds for a real sea as far
as it is quasi-geostrophic, and for all its layers at once. Ascending tracks become descending ones, and altimeters have
as many of either.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from dlgd.core.specs import FIRST_GUESS, OBSERVATIONS, OBSERVED, SEA, SST, SST_KNOWN, SURFACE

# The groups of channels of maps that can be mirrored, and whether they change their sign with the streamfunction.
SIGNED = {
    FIRST_GUESS: True, OBSERVATIONS: True, OBSERVED: False, SEA: False, SST: True, SST_KNOWN: False, SURFACE: True
}  # fmt: skip


def reversible(groups: Iterable[str]) -> bool:
    """Whether a sea with these groups of channels may be mirrored west-east, too."""
    return SST not in groups


def images(groups: Iterable[str]) -> list[tuple[bool, bool]]:
    """(north, west) of the mirror images of a sea with these groups of channels, itself the first."""
    return list(itertools.product((False, True), (False, True) if reversible(groups) else (False,)))


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
