"""The losses of the last steps, summed where they were computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NoReturn

import torch
from torch import Tensor

from dlgd.core.errors import Refusal


class NonFinite(Refusal):
    """A number that training cannot go on from: infinite, or not a number."""


class RunningLoss:
    """Means over the steps since the last reading, and a watch for the first loss that is not finite.

    On a GPU the numbers stay there until they are read, because fetching one makes the program wait for
    all work queued before it. There a bad loss is noticed at the next `check`; on the CPU, at once.

    device: where the losses are computed. batches_per_step: batches of an optimizer step, to name the bad step.
    """

    def __init__(self, *, device: torch.device, batches_per_step: int) -> None:
        self.at_once = device.type == "cpu"
        self.batches_per_step = batches_per_step
        self.first_bad = torch.full((), -1, dtype=torch.int64, device=device)  # batch number; -1 is none
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, *, player: str, total: Tensor, terms: Mapping[str, Tensor], batch: int) -> None:
        """Count a player's loss on one batch. Raises NonFinite, on the CPU."""
        if self.at_once:
            if not math.isfinite(total.item()):
                self._refuse(batch)
        else:
            bad = ~torch.isfinite(total.detach())
            self.first_bad = torch.where((self.first_bad < 0) & bad, batch, self.first_bad)
        prefix = "train/" if player == "network" else f"train/{player}/"
        for name, value in {"loss": total, **terms}.items():
            key = prefix + name
            value = value.detach().float()
            self.sums[key] = self.sums[key] + value if key in self.sums else value
            self.counts[key] = self.counts.get(key, 0) + 1

    def check(self) -> None:
        """Raise NonFinite if any loss so far was not finite. Waits for the device."""
        batch = int(self.first_bad)
        if batch >= 0:
            self._refuse(batch)

    def _refuse(self, batch: int) -> NoReturn:
        step = batch // self.batches_per_step
        raise NonFinite(
            f"The loss is not finite at step {step} (batch {batch} of the training data): training stopped, and "
            "the checkpoints written before are kept; try a smaller optimizer.lr or a training.clip_norm."
        )

    def read(self) -> dict[str, float]:
        """Return means by name, such as train/loss or train/generator/loss, and start anew. Waits for the device."""
        self.check()
        means = {key: float(value) / self.counts[key] for key, value in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def unread(self) -> dict[str, list[float]]:
        """Return [sum, number of batches] by name of what `read` would return the mean of. Waits for the device."""
        return {key: [float(value), self.counts[key]] for key, value in self.sums.items()}

    def restore(self, unread: Mapping[str, Sequence[float]]) -> None:
        """Continue from what another one's `unread` returned."""
        device = self.first_bad.device
        self.sums = {key: torch.tensor(total, dtype=torch.float32, device=device) for key, (total, _) in unread.items()}
        self.counts = {key: int(count) for key, (_, count) in unread.items()}
