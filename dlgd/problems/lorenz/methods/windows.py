"""The input of methods of assimilation: observations of windows of a known system, and the background."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import Dynamics, say_substeps
from dlgd.physics.systems import dynamics_of

LEAST_NOISE = 1e-4  # variance that observations without noise are taken to have, in squared units of the state


@dataclass(frozen=True)
class Windows:
    """Observations of B windows (or repeated experiments) at T steps of the n variables themselves, float64."""

    dynamics: Dynamics
    dt: float
    noise_variance: float  # of the observations
    values: Tensor  # (B, T, n), 0 where nothing is observed
    observed: Tensor  # bool, (B, T, n)

    @property
    def precision(self) -> Tensor:
        """(B, T, n): one over the noise's variance, 0 where nothing is observed."""
        return self.observed.to(self.values) / self.noise_variance

    def take(self, rows: Tensor | slice) -> Windows:
        """Return some of the windows."""
        return replace(self, values=self.values[rows], observed=self.observed[rows])

    def until(self, end: int) -> Windows:
        """Return their first steps."""
        return replace(self, values=self.values[:, :end], observed=self.observed[:, :end])

    def only(self, step: int, begin: int) -> Windows:
        """Return their steps from `begin` to `step`, of which only the last is observed."""
        values, observed = self.values[:, begin : step + 1], self.observed[:, begin : step + 1].clone()
        observed[:, :-1] = False
        return replace(self, values=values, observed=observed)

    def chunks(self, numbers: int) -> Iterator[Windows]:
        """Yield groups of windows in order, of about `numbers` values each."""
        count = max(1, numbers // self.values[0].numel())
        yield from (self.take(slice(n, n + count)) for n in range(0, len(self.values), count))


def windows_of(samples: xr.Dataset, device: str = "cpu") -> Windows:
    """Return the observations of the samples; refuses samples of other tasks than assimilation."""
    refuse_other_tasks(samples)
    values = torch.from_numpy(samples.observations.values.astype(np.float64)).to(device)
    observed = ~torch.isnan(values)
    noise = max(float(samples.attrs["noise_variance"]), LEAST_NOISE)
    dynamics, dt = dynamics_of(samples.attrs), float(samples.attrs["dt"])
    say_substeps("the method", dynamics, dt)
    return Windows(
        dynamics=dynamics,
        dt=dt,
        noise_variance=noise,
        values=torch.where(observed, values, 0.0),
        observed=observed,
    )


def refuse_other_tasks(samples: xr.Dataset) -> None:
    """Refuse samples of other tasks than assimilation."""
    if samples.attrs.get("task") != "assimilate":
        name, task = samples.attrs.get("name", "..."), samples.attrs.get("task")
        asked = f"data={name}" if task is None else f"data={name} data.task={task}"
        raise Refusal(
            f"This baseline estimates states from observations, which {asked} does not ask for: type data=lorenz63 or "
            "data=lorenz96 with data.task=assimilate"
        )


@dataclass(frozen=True)
class Background:
    """The Gaussian distribution of the state at a window's first step, before its observations."""

    mean: Tensor  # (n,), or (B, n) where each window has its own
    covariance: Tensor  # (n, n)

    @classmethod
    def of_samples(cls, samples: xr.Dataset) -> Background | None:
        """Return that of the initial state, where the samples hold it."""
        if "background_mean" not in samples.attrs:
            return None
        mean = torch.from_numpy(np.atleast_1d(np.asarray(samples.attrs["background_mean"], dtype=np.float64)))
        return cls(mean, float(samples.attrs["background_variance"]) * torch.eye(len(mean), dtype=torch.float64))

    @classmethod
    def learnt(cls, train: xr.Dataset) -> Background:
        """Return the climate: mean and covariance of all states of the training split."""
        states = states_of(train)
        return cls(states.mean(0), torch.cov(states.T))

    @functools.cached_property
    def precision(self) -> Tensor:
        """(n, n): the inverse of the covariance."""
        return torch.linalg.inv(self.covariance)

    def take(self, rows: Tensor) -> Background:
        """Return that of some of the windows."""
        return replace(self, mean=self.mean[rows]) if self.mean.dim() > 1 else self

    def draw(self, count: int, members: int, generator: torch.Generator) -> Tensor:
        """Return random states (count, members, n)."""
        drawn = torch.randn(count, members, len(self.mean), generator=generator, dtype=self.mean.dtype)
        return self.mean + drawn.to(self.mean) @ torch.linalg.cholesky(self.covariance).T

    def to(self, like: Tensor) -> Background:
        """Return itself on the device of another tensor."""
        return Background(self.mean.to(like), self.covariance.to(like))


def states_of(train: xr.Dataset) -> Tensor:
    """All states of the training split, (number, n), float64; refuses samples of other tasks than assimilation."""
    refuse_other_tasks(train)
    return torch.from_numpy(train.state.values.reshape(-1, train.sizes["variable"]).astype(np.float64))
