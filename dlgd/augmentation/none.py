"""No augmentation: the batch as it is."""

from __future__ import annotations

import numpy as np

from dlgd.core.contract import Augmentation, Batch, Spec


class Nothing(Augmentation):
    """augmentation=none, for any data."""

    def __init__(self, *, spec: Spec) -> None:
        """Accept any data."""

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return the same batch."""
        return batch
