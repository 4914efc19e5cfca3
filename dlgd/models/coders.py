"""From whole samples to a few numbers, and back: the halves of auto-encoders, and the generator of a GAN.

A `form` is "dense" (each cell has weights of its own), "convolutional" (the resolution is halved until 4 cells or fewer
are left on the shorter side) or "linear" (one matrix, without activations). Each can read the class of the sample,
one-hot, beside the sample or its code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlgd.core import checks
from dlgd.core.contract import Loss, Spec
from dlgd.core.errors import Refusal
from dlgd.models import basic_layers, convolutions

FORMS = ("dense", "convolutional", "linear")
SMALLEST = 4  # cells on the shorter side that are not halved any more


@dataclass(frozen=True)
class Style:
    """The options that an encoder and its decoder share.

    form: one of FORMS.
    width: channels of the convolutional form after the first halving, 1 or more; after each other halving twice as many
    as before. Hidden dense layers have 16 width numbers in the dense form, 8 width in the convolutional one.
    activation: of the hidden layers, one of `basic_layers.ACTIVATIONS`; the linear form has none.
    normalization: of the hidden layers, "batch", "group" or "none"; the linear form has none.
    """

    form: str
    width: int
    activation: str
    normalization: str

    def __post_init__(self) -> None:
        checks.choice("model.form", self.form, FORMS)
        checks.whole_number("model.width", self.width, least=1)
        # Checked here, because the linear form would not look at them.
        basic_layers.activation(self.activation)
        basic_layers.normalization(self.normalization, 8)

    @property
    def layer(self) -> dict[str, str]:
        """Return the options of a layer, as `basic_layers` and `convolutions` name them."""
        return {"norm": self.normalization, "act": self.activation}

    def check(self, loss: Loss) -> None:
        """Refuse a loss of probabilities for the linear form, whose predictions have no bounds."""
        if self.form == "linear" and getattr(loss, "probabilities", False):
            raise Refusal("model.form=linear predicts any number but the loss wants probabilities: try loss=gaussian")


def halvings(grid: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the sizes from the grid on, each half of the last one, rounded up: (28, 28), (14, 14), (7, 7), (4, 4)."""
    sizes = [tuple(grid)]
    while min(sizes[-1]) > SMALLEST:
        sizes.append(tuple((size + 1) // 2 for size in sizes[-1]))
    return sizes


class Encoder(nn.Module):
    """(B, channels, *grid) and, where there are classes, (B, classes) -> (B, outputs)."""

    def __init__(self, *, style: Style, channels: int, grid: Sequence[int], outputs: int, classes: int = 0) -> None:
        super().__init__()
        cells = math.prod(grid)
        if style.form == "linear":
            self.samples = nn.Flatten()
            self.head = nn.Linear(channels * cells + classes, outputs)
        elif style.form == "dense":
            hidden = 16 * style.width
            self.samples = nn.Sequential(nn.Flatten(), basic_layers.dense(channels * cells, hidden, **style.layer))
            self.head = _two_layers(hidden + classes, hidden, outputs, style)
        else:
            sizes = halvings(grid)
            widths = [channels, *(style.width * 2**number for number in range(len(sizes) - 1))]
            halving = [
                convolutions.conv(a, b, frame=convolutions.Frame(padding=1), stride=2, **style.layer)
                for a, b in zip(widths[:-1], widths[1:], strict=True)
            ]
            self.samples = nn.Sequential(*halving, nn.Flatten())
            self.head = _two_layers(widths[-1] * math.prod(sizes[-1]) + classes, 8 * style.width, outputs, style)

    def forward(self, samples: Tensor, classes: Tensor | None = None) -> Tensor:
        """Numbers without bounds."""
        return self.head(_beside(self.samples(samples), classes))


class Decoder(nn.Module):
    """(B, inputs) and, where there are classes, (B, classes) -> (B, C_out, *grid), as the data's targets are.

    Its output keeps within the bounds of the data, except that of the linear form.
    """

    def __init__(self, *, style: Style, inputs: int, spec: Spec, classes: int = 0) -> None:
        super().__init__()
        shape = (len(spec.output_channels), *spec.grid)
        if style.form == "linear":
            self.head = nn.Linear(inputs + classes, math.prod(shape))
            self.samples = nn.Unflatten(1, shape)
        elif style.form == "dense":
            hidden = 16 * style.width
            self.head = _two_layers(inputs + classes, hidden, hidden, style)
            self.samples = nn.Sequential(
                _follow(hidden, style), nn.Linear(hidden, math.prod(shape)), nn.Unflatten(1, shape)
            )
        else:
            sizes = halvings(spec.grid)
            widths = [shape[0], *(style.width * 2**number for number in range(len(sizes) - 1))]
            smallest = (widths[-1], *sizes[-1])
            self.head = _two_layers(inputs + classes, 8 * style.width, math.prod(smallest), style)
            doubling: list[nn.Module] = []
            for number in reversed(range(1, len(sizes))):
                doubling += [
                    basic_layers.normalization(style.normalization, widths[number]),
                    basic_layers.activation(style.activation),
                    Doubling(widths[number], widths[number - 1], sizes[number - 1]),
                ]
            self.samples = nn.Sequential(nn.Unflatten(1, smallest), *doubling)
        self.bounded = nn.Identity() if style.form == "linear" else basic_layers.within_bounds(spec)

    def forward(self, codes: Tensor, classes: Tensor | None = None) -> Tensor:
        """One sample for each code."""
        return self.bounded(self.samples(self.head(_beside(codes, classes))))


class Doubling(nn.Module):
    """Transposed convolution of stride 2 to the given size, odd or even. Its 4 x 4 cells overlap evenly, which leaves
    no chequered pattern (Odena et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, size: Sequence[int]) -> None:
        super().__init__()
        self.size = tuple(size)
        self.raised = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Half the size, rounded up -> the size."""
        return self.raised(x)[..., : self.size[0], : self.size[1]]


def _two_layers(inputs: int, hidden: int, outputs: int, style: Style) -> nn.Sequential:
    return nn.Sequential(basic_layers.dense(inputs, hidden, **style.layer), nn.Linear(hidden, outputs))


def _follow(numbers: int, style: Style) -> nn.Sequential:
    """Return the normalization and the activation that follow a dense layer."""
    return nn.Sequential(
        basic_layers.normalization(style.normalization, numbers, axes=0), basic_layers.activation(style.activation)
    )


def _beside(numbers: Tensor, classes: Tensor | None) -> Tensor:
    return numbers if classes is None else torch.cat([numbers, classes.to(numbers.dtype)], dim=1)
