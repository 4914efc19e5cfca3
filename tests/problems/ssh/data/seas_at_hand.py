"""Small records of sea surface height, data sets of them, and their tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr

from dlgd.core.contract import Batch
from dlgd.problems.ssh.data.observing import Observing
from dlgd.problems.ssh.data.options import MapOptions
from dlgd.problems.ssh.data.source import SSHSource
from dlgd.problems.ssh.data.tiny import random_sea
from dlgd.problems.ssh.days import consecutive

COUNTS, GAP, MARGIN, DAYS = {"train": 30, "valid": 6, "test": 8}, 9, 5, 5
NO_SWATH_ERRORS = {"roll": 0.0, "baseline": 0.0, "length_km": 1000.0}
OPTIONS = {
    "name": "small",
    "days": DAYS,
    "predict": "all",
    "patch": 12,
    "coordinates": False,
    "first_guess": {"km": 40.0, "days": 2.0},
    "resample_observations": False,
    "dropped": 0.0,
    "margin": MARGIN,
    "tile": None,
}
OBSERVING = {
    "satellites": "four_nadirs",
    "noise_std": 0.02,
    "swath_errors": NO_SWATH_ERRORS,
    "held_out": None,
    "seed": 0,
}


def observing(**changes: Any) -> Observing:
    return Observing(**(OBSERVING | changes))


def record(*, land: bool = True, days: int = 62, **changes: Any) -> xr.Dataset:
    """Maps of 20 x 24 cells."""
    return observing(**changes).observe(random_sea(days=days, shape=(20, 24), land=land, seed=1))


class Small(SSHSource):
    """Of a record at hand."""

    def __init__(self, sea: xr.Dataset, **changes: Any) -> None:
        super().__init__(MapOptions(**(OPTIONS | OBSERVING | changes)))
        self.sea, self.counts, self.gap = sea, COUNTS, GAP

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sea.ssh.shape[1:]

    def _record(self) -> xr.Dataset:
        return self.sea

    def _splits(self, time: np.ndarray) -> dict[str, slice]:
        return consecutive(self.counts, gap=self.gap)

    def tiny(self) -> Small:
        return self


HALF = DAYS // 2
SEA = record()


def small(**changes) -> Small:
    source = Small(SEA, **changes)
    source.prepare()
    return source


def encoded(source: Small, samples: xr.Dataset, halo: int = 0) -> Batch:
    batches = list(source.encode(samples, halo=halo, device="cpu"))
    return Batch(
        *(torch.cat([getattr(batch, key) for batch in batches]) for key in ("input", "target", "mask", "observed"))
    )


def channels(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """First guesses, observations, flags (B, T, Y, X) and the others."""
    return batch.input.split([DAYS, DAYS, DAYS, batch.input.shape[1] - 3 * DAYS], dim=1)


def scaled(values: np.ndarray, source: Small) -> np.ndarray:
    return (values - source.statistics["mean"]) / source.statistics["std"]
