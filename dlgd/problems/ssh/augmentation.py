"""Mirrored seas (`physics/mirrors.py`): networks learn from four seas where the data have one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from dlgd.core.contract import Augmentation, Batch, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import MapSpec
from dlgd.physics.mirrors import SIGNED, mirror, mirror_maps, reversible


class MirroredSeas(Augmentation):
    """Mirror half of the samples south-north and half of them west-east, independently; those with a temperature
    south-north alone."""

    def __init__(self, *, spec: Spec) -> None:
        if not isinstance(spec, MapSpec):
            raise Refusal(
                f"augmentation=mirrored_seas is for maps of the sea surface, which data={spec.name} does not give: "
                "type data=ssh, or augmentation=none"
            )
        self.groups = spec.input_groups
        if strange := [name for name in self.groups if name not in SIGNED]:
            raise Refusal(
                f"augmentation=mirrored_seas cannot mirror the channels {', '.join(strange)}: type "
                "data.coordinates=false, or augmentation=none"
            )

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch with mirrored samples; they are drawn on the CPU, the same for every device."""
        south_north, west_east = rng.random((2, len(batch))) < 0.5
        batch = _where(south_north, self._mirrored(batch, north=True, west=False), batch)
        if not reversible(self.groups):
            return batch
        return _where(west_east, self._mirrored(batch, north=False, west=True), batch)

    def _mirrored(self, batch: Batch, *, north: bool, west: bool) -> Batch:
        assert batch.observed is not None, "maps of the sea surface come with the cells where they are observed"
        return replace(
            batch,
            input=mirror_maps(batch.input, self.groups, north=north, west=west),
            target=mirror(batch.target, north=north, west=west, signed=True),
            mask=mirror(batch.mask, north=north, west=west, signed=False),
            observed=mirror(batch.observed, north=north, west=west, signed=False),
        )


def _where(drawn: np.ndarray, changed: Batch, batch: Batch) -> Batch:
    """The changed batch in the samples that are drawn, and the batch itself in the others."""
    here = torch.as_tensor(drawn)[:, None, None, None].to(batch.input.device)
    names = ("input", "target", "mask", "observed")
    return replace(batch, **{name: torch.where(here, getattr(changed, name), getattr(batch, name)) for name in names})
