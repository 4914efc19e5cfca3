"""The temperature of the simulated sea's surface, stirred by its eddies, and how it is seen between clouds.

The temperature is a passive tracer (`dlgd.physics.tracer`) in the upper layer's whole flow: mean shear and eddies. It
returns to a uniform gradient, which stands for what the atmosphere and the mixing below impose, and so looks like that
of a front: meanders, warm and cold eddies, filaments. It is observed at noon, as SSH is, with noise, where no cloud is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.core.constants import SECONDS_PER_DAY
from dlgd.core.options import of_group
from dlgd.physics.qg import TwoLayerFlow
from dlgd.physics.tracer import PassiveTracer
from dlgd.problems.ssh.data.map_samples import SST_ATTRS
from dlgd.problems.ssh.data.region import cell_km

CENTRE = 18.0  # degC, the mean in the middle of the square
STREAM = 4_000  # of random numbers for noise and clouds: satellites take the small ones


@dataclass(frozen=True, kw_only=True)
class SSTOptions:
    """seen: whether the sea has a surface temperature, which networks see.
    gradient: of the temperature that the sea returns to, K per 100 km to the north.
    restoring_days: the time in which it returns to 1/e of a departure.
    noise_std: standard deviation of the white noise of a cell's temperature, K.
    clouds: the share of the cells that clouds hide on average, from 0 to below 1; it changes from day to day.
    cloud_km, cloud_days: the size of clouds and how long they stay: standard deviations of the Gaussian that smooths
        white noise. Clouds are where this field is highest.

    Gradient and time belong to the simulation; noise and clouds come with its observation, by `data.seed`.
    """

    seen: bool = False
    gradient: float = -0.8
    restoring_days: float = 30.0
    noise_std: float = 0.2
    clouds: float = 0.5
    cloud_km: float = 60.0
    cloud_days: float = 1.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> SSTOptions:
        """From data.sst. Refusal of an option that does not exist."""
        return of_group(cls, "data.sst", given)

    def check(self) -> None:
        """Refuse what cannot be simulated, in one sentence each."""
        checks.of_kind("data.sst.seen", self.seen, bool)
        checks.number("data.sst.gradient", self.gradient)
        checks.number("data.sst.noise_std", self.noise_std, least=0)
        checks.number("data.sst.clouds", self.clouds, least=0, below=1, hint="it is a share of the cells")
        for name in ("restoring_days", "cloud_km", "cloud_days"):
            checks.number(f"data.sst.{name}", getattr(self, name), above=0)

    @property
    def simulated(self) -> dict[str, float]:
        """What the temperature without noise and clouds depends on."""
        return {"gradient": self.gradient, "restoring_days": self.restoring_days}

    def observe(self, record: xr.Dataset, seed: int) -> xr.Dataset:
        """The record with `sst` as it is seen: with noise, and NaN below clouds."""
        rng = np.random.default_rng([seed, STREAM])
        truth = record.sst.transpose("time", "lat", "lon")
        lengths = self.cloud_days, *(2 * [self.cloud_km / cell_km(record.lat.values, record.lon.values)])
        seen = truth.values + np.float32(self.noise_std) * rng.standard_normal(truth.shape, dtype=np.float32)
        hidden = clouds(truth.shape, share=self.clouds, lengths=lengths, rng=rng)
        return record.assign(sst=(truth.dims, np.where(hidden, np.float32(np.nan), seen), SST_ATTRS))


def clouds(shape: tuple[int, ...], *, share: float, lengths: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Where clouds are, bool (time, lat, lon): where a smooth Gaussian random field is above its quantile.

    share: of the cells and days, on average. lengths: standard deviations of the Gaussian that smooths, in days and
    cells. The field continues across the sides of the square, as the sea does.
    """
    from scipy.ndimage import gaussian_filter

    if share == 0:
        return np.zeros(shape, bool)
    field = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), lengths, mode="wrap")
    return field > field.std() * NormalDist().inv_cdf(1 - share)


class StirredTemperature:
    """A flow that carries the temperature along. The flow itself is the same, to the last bit."""

    def __init__(self, flow: TwoLayerFlow, options: SSTOptions, *, dissipation: float) -> None:
        """dissipation: the rate of the flow's, 1/s."""
        self.flow, self.gradient = flow, options.gradient / 1e5  # K/m
        restoring = 1 / (options.restoring_days * SECONDS_PER_DAY)
        self.tracer = PassiveTracer(flow, gradient=self.gradient, restoring=restoring, dissipation=dissipation)
        self._theta = flow.spectrum(torch.zeros(flow.cells, flow.cells, dtype=flow.dtype, device=flow.device))
        self._mean = torch.tensor(flow.mean_flow, dtype=flow.dtype, device=flow.device)[0]

    def advance(self, state: Tensor, seconds: float, steps: int) -> Tensor:
        """See `TwoLayerFlow.advance`: steps one by one."""
        before = self._velocity(state)
        for _ in range(steps):
            state = self.flow.advance(state, seconds / steps, 1)
            after = self._velocity(state)
            self._theta = self.tracer.advance(self._theta, before, after, seconds / steps)
            before = after
        return state

    def _velocity(self, state: Tensor) -> Tensor:
        """Of the upper layer, (2, n, n)."""
        u, _, v, _ = self.flow.velocity(state).unbind(-3)
        return torch.stack((u + self._mean, v))

    def map(self, size: float) -> np.ndarray:
        """The temperature now, (n, n) float32 degC, in a square of this size, m."""
        cells = self.flow.cells
        north = size * ((np.arange(cells) + 0.5) / cells - 0.5)
        departure = self.flow.maps(self._theta).cpu().numpy()
        return (CENTRE + self.gradient * north[:, None] + departure).astype(np.float32)
