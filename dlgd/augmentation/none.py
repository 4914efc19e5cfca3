"""No augmentation: the batch as it is."""

from __future__ import annotations

import numpy as np

from dlgd.contract import Augmentation, Batch


class Nothing(Augmentation):
    """augmentation=none."""

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The same batch."""
        return batch
