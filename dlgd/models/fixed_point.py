"""Interpolation by a prior Phi: the answer is a fixed point of x -> "the observations, and elsewhere Phi(x)". A few
iterations towards it are trained as one network (Fablet et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import Batch, Loss, Network, Output, Spec
from dlgd.core.specs import INVERSE
from dlgd.models import kinds, priors


class FixedPoint(Network):
    """It starts at the first guess x and repeats x <- m y + (1 - m) Phi(x), with observations y where m = 1; the answer
    is Phi(x).

    prior: Phi, "unet" (`priors.TwoScale`) or "cnn" (`priors.three_convolutions`).
    width: channels of the prior, 1 or more.
    kernel: steps, and on a ring variables, of the prior's convolutions; odd.
    iterations: how often the step is repeated, 1 or more.
    prior_weight: weight in the loss, 0 or more, of the mean square of what Phi changes in the answer and in the truth;
    it makes Phi a prior that leaves the truth as it is.
    """

    def __init__(
        self, *, spec: Spec, prior: str, width: int, kernel: int, iterations: int, prior_weight: float
    ) -> None:
        super().__init__()
        kinds.check_kind("fixed_point", spec, ["assimilation"])
        checks.whole_number("model.iterations", iterations, least=1)
        checks.number("model.prior_weight", prior_weight, least=0)
        self.groups = [spec.input_slice(group) for group in INVERSE]
        self.prior = priors.prior(prior, spec=spec, width=width, kernel=kernel, choices=("unet", "cnn"))
        self.iterations, self.prior_weight = iterations, prior_weight

    def forward(self, input: Tensor) -> Output:
        """The groups of INVERSE (B, 3 C, T, X) -> (B, C, T, X), any T."""
        x, observations, flags = (input[:, channels] for channels in self.groups)
        for _ in range(self.iterations):
            x = flags * observations + (1 - flags) * self.prior(x)
        return Output(self.prior(x))

    def objectives(self, batch: Batch, loss: Loss) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Minimize the loss and the cost of the prior."""
        answer = self(batch.input).prediction
        yield "network", *priors.objective(self.prior, [answer], batch, loss, self.prior_weight)
