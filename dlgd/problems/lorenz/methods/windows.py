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
from dlgd.physics import stochastic_lorenz
from dlgd.physics.integrators import EULER, Dynamics, advance, rk4, say_substeps, trajectory
from dlgd.physics.lorenz import Lorenz63
from dlgd.physics.stochastic_lorenz import PARAMETERS, PushedLorenz63
from dlgd.physics.systems import dynamics_of

STOCHASTIC = "stochastic_lorenz63"  # the system of samples with a forcing
LEAST_NOISE = 1e-4  # variance that observations without noise are taken to have, in squared units of the state


@dataclass(frozen=True)
class Windows:
    """Observations of B windows (or repeated experiments) at T steps of the n variables themselves, float64; and the
    model of the system, which is `dynamics` here and something else in subclasses."""

    dynamics: Dynamics
    dt: float
    noise_variance: float  # of the observations
    values: Tensor  # (B, T, n), 0 where nothing is observed
    observed: Tensor  # bool, (B, T, n)

    stochastic = False  # whether the model has noise

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

    def forecast(
        self,
        members: Tensor,
        begin: int,
        steps: int,
        *,
        noise: torch.Generator | None = None,
        rows: Tensor | slice = slice(None),
    ) -> Tensor:
        """Return the paths (steps + 1, B, N, n) of members (B, N, n) from the step `begin` on, or those of (B, n).

        noise: from which a stochastic model draws its own; None for none. rows: of the windows that members are of.
        """
        return trajectory(self.dynamics, members, self.dt, steps)

    def successors(self, states: Tensor) -> Tensor:
        """Return where each of the first states (B, T - 1, n) of windows goes in a step, without noise."""
        return advance(self.dynamics, states, self.dt)

    def jacobians(self, states: Tensor) -> Tensor:
        """Return the derivative of each successor with respect to its state, (B, T - 1, n, n)."""
        return rk4(self.dynamics, self.dt).jacobian(self.dynamics, states, self.dt)

    def chunks(self, numbers: int) -> Iterator[Windows]:
        """Yield groups of windows in order, of about `numbers` values each."""
        count = max(1, numbers // self.values[0].numel())
        yield from (self.take(slice(n, n + count)) for n in range(0, len(self.values), count))


@dataclass(frozen=True)
class ForcedWindows(Windows):
    """Windows of `dlgd.physics.stochastic_lorenz`, each with its own parameters and its own known forcing.

    dynamics: that of the usual parameters, without the forcing.
    free: the parameters that members have of their own, behind their state, in the order of PARAMETERS; the logarithms
        of those that are positive. The others are those of the window.
    """

    forcing: Tensor  # (B, T), of each step
    parameters: Tensor  # (B, 5)
    free: tuple[str, ...] = ()

    stochastic = True

    def take(self, rows: Tensor | slice) -> ForcedWindows:
        """Return some of the windows."""
        values, observed = self.values[rows], self.observed[rows]
        forcing, parameters = self.forcing[rows], self.parameters[rows]
        return replace(self, values=values, observed=observed, forcing=forcing, parameters=parameters)

    def only(self, step: int, begin: int) -> ForcedWindows:
        """Return their steps from `begin` to `step`, of which only the last is observed."""
        latest = super().only(step, begin)
        assert isinstance(latest, ForcedWindows)
        return replace(latest, forcing=self.forcing[:, begin : step + 1])

    def forecast(
        self,
        members: Tensor,
        begin: int,
        steps: int,
        *,
        noise: torch.Generator | None = None,
        rows: Tensor | slice = slice(None),
    ) -> Tensor:
        """See `Windows`; the last dimension is n + free."""
        if members.dim() == 2:
            return self.forecast(members[:, None], begin, steps, noise=noise, rows=rows)[:, :, 0]
        size = self.dynamics.size
        normals = None
        if noise is not None:
            shape = (steps, *members.shape[:2], 2)
            normals = torch.randn(shape, generator=noise, dtype=torch.float64).to(members)
        forcing = self.forcing[rows, begin : begin + steps]
        states, own = members[..., :size], members[..., size:]
        path = stochastic_lorenz.forecast(states, forcing, self.with_own(own, rows), self.dt, normals)
        return torch.cat((path, own.expand(steps + 1, *own.shape)), -1) if self.free else path

    def with_own(self, own: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        """Return the parameters (B, N, 5) of members with their own ones (B, N, free)."""
        columns = list(self.parameters[rows, None].expand(*own.shape[:2], -1).unbind(-1))
        for number, name in enumerate(self.free):
            columns[PARAMETERS.index(name)] = own[..., number] if name == "exponent" else own[..., number].exp()
        return torch.stack(columns, -1)

    def own_of_windows(self) -> Tensor:
        """Return the free parameters (B, free) that windows are said to have, as members have them."""
        columns = [self.parameters[:, PARAMETERS.index(name)] for name in self.free]
        return torch.stack([c if n == "exponent" else c.log() for n, c in zip(self.free, columns, strict=True)], -1)

    def successors(self, states: Tensor) -> Tensor:
        """See `Windows`; a step of Euler."""
        return EULER.step(self._equations(states), states, self.dt)

    def jacobians(self, states: Tensor) -> Tensor:
        """See `Windows`."""
        return EULER.jacobian(self._equations(states), states, self.dt)

    def _equations(self, states: Tensor) -> PushedLorenz63:
        return stochastic_lorenz.pushed(self.parameters[:, None], self.forcing[:, : states.shape[1]])


def windows_of(samples: xr.Dataset, device: str = "cpu") -> Windows:
    """Return the observations of the samples; refuses samples of other tasks than assimilation."""
    refuse_other_tasks(samples)
    values = torch.from_numpy(samples.observations.values.astype(np.float64)).to(device)
    observed = ~torch.isnan(values)
    noise, dt = max(float(samples.attrs["noise_variance"]), LEAST_NOISE), float(samples.attrs["dt"])
    values = torch.where(observed, values, 0.0)
    if samples.attrs.get("system") == STOCHASTIC:
        forcing, parameters = (torch.from_numpy(samples[key].values).to(values) for key in ("forcing", "parameters"))
        return ForcedWindows(Lorenz63(), dt, noise, values, observed, forcing, parameters)
    dynamics = dynamics_of(samples.attrs)
    say_substeps("the method", dynamics, dt)
    return Windows(dynamics, dt, noise, values, observed)


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
