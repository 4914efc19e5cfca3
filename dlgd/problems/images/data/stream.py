"""Training batches of whole pictures, which stay on the device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dlgd.core.contract import Batch, Stream
from dlgd.core.errors import Refusal

ORDER, CHANGES = range(2)  # keep the two kinds of draws of one seed apart

Make = Callable[[Tensor, Tensor, torch.Generator], Batch]


class ImageStream(Stream):
    """Every picture once in an epoch, in an order that depends on the seed and the epoch; the pictures that are left
    over at its end, too few for a batch, are dropped.

    images: (N, 1, Y, X) float and labels: (N,) int64, both on the device. make: the batch of chosen images (B, 1, Y, X)
    and labels (B,); it draws from the generator, which is set anew for each step, if `draws`.
    """

    def __init__(self, *, images: Tensor, labels: Tensor, make: Make, draws: bool, batch_size: int, seed: int) -> None:
        if batch_size > len(images):
            raise Refusal(
                f"training.batch_size={batch_size} is more than the {len(images)} training samples: choose less"
            )
        self.images, self.labels, self.make, self.draws = images, labels, make, draws
        self.batch_size, self.seed = batch_size, seed
        self.steps_per_epoch = len(images) // batch_size
        self._generator = torch.Generator(images.device)
        self._epoch, self._order = -1, torch.empty(0)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._order_of(epoch)
        chosen = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        if self.draws:
            self._generator.manual_seed(self._number(CHANGES, step))
        return self.make(self.images.index_select(0, chosen), self.labels.index_select(0, chosen), self._generator)

    def _order_of(self, epoch: int) -> Tensor:
        """Return the order of an epoch; it is drawn on the CPU, so that it is the same on every device."""
        generator = torch.Generator().manual_seed(self._number(ORDER, epoch))
        return torch.randperm(len(self.images), generator=generator).to(self.images.device)

    def _number(self, kind: int, number: int) -> int:
        """Return a seed that is independent of those of other steps, epochs and seeds."""
        return int(np.random.SeedSequence((kind, self.seed, number)).generate_state(1, np.uint64)[0])
