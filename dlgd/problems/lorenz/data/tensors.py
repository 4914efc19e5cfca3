"""From trajectories (B, T, N) in physical units, windows, steps, variables, to what a network sees; and back."""

from __future__ import annotations

from dataclasses import dataclass

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
    """ring: whether variables stand on a circle, which is then the axis X; otherwise they are the channels.

    mean, std: of all variables together. fill: (N,), physical, where nothing of a variable is observed.
    """

    ring: bool
    mean: float
    std: float
    fill: Tensor

    def assimilation(self, observations: Tensor, state: Tensor) -> Batch:
        """Of observations, NaN where there are none, and the truth: the groups of GROUPS -> truth."""
        seen = ~observations.isnan()
        guess = first_guess(observations, seen, self.fill.to(observations))
        observed = torch.where(seen, self._scaled(observations), 0.0)
        given = {FIRST_GUESS: self._scaled(guess), OBSERVATIONS: observed, OBSERVED: seen.to(guess.dtype)}
        input = torch.cat([self._channels(given[group]) for group in GROUPS], dim=1)
        return self._batch(input, self._channels(self._scaled(state)), self._channels(seen))

    def forecast(self, given: Tensor, state: Tensor) -> Batch:
        """Of known steps (B, history, N) and those that follow (B, n, N): the known ones and n zeros -> the others."""
        known = self._channels(self._scaled(given))
        target = self._channels(self._scaled(state))
        return self._batch(functional.pad(known, (0, 0, 0, target.shape[2])), target, None)

    def _batch(self, given: Tensor, target: Tensor, observed: Tensor | None) -> Batch:
        return Batch(input=given, target=target, mask=torch.ones_like(target, dtype=torch.bool), observed=observed)

    def physical(self, prediction: Tensor) -> Tensor:
        """(B, C, T, X), scaled -> (B, T, N), float64."""
        return prediction.double().permute(0, 2, 1, 3).flatten(2) * self.std + self.mean

    def _scaled(self, values: Tensor) -> Tensor:
        return (values - self.mean) / self.std

    def _channels(self, values: Tensor) -> Tensor:
        """(B, T, N) -> (B, 1, T, N) of a ring, else (B, N, T, 1)."""
        return values[:, None] if self.ring else values.transpose(1, 2)[..., None]
