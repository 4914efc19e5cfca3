"""Seas that quasi-geostrophic dynamics cannot tell from the one that they are mirror images of.

With streamfunction psi and potential vorticity q on a beta plane, q_t + J(psi, q) + beta psi_x = 0 stays true when

    y -> -y and psi -> -psi    mirrored south-north, highs become lows (the mean flow stays eastward)
    x -> -x and t -> -t        mirrored west-east, the film runs backward (bottom drag alone breaks this)

(Vallis 2017, Atmospheric and Oceanic Fluid Dynamics, section 5.3, for the equations.) A real sea obeys as far as it is
quasi-geostrophic. Tracks that rise become tracks that sink, and altimeters have as many of either.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dlgd.augmentation.symmetries import SOUTH_NORTH, WEST_EAST
from dlgd.contract import Augmentation, Batch, Spec
from dlgd.settings import Refusal


class MirroredSeas(Augmentation):
    """Half of the samples are mirrored south-north, and half of them west-east, independently."""

    def __init__(self, *, spec: Spec) -> None:
        days = spec.days
        if days == 0:
            raise Refusal(
                f"augmentation=mirrored_seas is for maps of the sea surface, which data={spec.name} does not give: "
                "type data=ssh, or augmentation=none"
            )
        if len(spec.input_channels) != 3 * days + 1:
            raise Refusal("augmentation=mirrored_seas has no place for coordinates: type data.coordinates=false")
        self.days = days

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Drawn on the CPU: the same on every device."""
        south_north, west_east = rng.random((2, len(batch))) < 0.5
        return self._west_east(self._south_north(batch, south_north), west_east)

    def _south_north(self, batch: Batch, drawn: np.ndarray) -> Batch:
        flags = torch.full((self.days + 1,), 1.0)  # and the sea
        sign = torch.cat([torch.full((2 * self.days,), -1.0), flags]).to(batch.input)[:, None, None]
        changed = replace(
            batch,
            input=sign * batch.input.flip(SOUTH_NORTH),
            target=-batch.target.flip(SOUTH_NORTH),
            mask=batch.mask.flip(SOUTH_NORTH),
            observed=batch.observed.flip(SOUTH_NORTH),
        )
        return _where(drawn, changed, batch)

    def _west_east(self, batch: Batch, drawn: np.ndarray) -> Batch:
        def backward(field: Tensor) -> Tensor:
            """Its days, if it has several, in reverse order."""
            return field if field.shape[1] == 1 else field.flip(1)

        *days, sea = batch.input.flip(WEST_EAST).split([self.days, self.days, self.days, 1], dim=1)
        changed = replace(
            batch,
            input=torch.cat([*map(backward, days), sea], dim=1),
            target=backward(batch.target.flip(WEST_EAST)),
            mask=backward(batch.mask.flip(WEST_EAST)),
            observed=backward(batch.observed.flip(WEST_EAST)),
        )
        return _where(drawn, changed, batch)


def _where(drawn: np.ndarray, changed: Batch, batch: Batch) -> Batch:
    """Sample by sample."""
    chosen = torch.as_tensor(drawn)[:, None, None, None].to(batch.input.device)
    names = ("input", "target", "mask", "observed")
    return replace(batch, **{name: torch.where(chosen, getattr(changed, name), getattr(batch, name)) for name in names})
