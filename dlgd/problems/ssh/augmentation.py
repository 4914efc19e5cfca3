"""Mirrored seas (`physics/mirrors.py`), to learn from four seas where the data have one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from dlgd.core.contract import Augmentation, Batch, Spec
from dlgd.core.errors import Refusal
from dlgd.physics.mirrors import mirror, mirror_maps


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
        batch = _where(south_north, self._mirrored(batch, north=True, west=False), batch)
        return _where(west_east, self._mirrored(batch, north=False, west=True), batch)

    def _mirrored(self, batch: Batch, *, north: bool, west: bool) -> Batch:
        return replace(
            batch,
            input=mirror_maps(batch.input, self.days, north=north, west=west),
            target=mirror(batch.target, north=north, west=west, signed=True),
            mask=mirror(batch.mask, north=north, west=west, signed=False),
            observed=mirror(batch.observed, north=north, west=west, signed=False),
        )


def _where(drawn: np.ndarray, changed: Batch, batch: Batch) -> Batch:
    """Sample by sample."""
    chosen = torch.as_tensor(drawn)[:, None, None, None].to(batch.input.device)
    names = ("input", "target", "mask", "observed")
    return replace(batch, **{name: torch.where(chosen, getattr(changed, name), getattr(batch, name)) for name in names})
