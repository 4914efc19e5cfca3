"""What members tell at each step of a window: their spread, the fair CRPS, and the rank of the truth among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlgd.core.number_format import decimals
from dlgd.core.score import Score

DRAWN = 100  # members that stand for weighted ones

SCORES = (
    Score("crps", "CRPS", higher_is_better=False, written=decimals(3), in_validation=False),
    Score("spread", "spread", higher_is_better=None, written=decimals(3), in_validation=False),
    Score("spread_skill", "spread/skill", higher_is_better=None, written=decimals(2), in_validation=False),
)


@dataclass
class MemberScores:
    """Of E experiments of N members at T steps, (E, T, n) each; of smoothers, once they are corrected for good."""

    members: int
    variance: Tensor  # ddof = 1
    crps: Tensor
    below: Tensor  # int16: members below the truth

    @classmethod
    def empty(cls, values: Tensor, members: int) -> MemberScores:
        """Return those before the first step, for values (E, T, n)."""
        below = torch.zeros_like(values, dtype=torch.int16)
        return cls(members, torch.zeros_like(values), torch.zeros_like(values), below)

    def add(self, path: Tensor, step: int, truth: Tensor | None) -> None:
        """Add members (steps, E, N, n) from a step on. truth (E, T, n)."""
        if len(path) == 0:
            return
        rows = slice(step, step + len(path))
        self.variance[:, rows] = path.var(2).movedim(0, 1)
        if truth is not None:
            true = truth[:, rows].movedim(1, 0)
            self.crps[:, rows] = fair_crps(path, true).movedim(0, 1)
            self.below[:, rows] = (path < true[:, :, None]).sum(2).movedim(0, 1).to(self.below.dtype)

    def scores(self, estimate: Tensor, truth: Tensor, scored: Tensor) -> dict[str, float]:
        """Return crps, spread, and spread_skill, which is 1 for members like the truth, at the steps `scored` (T,).

        spread: root of the mean variance. spread_skill: spread over the root mean square error of the mean, times
        sqrt((N + 1) / N).
        """
        spread = self.variance[:, scored].mean().sqrt()
        error = (estimate - truth)[:, scored].square().mean().sqrt()
        skill = spread / error * (1 + 1 / self.members) ** 0.5
        values = {"crps": self.crps[:, scored].mean(), "spread": spread, "spread_skill": skill}
        return {name: float(value) for name, value in values.items()}

    def ranks(self, scored: Tensor) -> Tensor:
        """Return the rank histogram (N + 1,) of the truth at the steps `scored` (T,)."""
        return torch.bincount(self.below[:, scored].flatten().long(), minlength=self.members + 1)

    @classmethod
    def joined(cls, several: Sequence[MemberScores]) -> MemberScores:
        """Return those of all experiments as one."""
        joined = (torch.cat([getattr(each, name) for each in several]) for name in ("variance", "crps", "below"))
        return cls(several[0].members, *joined)


def fair_crps(members: Tensor, truth: Tensor) -> Tensor:
    """Return the CRPS (...) of members (..., N, n) and a truth (..., n) that is unbiased for the law that the members
    come from (Ferro 2014, Q. J. R. Meteorol. Soc. 140, 1917): mean |x - y| - sum_ij |x_i - x_j| / (2 N (N - 1))."""
    count = members.shape[-2]
    ordered = members.sort(-2).values
    factor = 2 * torch.arange(1, count + 1, device=members.device, dtype=members.dtype) - count - 1
    between = (factor[:, None] * ordered).sum(-2) / (count * (count - 1))
    return (members - truth[..., None, :]).abs().mean(-2) - between
