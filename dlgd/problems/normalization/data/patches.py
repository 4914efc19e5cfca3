"""Training patches with context, cut at random from padded fields that stay on the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dlgd.core.contract import Batch, Stream


class PatchStream(Stream):
    """Square patches around random cells; the batch of a step depends on the seed and the step alone.

    input_NCYX: the input, with `halo` cells around; target_NCYX and mask_NCYX have none. Volumes have levels before Y.
    weight_LYX: each cell's probability to be drawn, not normalized. L is 1, or the number of levels of which the N
        fields are: all samples of the first one, then those of the next.
    patch: cells on each side of a patch. periodic: whether a patch may lie across the east side.
    """

    def __init__(
        self,
        *,
        input_NCYX: Tensor,
        target_NCYX: Tensor,
        mask_NCYX: Tensor,
        weight_LYX: np.ndarray,
        halo: int,
        patch: int,
        batch_size: int,
        periodic: bool,
        seed: int,
    ) -> None:
        self.halo, self.patch, self.batch_size, self.periodic, self.seed = halo, patch, batch_size, periodic, seed
        self.count, (self.ny, self.nx) = len(target_NCYX), target_NCYX.shape[-2:]
        if periodic:  # appended, so that patches may cross the east side
            beyond = slice(2 * halo, 2 * halo + patch)
            input_NCYX = torch.cat([input_NCYX, input_NCYX[..., beyond]], dim=-1)
            target_NCYX = torch.cat([target_NCYX, target_NCYX[..., :patch]], dim=-1)
            mask_NCYX = torch.cat([mask_NCYX, mask_NCYX[..., :patch]], dim=-1)
        self.input, self.target, self.mask = input_NCYX, target_NCYX, mask_NCYX
        self.samples = self.count // len(weight_LYX)  # of each level
        self._chance = np.cumsum(weight_LYX.ravel()) / weight_LYX.sum()
        self.steps_per_epoch = max(1, round(self.cells / (patch**2 * batch_size)))

    @property
    def cells(self) -> int:
        """Cells of all samples."""
        return self.count * self.ny * self.nx

    def batch(self, step: int) -> Batch:
        """The batch of a step: patches of random samples, with the drawn cell at a random place in each."""
        return self.patches(self.batch_size, np.random.default_rng([self.seed, step]))

    def patches(self, size: int, rng: np.random.Generator) -> Batch:
        """So many patches."""
        sample = rng.integers(self.samples, size=size)
        rows, x = np.divmod(np.searchsorted(self._chance, rng.random(size), side="right"), self.nx)
        level, y = np.divmod(rows, self.ny)
        number = level * self.samples + sample
        top = np.clip(y - rng.integers(self.patch, size=size), 0, self.ny - self.patch)
        left = x - rng.integers(self.patch, size=size)
        left = left % self.nx if self.periodic else np.clip(left, 0, self.nx - self.patch)

        def cut(field_NCYX: Tensor, size: int) -> Tensor:
            corners = zip(number, top, left, strict=True)
            return torch.stack([field_NCYX[n, ..., y : y + size, x : x + size] for n, y, x in corners])

        return Batch(
            input=cut(self.input, self.patch + 2 * self.halo),
            target=cut(self.target, self.patch),
            mask=cut(self.mask, self.patch),
        )


class MixedStream(Stream):
    """Batches whose patches come from several grids, as often as these have cells; on average, since they are drawn."""

    def __init__(self, streams: Sequence[PatchStream]) -> None:
        first = streams[0]
        self.streams, self.batch_size, self.seed = tuple(streams), first.batch_size, first.seed
        cells = np.array([stream.cells for stream in streams])
        self._shares = cells / cells.sum()
        self.steps_per_epoch = max(1, round(cells.sum() / (first.patch**2 * first.batch_size)))

    def batch(self, step: int) -> Batch:
        """The batch of a step, which depends on the seed and the step alone."""
        rng = np.random.default_rng([self.seed, step])
        sizes = rng.multinomial(self.batch_size, self._shares)
        parts = [stream.patches(size, rng) for stream, size in zip(self.streams, sizes, strict=True) if size]
        return Batch(
            input=torch.cat([part.input for part in parts]),
            target=torch.cat([part.target for part in parts]),
            mask=torch.cat([part.mask for part in parts]),
        )
