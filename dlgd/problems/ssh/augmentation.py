"""Mirrored seas (`physics/mirrors.py`): networks learn from four seas where the data have one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from dlgd.core import checks
from dlgd.core.contract import Augmentation, Batch, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import SURFACE, MapSpec
from dlgd.physics.mirrors import SIGNED, mirror, mirror_maps, reversible


class MirroredSeas(Augmentation):
    """Mirror half of the samples south-north and half of them west-east, independently; those with a temperature
    south-north alone.

    west_east: whether to mirror west-east, too, with time running backward. The equations without drag allow it; but
        eddies that grow lean the other way than eddies that decay, and there are not as many of either. South-north,
        mirrored seas are as frequent as others.
    """

    def __init__(self, *, spec: Spec, west_east: bool = True) -> None:  # older runs do not give it
        checks.of_kind("augmentation.west_east", west_east, bool)
        self.west_east = west_east
        self.groups = spec.input_groups
        if not (isinstance(spec, MapSpec) or SURFACE in self.groups):
            raise Refusal(
                f"augmentation=mirrored_seas is for maps of the sea surface, which data={spec.name} does not give: "
                "type data=ssh, or augmentation=none"
            )
        if strange := [name for name in self.groups if name not in SIGNED]:
            raise Refusal(
                f"augmentation=mirrored_seas cannot mirror the channels {', '.join(strange)}: type "
                "data.coordinates=false, or augmentation=none"
            )

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch with mirrored samples; they are drawn on the CPU, the same for every device."""
        south_north, west_east = rng.random((2, len(batch))) < 0.5
        batch = _where(south_north, self._mirrored(batch, north=True, west=False), batch)
        if not (self.west_east and reversible(self.groups)):
            return batch
        return _where(west_east, self._mirrored(batch, north=False, west=True), batch)

    def _mirrored(self, batch: Batch, *, north: bool, west: bool) -> Batch:
        observed = batch.observed  # None where the surface is given as maps
        return replace(
            batch,
            input=mirror_maps(batch.input, self.groups, north=north, west=west),
            target=mirror(batch.target, north=north, west=west, signed=True),
            mask=mirror(batch.mask, north=north, west=west, signed=False),
            observed=None if observed is None else mirror(observed, north=north, west=west, signed=False),
        )


def _where(drawn: np.ndarray, changed: Batch, batch: Batch) -> Batch:
    """The changed batch in the samples that are drawn, and the batch itself in the others."""
    here = torch.as_tensor(drawn)[:, None, None, None].to(batch.input.device)
    names = [name for name in ("input", "target", "mask", "observed") if getattr(batch, name) is not None]
    return replace(batch, **{name: torch.where(here, getattr(changed, name), getattr(batch, name)) for name in names})
