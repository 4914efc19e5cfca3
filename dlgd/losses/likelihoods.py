"""Negative logarithms of the likelihood of the target, given the prediction, in nats per cell.

They can be added to other nats, such as those of a code: `likelihood` is true of them, and of no other loss.
`probabilities` is true where predictions must lie between 0 and 1.
"""

from __future__ import annotations

import math

from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import Loss, Spec
from dlgd.core.errors import Refusal
from dlgd.losses.pointwise import check_numbers, masked_mean

LEAST = 1e-7  # smallest probability of a cell; 1 - LEAST still differs from 1 in float32


class Bernoulli(Loss):
    """Each cell is 1 with the predicted probability, else 0, independently of the others.

    For a grey target between 0 and 1 it is the mean over black and white (a cross-entropy, no longer a likelihood): it
    is lowest where the prediction is the target, but not zero there. Predictions are cut to [LEAST, 1 - LEAST].
    """

    likelihood, probabilities = True, True

    def __init__(self, *, spec: Spec) -> None:
        super().__init__()
        check_numbers("bernoulli", spec)
        if spec.bounds != (0.0, 1.0):
            raise Refusal(
                f"loss=bernoulli wants targets between 0 and 1, which those of data={spec.name} are not: "
                "try loss=gaussian"
            )

    def forward(self, *, prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Any shape; prediction, target and mask alike."""

        def nats(prediction: Tensor, target: Tensor) -> Tensor:
            probability = prediction.clamp(LEAST, 1 - LEAST)
            return -(target * probability.log() + (1 - target) * (-probability).log1p())

        value = masked_mean(nats, prediction, target, mask)
        return value, {"bernoulli": value.detach()}


class Gaussian(Loss):
    """Each cell is the predicted number plus normal noise, independently of the others.

    std: standard deviation of the noise, in units of the scaled target, above 0. In a variational auto-encoder it sets
    how much the loss counts beside the divergence of the codes.
    """

    likelihood = True

    def __init__(self, *, spec: Spec, std: float) -> None:
        super().__init__()
        check_numbers("gaussian", spec)
        checks.number("loss.std", std, above=0)
        self.std = std

    def forward(self, *, prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Any shape; prediction, target and mask alike."""
        constant = math.log(self.std) + 0.5 * math.log(2 * math.pi)

        def nats(prediction: Tensor, target: Tensor) -> Tensor:
            return 0.5 * ((prediction - target) / self.std) ** 2 + constant

        value = masked_mean(nats, prediction, target, mask)
        return value, {"gaussian": value.detach()}
