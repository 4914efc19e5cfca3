"""The loss of labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Loss, Spec
from dlgd.core.errors import Refusal

IGNORED = -100  # no class


class CrossEntropy(Loss):
    """Mean of -log(probability of the true class), in nats.

    label_smoothing: share s of the truth that is spread evenly over all classes, from 0 to below 1: the true class has
    1 - s + s / classes, each other one s / classes (Szegedy et al. 2016, section 7).
    """

    def __init__(self, *, spec: Spec, label_smoothing: float) -> None:
        super().__init__()
        if spec.kind != "label":
            raise Refusal(f"loss=cross_entropy compares classes but data={spec.name} gives none: try loss=mse")
        checks.number("loss.label_smoothing", label_smoothing, least=0, below=1)
        self.label_smoothing = label_smoothing

    def forward(self, *, prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """prediction (B, classes), the logarithms of probabilities up to a constant; target (B,) int64; mask (B,)."""
        # ignore_index, because a masked sum of the samples' losses cost a fifth of a small network's step
        total = functional.cross_entropy(
            torch.where(mask[:, None], prediction, 0.0),  # NaN times no weight would be NaN
            torch.where(mask, target, IGNORED),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        value = total / mask.sum().clamp(min=1)
        return value, {"cross_entropy": value.detach()}
