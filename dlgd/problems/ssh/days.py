"""Daily maps: their days as numbers, and the days of each split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlgd.core.constants import SPLITS

DAY = np.timedelta64(1, "D")


def day_numbers(time: np.ndarray, days: np.ndarray) -> np.ndarray:
    """The index of the nearest of consecutive days for each moment (n,); both are datetime64."""
    return np.rint((time - days[0]) / DAY).astype(np.int64)


def consecutive(counts: Mapping[str, int], *, gap: int, first: int = 0) -> dict[str, slice]:
    """The days of each split, one split after the other from day `first` on, with `gap` days between them."""
    splits = {}
    for split in SPLITS:
        splits[split] = slice(first, first + counts[split])
        first = splits[split].stop + gap
    return splits
