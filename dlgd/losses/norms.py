"""A loss for the mean and the tail of the errors at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import Loss, Spec
from dlgd.losses.pointwise import check_divisible, check_numbers, masked_mean

FLOOR = 1e-6  # of |eps|, far below what a network reaches: a root has no gradient at zero


class RelativeNorms(Loss):
    """Sum over p in `powers` of E[|eps|^p]^(1/p), eps = (prediction^2 - target^2) / target^2 of the physical target.

    All terms have the size of an error, so that none needs a weight.

    powers: the numbers p, each from 1 to 6. p = 1 is the score eps_mean and p = 2 the score RMSE(eps); the larger p,
    the more the largest errors count. Beyond 6, the floor under a root is below the smallest float32.
    """

    def __init__(self, *, spec: Spec, powers: Sequence[float]) -> None:
        super().__init__()
        check_numbers("relative_norms", spec)
        check_divisible("relative_norms", spec)
        # beyond 6, the floor is below the smallest float32
        checks.numbers("loss.powers", powers, least=1, most=6, example="[1,2]")
        self.spec, self.powers = spec, tuple(powers)

    def forward(self, *, prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Any shape; prediction, target and mask alike."""
        terms = {}
        for power in self.powers:

            def error(prediction: Tensor, target: Tensor, power: float = power) -> Tensor:
                ratio = self.spec.scaling.ratio(prediction=prediction, target=target)
                return (ratio**2 - 1).abs() ** power

            mean = masked_mean(error, prediction, target, mask)
            floor = torch.full_like(mean, FLOOR**power)
            terms[f"norm_{power:g}"] = (mean + floor) ** (1 / power) - floor ** (1 / power)
        return torch.stack(list(terms.values())).sum(), {name: term.detach() for name, term in terms.items()}
