"""Windows of days of maps of a periodic square, as tensors, and training batches of them."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core.contract import Batch, Stream


def places(samples: xr.Dataset) -> np.ndarray:
    """The place of each sample's day among the days of the maps, (sample,) int64."""
    return (samples.time.values.astype("datetime64[D]") - samples.day.values[0].astype("datetime64[D]")).astype(int)


def resampled(maps: np.ndarray, cells: int) -> np.ndarray:
    """Maps (..., n, n) of a periodic square at `cells` x `cells` points of it, the first one in its place: the same
    waves but for those too short for these points."""
    n = maps.shape[-1]
    if n == cells:
        return maps
    kept = (min(n, cells) - 1) // 2  # the shortest wave of an even number of points has no direction
    waves, found = np.fft.rfft2(maps), np.zeros((*maps.shape[:-2], cells, cells // 2 + 1), complex)
    rows = np.arange(-kept, kept + 1)
    found[..., rows, : kept + 1] = waves[..., rows, : kept + 1]
    return np.fft.irfft2(found * (cells / n) ** 2, s=(cells, cells)).astype(maps.dtype)


class PeriodicWindows:
    """Cuts batches out of scaled maps (day, y, x) of a periodic square.

    lower: (sample, y, x), or None where it is not known. guess: (sample, y, x), or None for no such channel.
    centres: (sample,) int64, the places of their days. days: of a window. halo: cells around the input, which are those
        of the other side.
    """

    def __init__(
        self,
        surface: Tensor,
        lower: Tensor | None,
        guess: Tensor | None,
        *,
        centres: Tensor,
        days: int,
        halo: int,
    ) -> None:
        (_, ny, nx), device = surface.shape, surface.device
        self.surface, self.lower, self.guess, self.centres = surface, lower, guess, centres
        self._offsets = torch.arange(days, device=device) - days // 2
        self._rows = (torch.arange(-halo, ny + halo, device=device) % ny)[:, None]
        self._columns = torch.arange(-halo, nx + halo, device=device) % nx

    def batch(self, sample: Tensor) -> Batch:
        """The windows of samples (B,)."""
        days = (self.centres[sample][:, None] + self._offsets)[:, :, None, None]
        ny, nx = self.surface.shape[1:]
        target = self.surface.new_zeros(len(sample), 1, ny, nx) if self.lower is None else self.lower[sample][:, None]
        known = torch.full_like(target, self.lower is not None, dtype=torch.bool)
        seen = self.surface[days, self._rows, self._columns]
        if self.guess is not None:
            around = self.guess[sample[:, None, None, None], self._rows, self._columns]
            seen = torch.cat([seen, around], dim=1)
        return Batch(input=seen, target=target, mask=known)


class PeriodicStream(Stream):
    """Windows around days drawn at random; the batch of a step depends on the seed and the step alone."""

    def __init__(self, windows: PeriodicWindows, *, batch_size: int, seed: int) -> None:
        self.windows, self.batch_size, self.seed = windows, batch_size, seed
        self.steps_per_epoch = max(1, round(len(windows.centres) / batch_size))

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        drawn = np.random.default_rng((self.seed, step)).integers(len(self.windows.centres), size=self.batch_size)
        return self.windows.batch(torch.from_numpy(drawn).to(self.windows.centres.device))
