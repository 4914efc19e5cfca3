"""Training batches of windows of a series that stays on the device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dlgd.core.contract import Batch, Stream
from dlgd.core.errors import Refusal

ORDER, NOISE = range(2)  # keep the two kinds of draws of one seed apart

Make = Callable[[Tensor, Tensor, torch.Generator], Batch]


class SequenceStream(Stream):
    """Every window once in an epoch, in an order that depends on the seed and the epoch.

    The windows that are left over at its end, too few for a batch, are dropped.

    series: (steps, N), on the device. starts: (windows,), int64, the step at which each window begins, on the device.
    length: number of steps of a window. make: a function that makes the batch of the chosen windows from their numbers
    (B,), their values (B, length, N), and the generator of the step, from which it may draw.
    """

    def __init__(self, *, series: Tensor, starts: Tensor, length: int, make: Make, batch_size: int, seed: int) -> None:
        if batch_size > len(starts):
            raise Refusal(
                f"training.batch_size={batch_size} is more than the {len(starts)} training samples: choose less"
            )
        self.series, self.starts, self.make = series, starts, make
        self.batch_size, self.seed = batch_size, seed
        self.steps_per_epoch = len(starts) // batch_size
        self._within = torch.arange(length, device=series.device)
        self._generator = torch.Generator(series.device)
        self._epoch, self._order = -1, torch.empty(0)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._order_of(epoch)
        numbers = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        steps = self.starts.index_select(0, numbers)[:, None] + self._within
        windows = self.series.index_select(0, steps.flatten()).unflatten(0, steps.shape)
        return self.make(numbers, windows, self._generator.manual_seed(self._number(NOISE, step)))

    def _order_of(self, epoch: int) -> Tensor:
        """Return the order of an epoch; it is drawn on the CPU, so that it is the same on every device."""
        generator = torch.Generator().manual_seed(self._number(ORDER, epoch))
        return torch.randperm(len(self.starts), generator=generator).to(self.starts.device)

    def _number(self, kind: int, number: int) -> int:
        """Return a seed that is independent of those of other steps, epochs and seeds."""
        return int(np.random.SeedSequence((kind, self.seed, number)).generate_state(1, np.uint64)[0])
