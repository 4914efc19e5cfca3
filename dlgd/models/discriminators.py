"""The discriminator, which gives one number to each sample, the larger the more real; and penalties on its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as with_spectral_norm

from dlgd.models import basic_layers
from dlgd.models.coders import halvings

Critic = Callable[[Tensor, Tensor | None], Tensor]  # (B, C, Y, X), one-hot (B, classes) -> (B,)


class Discriminator(nn.Module):
    """Convolutions of stride 2, then a dense layer. There is no normalization, with which a penalty on the gradient of
    single samples would make no sense.

    Where there are classes, the features are projected on a vector learned for each (Miyato and Koyama 2018).

    channels, grid: of the samples.
    classes: number of classes; 0 where it does not read them.
    width: channels after the first convolution; after each of the others twice as many as before.
    activation: of the convolutions, one of `basic_layers.ACTIVATIONS`.
    spectral_norm: whether the largest singular value of each matrix is kept at 1 (Miyato et al. 2018).
    """

    def __init__(
        self, *, channels: int, grid: Sequence[int], classes: int, width: int, activation: str, spectral_norm: bool
    ) -> None:
        super().__init__()
        sizes = halvings(grid)
        widths = [channels, *(width * 2**number for number in range(len(sizes) - 1))]
        bounded = with_spectral_norm if spectral_norm else nn.Identity()
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
            layers += [bounded(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)), basic_layers.activation(activation)]
        self.features = nn.Sequential(*layers, nn.Flatten())
        numbers = widths[-1] * math.prod(sizes[-1])
        self.last = bounded(nn.Linear(numbers, 1))
        self.of_class = bounded(nn.Linear(classes, numbers, bias=False)) if classes else None

    def forward(self, samples: Tensor, classes: Tensor | None = None) -> Tensor:
        """(B, C, Y, X), one-hot (B, classes) -> (B,), the larger the more real."""
        features = self.features(samples)
        score = self.last(features)[:, 0]
        if self.of_class is None:
            return score
        return score + (features * self.of_class(classes)).sum(dim=1)


def slope(critic: Critic, samples: Tensor, classes: Tensor | None) -> Tensor:
    """Return the squared length of the gradient with respect to each sample, (B,)."""
    samples = samples.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(samples, classes).sum(), samples, create_graph=True)
    return basic_layers.at_least_float32(gradient).flatten(1).square().sum(dim=1)


def unit_slope_penalty(critic: Critic, real: Tensor, made: Tensor, classes: Tensor | None) -> Tensor:
    """E (|gradient| - 1)^2 at points drawn between real and made samples (Gulrajani et al. 2017, equation 3)."""
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    between = share * real + (1 - share) * made
    # a root has no gradient at zero
    return ((slope(critic, between, classes) + 1e-12).sqrt() - 1).square().mean()


def zero_slope_penalty(critic: Critic, real: Tensor, classes: Tensor | None) -> Tensor:
    """E |gradient|^2 / 2 at real samples, known as R1 (Mescheder et al. 2018, equation 9)."""
    return slope(critic, real, classes).mean() / 2
