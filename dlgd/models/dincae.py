"""DINCAE (Barth et al. 2020, 2022): a U-Net that gives estimates and the standard deviations of their errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Batch, Loss, Spec
from dlgd.core.specs import FIRST_GUESS, OBSERVATIONS, OBSERVED, MapSpec
from dlgd.models import basic_layers, convolutions, estimators, kinds
from dlgd.models.estimators import Estimator

# logarithm of 1 / variance: variances lie between exp(-10), a standard deviation of exp(-5), and 1000
LOWEST, HIGHEST = math.log(1e-3), 10.0
REFINED = (0.3, 0.7)  # weights of the likelihoods of the two networks (DINCAE's tutorial)


class Halved(nn.Module):
    """One level of the U-Net, with all coarser levels inside it.

    A convolution of 3 x 3 leads to the first of `filters` channels, rectified; means over 2 x 2 cells go to the level
    of the other filters; its answer is interpolated, and a convolution leads back to `outputs` channels. With `skip`,
    below full resolution, this is rectified too, and the input is added.
    """

    def __init__(self, inputs: int, filters: Sequence[int], outputs: int, *, upsampling: str, skip: bool) -> None:
        super().__init__()
        first, *others = filters
        self.skip, self.upsampling = skip, upsampling
        self.down = convolutions.same_conv(inputs, first, 3, 0)
        inner = Halved(first, others, first, upsampling=upsampling, skip=True) if others else nn.Identity()
        self.inner: nn.Module = inner
        self.up = convolutions.same_conv(first, outputs, 3, 0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, Y, X) -> (B, outputs, Y, X); Y and X can be halved as often as there are filters."""
        coarse = self.inner(functional.avg_pool2d(torch.relu(self.down(x)), 2))
        answer = self.up(functional.interpolate(coarse, scale_factor=2, mode=self.upsampling))
        return torch.relu(answer) + x if self.skip else answer


class DINCAE(Estimator):
    """Its input holds, for each observation y, y / r and 1 / r with r = observation_std^2, zeros where there is no
    observation, and the data's further channels (sea, sea surface temperature, coordinates). Convolutions find zeros
    beyond the boundary.

    Its output holds two channels a and b for each day: 1 / variance = exp(b), with b held between LOWEST and HIGHEST,
    and the estimate is a times the variance. So observations are weighed as the best linear estimate weighs them.

    filters: channels at full resolution and after each halving but the last, whole numbers of 1 or more.
    observation_std: standard deviation of the error of an observation, in units of the scaled target, above 0; it sets
    how large the input is.
    first_guess: whether the input holds the first guesses too; the published network has none.
    refinement: whether a second network reads the first one's two channels too, and answers; both learn, with the
    weights REFINED.
    upsampling: how the way back interpolates, "nearest" or "bilinear".
    halo: cells of context around what is predicted, 0 or more.
    """

    def __init__(
        self,
        *,
        spec: Spec,
        filters: Sequence[int],
        observation_std: float,
        first_guess: bool,
        refinement: bool,
        upsampling: str,
        halo: int,
    ) -> None:
        super().__init__()
        kinds.check_kind("dincae", spec, ["interpolation"])
        assert isinstance(spec, MapSpec), "all data that ask for interpolation have one"
        checks.whole_numbers("model.filters", filters, least=1, example="[16,24,36,54]")
        checks.number("model.observation_std", observation_std, above=0)
        checks.whole_number("model.halo", halo, least=0)
        checks.choice("model.upsampling", upsampling, ("nearest", "bilinear"))
        outputs = self.channels(spec, predict_std=True)
        inputs = len(spec.input_channels) - (0 if first_guess else spec.days)
        networks = [Halved(inputs, filters, outputs, upsampling=upsampling, skip=False)]
        if refinement:
            networks.append(Halved(inputs + outputs, filters, outputs, upsampling=upsampling, skip=False))
        self.networks = nn.ModuleList(networks)
        self.groups, self.further_groups = spec.input_groups, spec.further_groups
        self.first_guess, self.variance = first_guess, observation_std**2
        self.halo, self.multiple = halo, 2 ** len(filters)

    def answers(self, input: Tensor) -> list[Tensor]:
        """(B, C_in, Y + 2 halo, X + 2 halo) -> channels a, then b, of each day, (B, 2 C_out, Y, X), of each network."""
        group = {name: input[:, channels] for name, channels in self.groups.items()}
        weighted = [group[name] / self.variance for name in (OBSERVATIONS, OBSERVED)]
        others = [group[name] for name in (*self.further_groups, *([FIRST_GUESS] if self.first_guess else []))]
        x = torch.cat([*weighted, *others], dim=1)
        rows, columns = x.shape[-2:]
        x = functional.pad(x, (0, -columns % self.multiple, 0, -rows % self.multiple))
        found: list[Tensor] = []
        for network in self.networks:
            found.append(network(torch.cat([x, *found], dim=1)))
        return [convolutions.crop(answer[..., :rows, :columns], self.halo) for answer in found]

    def body(self, input: Tensor) -> Tensor:
        """Return the channels a and b of the last network."""
        return self.answers(input)[-1]

    def with_std(self, input: Tensor) -> tuple[Tensor, Tensor]:
        """Estimates and the logarithms of their standard deviations, (B, C_out, Y, X) each, scaled."""
        return moments(self.body(input))

    def objectives(self, batch: Batch, loss: Loss) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Minimize minus the log likelihood of the target; the loss is only recorded."""
        found = [moments(answer) for answer in self.answers(batch.input)]
        values = [estimators.negative_log_likelihood(*each, batch) for each in found]
        weights = REFINED if len(values) > 1 else (1.0,)
        total = torch.stack([weight * value for weight, value in zip(weights, values, strict=True)]).sum()
        _, terms = loss(prediction=found[-1][0].detach(), target=batch.target, mask=batch.mask)
        yield "network", total, terms | {"negative_log_likelihood": values[-1].detach()}


def moments(answer: Tensor) -> tuple[Tensor, Tensor]:
    """Channels a and b, (B, 2 C, Y, X) -> a variance and the logarithm of the standard deviation, (B, C, Y, X) each."""
    weighted, log_precision = basic_layers.at_least_float32(answer).chunk(2, dim=1)
    log_precision = log_precision.clamp(LOWEST, HIGHEST)
    return weighted * torch.exp(-log_precision), -0.5 * log_precision
