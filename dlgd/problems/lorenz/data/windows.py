"""Windows of a series: their values, the noise of their observations, and the statistics by which they are scaled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dlgd.core.constants import SPLITS


def cut(series: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Return the windows (windows, length, N) of a series (steps, N) that begin at the steps `starts` (windows,)."""
    return series[starts[:, None] + np.arange(length)]


def noise_by_split(
    rng: np.random.RandomState,
    *,
    variance: float,
    of_series: bool,
    series: np.ndarray,
    starts: Mapping[str, np.ndarray],
    length: int,
) -> dict[str, np.ndarray | float]:
    """Return the noise of each split, (windows, length, N).

    With `of_series`, windows that overlap share the noise of the series. Otherwise it is drawn in the order of the
    courses: training and validation together, by variable.
    """
    std, size = np.sqrt(variance), series.shape[1]
    if std == 0:
        return dict.fromkeys(SPLITS, 0.0)
    if of_series:
        noise = std * rng.standard_normal(series.shape)
        return {split: cut(noise, starts[split], length) for split in starts}
    train, valid, test = (len(starts[split]) for split in SPLITS)
    known, unknown = (
        std * rng.standard_normal((count, size, length)).swapaxes(1, 2) for count in (train + valid, test)
    )
    return {"train": known[:train], "valid": known[train:], "test": unknown}


def measured(
    series: np.ndarray, starts: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray], noise: Mapping[str, Any]
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, Any]]:
    """Return series, windows and what noise is left to add, once training and validation have theirs on all steps.

    The noise is that of the series (`noise_by_split`), so that a step is the same in all its windows.
    """
    found, left, noisy = dict(truth), dict(noise), series.copy()
    for split in ("train", "valid"):
        found[split], left[split] = truth[split] + noise[split], 0.0
        noisy[starts[split][:, None] + np.arange(truth[split].shape[1])] = found[split]
    return noisy, found, left


def statistics_of(truth: np.ndarray, names: tuple[str, ...], *, of_each: bool = False) -> dict[str, float]:
    """Return mean and standard deviation of windows (windows, length, N), and the mean of each variable; with of_each,
    its standard deviation too, 1 of a variable that does not change."""
    means = truth.mean(axis=(0, 1))
    found = {"mean": float(truth.mean()), "std": float(truth.std())}
    found |= {f"mean_{name}": float(mean) for name, mean in zip(names, means, strict=True)}
    if of_each:
        stds = truth.std(axis=(0, 1))
        found |= {f"std_{name}": float(std) or 1.0 for name, std in zip(names, stds, strict=True)}
    return found
