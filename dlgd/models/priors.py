"""Priors of states over a window: Phi leaves what is likely as it is, so that |x - Phi(x)|^2 says how unlikely x is.

Windows of sequences are (B, C, T, X) on a `ring` of X variables, those of maps (B, days, Y, X) with ring 0; all are
scaled (Fablet et al. 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Batch, Loss, Scaling, Spec
from dlgd.core.specs import SequenceSpec
from dlgd.models import basic_layers, convolutions
from dlgd.models.neural_ode import Scaled, known_dynamics
from dlgd.physics.integrators import advance

COARSE = 4  # steps averaged at the coarse scale; of maps, cells each way
MAP_KERNEL = 3  # cells each way, of the convolutions of maps


class TwoScale(nn.Module):
    """A bilinear auto-encoder at two scales: of the window, and of means over 4 steps, or 4 x 4 cells. No layer has a
    bias.

    Each scale has a convolution of `kernel` to 2 width channels, rectified, one of 1 x 1 to width, and then, side by
    side, a linear map and the product of two. Coarse maps return by bilinear interpolation, which leaves no steps that
    a gradient of the sea surface would show.
    """

    def __init__(self, *, channels: int, ring: int, width: int, kernel: int) -> None:
        super().__init__()
        self.averaged = (COARSE, 1) if ring > 0 else (COARSE, COARSE)
        self.coarse, self.fine = (BilinearScale(channels, ring, width, kernel) for _ in range(2))
        self.narrowed = nn.Conv2d(2 * width, width, 1, bias=False)
        self.raised = raised(width, channels, self.averaged)
        self.last = nn.Conv2d(2 * width, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, X), any T; of maps (B, days, Y, X), of any size."""
        means = functional.avg_pool2d(x, self.averaged, ceil_mode=True)  # the last of fewer where they end
        coarse = self.raised(self.narrowed(self.coarse(means)))
        return self.last(self.fine(x)) + coarse[:, :, : x.shape[2], : x.shape[3]]


def raised(inputs: int, outputs: int, times: tuple[int, int]) -> nn.Module:
    """Return the way from coarse steps, or cells, to fine ones."""
    if times[1] == 1:
        return nn.ConvTranspose2d(inputs, outputs, times, stride=times, bias=False)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.Upsample(scale_factor=times, mode="bilinear"))


class BilinearScale(nn.Module):
    """(B, C, T, X) -> (B, 2 width, T, X)."""

    def __init__(self, channels: int, ring: int, width: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            convolutions.same_conv(channels, 2 * width, kernel, ring, bias=False),
            nn.ReLU(),
            nn.Conv2d(2 * width, width, 1, bias=False),
        )
        self.linear, self.left, self.right = (nn.Conv2d(width, width, 1, bias=False) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Any T."""
        x = self.first(x)
        return torch.cat([self.linear(x), self.left(x) * self.right(x)], dim=1)


class OfMeans(nn.Module):
    """The answer of `inner` to means over `cells` x `cells` cells of maps, interpolated between them."""

    def __init__(self, inner: nn.Module, cells: int) -> None:
        super().__init__()
        self.inner, self.cells = inner, cells

    def forward(self, x: Tensor) -> Tensor:
        """(B, days, Y, X), of any size."""
        means = functional.avg_pool2d(x, self.cells, ceil_mode=True)
        between = functional.interpolate(self.inner(means), scale_factor=self.cells, mode="bilinear")
        return between[:, :, : x.shape[2], : x.shape[3]]


def three_convolutions(*, channels: int, ring: int, width: int, kernel: int) -> nn.Module:
    """Return convolutions to width, 2 width and 4 width channels, rectified, and one of 1 x 1 back to the channels."""
    sizes = [channels, width, 2 * width, 4 * width]
    layers: list[nn.Module] = []
    for a, b in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [convolutions.same_conv(a, b, kernel, ring), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(sizes[-1], channels, 1))


class Equations(nn.Module):
    """Each state follows from the one before it by one step of RK4 with the true equations; the first one stays."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        dynamics, self.dt = known_dynamics("model.prior=ode", spec, "model.prior=unet")
        self.dynamics = Scaled(dynamics, spec.scaling)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, X), any T."""
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would lose the small change of a step
            states = basic_layers.at_least_float32(x).transpose(1, 2)
            advanced = advance(self.dynamics, states[:, :-1].flatten(2), self.dt).unflatten(2, states.shape[2:])
            return torch.cat([states[:, :1], advanced], dim=1).transpose(1, 2)

    def use_scaling(self, scaling: Scaling) -> None:
        """Take the scaling of the data, which is known once they are prepared."""
        self.dynamics.use_scaling(scaling)


PRIORS = {"unet": TwoScale, "cnn": three_convolutions}


def prior(name: str, *, spec: Spec, width: int, kernel: int, choices: Sequence[str]) -> nn.Module:
    """Return a prior by its name, "unet", "cnn" or "ode", if it is among the choices.

    width: channels. kernel: of sequences; that of maps is MAP_KERNEL.
    """
    checks.choice("model.prior", name, choices)
    checks.whole_number("model.width", width, least=1)
    convolutions.odd_kernel(kernel)
    if name == "ode":
        return Equations(spec)
    series = isinstance(spec, SequenceSpec)
    size = {"ring": spec.grid[-1], "kernel": kernel} if series else {"ring": 0, "kernel": MAP_KERNEL}
    return PRIORS[name](channels=len(spec.output_channels), width=width, **size)


def objective(
    prior: nn.Module, estimates: Sequence[Tensor], batch: Batch, loss: Loss, weight: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return what to minimize, and its terms: the sum over all estimates of the loss and weight / 2 (E |x - Phi(x)|^2 +
    the same of the truth). The terms are those of the last estimate.
    """
    truth = torch.where(batch.mask, batch.target, 0.0)
    cost_of_truth = (prior(truth) - truth).square().mean()
    total: Tensor | float = 0.0
    terms: dict[str, Tensor] = {}
    for estimate in estimates:
        value, terms = loss(prediction=estimate, target=batch.target, mask=batch.mask)
        cost = 0.5 * weight * ((prior(estimate) - estimate).square().mean() + cost_of_truth)
        total, terms = total + value + cost, terms | {"prior": cost.detach()}
    assert isinstance(total, Tensor), "there is at least one estimate"
    return total, terms


class Alike(nn.Module):
    """What the state of maps and a second quantity have in common, such as heights and temperatures (multimodal
    4DVarNet: Fablet et al. 2023, arXiv:2207.01372): features g(x) of all days and h(z) of the second quantity, which
    the cost makes alike where z is known.

    g and h have two convolutions of 3 x 3 with `features` channels, and tanh between them, which bounds what each says.

    days: of the state and of the second quantity. features: 1 or more.
    """

    def __init__(self, *, days: int, features: int) -> None:
        super().__init__()
        self.of_state, self.of_second = (
            nn.Sequential(
                nn.Conv2d(inputs, features, MAP_KERNEL, padding=1),
                nn.Tanh(),
                nn.Conv2d(features, features, MAP_KERNEL, padding=1),
            )
            for inputs in (days, 2 * days)
        )

    def forward(self, x: Tensor, second: Tensor, known: Tensor) -> Tensor:
        """(B, days, Y, X) each -> the departures (B, features, Y, X), 0 in cells where no day of `second` is known."""
        there = known.amax(dim=1, keepdim=True)
        return there * (self.of_state(x) - self.of_second(torch.cat([second, known], dim=1)))
