"""The loss of labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dlgd.core.contract import Loss, Spec

IGNORED = -100  # no class


class CrossEntropy(Loss):
    """Mean of -log(probability of the true class), in nats.

    With label_smoothing s the truth is (1 - s) for the true class and s / classes for each, it too (Szegedy et al.
    2016, section 7).
    """

    def __init__(self, *, spec: Spec, label_smoothing: float) -> None:
        super().__init__()
        if spec.kind != "label":
            raise ValueError(f"loss=cross_entropy compares classes but data={spec.name} gives none: try loss=mse")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"loss.label_smoothing={label_smoothing} must be at least 0 and less than 1")
        self.label_smoothing = label_smoothing

    def forward(self, *, prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """prediction (B, classes), the logarithms of probabilities up to a constant; target (B,) int64; mask (B,)."""
        # ignore_index rather than a masked sum of each one's loss: that cost a fifth of a small network's step
        total = functional.cross_entropy(
            torch.where(mask[:, None], prediction, 0.0),  # NaN times no weight would be NaN
            torch.where(mask, target, IGNORED),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        value = total / mask.sum().clamp(min=1)
        return value, {"cross_entropy": value.detach()}
