"""From trajectories (B, T, N) in physical units, windows, steps, variables, to what a network sees; and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dlgd.core.contract import Batch
from dlgd.core.specs import FIRST_GUESS, OBSERVATIONS, OBSERVED
from dlgd.problems.lorenz.data.observations import first_guess

# The groups of input channels, in the order in which batches have them. A channel is named after its variable, with
# these words before it.
GROUPS = {FIRST_GUESS: "first_guess_", OBSERVATIONS: "observation_", OBSERVED: "observed_"}
STATE = {"state": ""}  # of forecasts


@dataclass(frozen=True)
class SequenceTensors:
    """The change between physical states and the tensors of a network.

    ring: whether variables stand on a circle, which is then the axis X; otherwise they are the channels.
    mean, std: of all variables together, or (N,) of each.
    fill: (N,), the physical first guess of a variable that is never observed.
    """

    ring: bool
    mean: float | Tensor
    std: float | Tensor
    fill: Tensor

    def assimilation(self, observations: Tensor, state: Tensor, guess: Tensor | None = None) -> Batch:
        """Return the batch of observations, NaN where there are none: the groups of GROUPS, and the truth as target.

        guess: a method's first guess (B, T, N); None for interpolation in time.
        """
        input = self.of_observations(observations, guess)
        return self._batch(input, self._channels(self._scaled(state)), self._channels(~observations.isnan()))

    def of_observations(self, observations: Tensor, guess: Tensor | None = None) -> Tensor:
        """Return the input of observations (B, T, N), NaN where there are none; see `assimilation`."""
        seen = ~observations.isnan()
        if guess is None:
            guess = first_guess(observations, seen, self.fill.to(observations))
        observed = torch.where(seen, self._scaled(observations), 0.0)
        groups = {FIRST_GUESS: self._scaled(guess), OBSERVATIONS: observed, OBSERVED: seen.to(guess.dtype)}
        return torch.cat([self._channels(groups[group]) for group in GROUPS], dim=1)

    def forecast(self, known_steps: Tensor, state: Tensor) -> Batch:
        """Return the batch of known steps (B, history, N) and n zeros; the n steps that follow are the target."""
        target = self._channels(self._scaled(state))
        return self._batch(self.of_known_steps(known_steps, target.shape[2]), target, None)

    def of_known_steps(self, known_steps: Tensor, leads: int) -> Tensor:
        """Return the input of known steps (B, history, N), of which as many as `leads` are to be predicted."""
        return functional.pad(self._channels(self._scaled(known_steps)), (0, 0, 0, leads))

    def _batch(self, input: Tensor, target: Tensor, observed: Tensor | None) -> Batch:
        return Batch(input=input, target=target, mask=torch.ones_like(target, dtype=torch.bool), observed=observed)

    def physical(self, prediction: Tensor) -> Tensor:
        """Return a scaled prediction (B, C, T, X) as physical states (B, T, N), float64."""
        scaled = prediction.double().permute(0, 2, 1, 3).flatten(2)
        return scaled * _like(self.std, scaled) + self.mean_of(scaled)

    def mean_of(self, values: Tensor) -> float | Tensor:
        """Return the mean for values (..., N), on their device."""
        return _like(self.mean, values)

    def _scaled(self, values: Tensor) -> Tensor:
        return (values - self.mean_of(values)) / _like(self.std, values)

    def _channels(self, values: Tensor) -> Tensor:
        """Return values (B, T, N) as (B, 1, T, N) of a ring, else as (B, N, T, 1)."""
        return values[:, None] if self.ring else values.transpose(1, 2)[..., None]


def _like(number: float | Tensor, values: Tensor) -> float | Tensor:
    return number.to(values) if isinstance(number, Tensor) else number


def on_device(values: np.ndarray, device: torch.device | str) -> Tensor:
    """Return the values as float32 on the device."""
    return torch.from_numpy(values.astype(np.float32)).to(device)
