"""Daily maps: their days as numbers, and the days of each split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal

DAY = np.timedelta64(1, "D")


def day_numbers(time: np.ndarray, days: np.ndarray) -> np.ndarray:
    """The index of the nearest of consecutive days for each moment (n,); both are datetime64."""
    return np.rint((time - days[0]) / DAY).astype(np.int64)


def axis(samples: xr.Dataset) -> np.ndarray:
    """Consecutive days (n,) from the first day of the samples or their observations to the last."""
    known = np.concatenate([samples.time.values, samples.day.values]).astype("datetime64[D]")
    return np.arange(known.min(), known.max() + 1)


def places(time: np.ndarray, days: np.ndarray) -> np.ndarray:
    """The place of each moment's day in the axis of days: (n,) int64."""
    return (time.astype("datetime64[D]") - days[0]).astype(np.int64)


def of_year(days: np.ndarray) -> np.ndarray:
    """Days since 1 January of the year of each day, float64."""
    return (days - days.astype("datetime64[Y]").astype(days.dtype)).astype(float)


def consecutive(counts: Mapping[str, int], *, gap: int, first: int = 0) -> dict[str, slice]:
    """The days of each split, one split after the other from day `first` on, with `gap` days between them."""
    splits = {}
    for split in SPLITS:
        splits[split] = slice(first, first + counts[split])
        first = splits[split].stop + gap
    return splits


def check_splits(splits: Mapping[str, slice], name: str, *, reach: int, days: int) -> None:
    """Refuse splits so near to one another that windows of one would use observations of another.

    name: of the data set. reach: days around a split whose observations are used. days: of a window.
    """
    end = None
    for split in sorted(splits, key=lambda split: splits[split].start):  # of files, in any order
        chosen = splits[split]
        if chosen.stop - chosen.start < 1:
            raise Refusal(f"the {split} split of data={name} has no day: give it at least one")
        if end is not None and chosen.start - end < reach:
            raise Refusal(
                f"the {split} split begins {chosen.start - end} days after the end of the one before, but observations "
                f"are used {reach} days around: leave as many between, or choose a smaller data.margin"
            )
        end = chosen.stop
    train = splits["train"]
    if train.stop - train.start < days:
        raise Refusal(f"data.days={days} is more than the {train.stop - train.start} days of the training split")
