"""The mirror image of Lorenz's system of 1963: (x, y, z) -> (-x, -y, z) takes trajectories to trajectories."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dlgd.core.contract import Augmentation, Batch, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import FIRST_GUESS, OBSERVATIONS, OBSERVED, SequenceSpec
from dlgd.physics.lorenz import MIRROR, Lorenz63


class MirroredLorenz63(Augmentation):
    """Mirror half of the samples, with their observations and first guesses.

    All three variables are scaled by one mean and one standard deviation, so that -x is scaled to -x' - 2 mean / std.
    """

    def __init__(self, *, spec: Spec) -> None:
        if not (isinstance(spec, SequenceSpec) and isinstance(spec.dynamics, Lorenz63)):
            raise Refusal(
                f"augmentation=mirrored_lorenz63 is for the system of 1963, which data={spec.name} is not: type "
                "data=lorenz63, or augmentation=none"
            )
        sign = torch.tensor(MIRROR)[:, None, None]
        self.sign, self.shift = sign, (sign - 1) * spec.scaling.mean / spec.scaling.std
        self.groups, self.known_steps = spec.input_groups, spec.context_steps

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return the batch with mirrored samples; they are drawn on the CPU, the same for every device."""
        drawn = torch.as_tensor(rng.random(len(batch)) < 0.5)[:, None, None, None].to(batch.input.device)
        return replace(
            batch,
            input=torch.where(drawn, self._mirrored_input(batch.input), batch.input),
            target=torch.where(drawn, self._mirrored(batch.target), batch.target),
        )

    def _mirrored_input(self, input: Tensor) -> Tensor:
        if self.known_steps > 0:  # of a forecast; the other steps stay 0
            known, unknown = input[:, :, : self.known_steps], input[:, :, self.known_steps :]
            return torch.cat([self._mirrored(known), unknown], dim=2)
        parts = {name: input[:, channels] for name, channels in self.groups.items()}
        mirrored = parts | {name: self._mirrored(parts[name]) for name in (FIRST_GUESS, OBSERVATIONS)}
        mirrored[OBSERVATIONS] = parts[OBSERVED] * mirrored[OBSERVATIONS]  # what is not observed stays 0
        return torch.cat(list(mirrored.values()), dim=1)

    def _mirrored(self, states: Tensor) -> Tensor:
        """Return scaled states (B, 3, T, 1) mirrored."""
        return self.sign.to(states) * states + self.shift.to(states)
