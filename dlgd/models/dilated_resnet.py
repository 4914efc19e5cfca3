"""A residual network of dilated convolutions in time for what a first guess of a trajectory misses (He et al. 2016; van
den Oord et al. 2016, arXiv:1609.03499).

Its receptive field covers a window of some hundred steps at full resolution. Its last layer starts near zero: before
training the answer is about the first guess itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.core.specs import INVERSE
from dlgd.models import basic_layers, convolutions, kinds
from dlgd.models.convolutions import SequenceConv
from dlgd.models.estimators import Estimator

START = 0.01  # times the usual size of the last weights
EDGE = 32  # steps from an edge of the window, from which on a step no longer knows how far it is


class Block(nn.Module):
    """x + conv(activation(normalization(conv(activation(normalization(x))))))."""

    def __init__(
        self, *, width: int, kernel: int, ring: int, dilation: int, activation: str, normalization: str
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [basic_layers.normalization(normalization, width), basic_layers.activation(activation)]
            layers.append(SequenceConv(width, width, kernel, ring, dilation=dilation))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, T, X) -> the same shape."""
        return x + self.layers(x)


class DilatedResNet(Estimator):
    """Residual blocks whose convolutions see steps 1, 2, 4, ... apart.

    It reads the first guess, the observations, where they are, how far they are from the first guess there, the
    distance of each step from both edges of the window, and whatever else the data give.

    width: channels of the blocks, a multiple of 8 for normalization=group.
    dilations: steps between the values of a convolution, one number for each block, 1 or more.
    kernel: values of a convolution in time, and on a ring the nearest variables; odd.
    activation: one of `basic_layers.ACTIVATIONS`.
    normalization: before each convolution of a block, "batch", "group" or "none".
    predict_std: whether it predicts the standard deviations of its errors too, see `Estimator`.
    """

    def __init__(
        self,
        *,
        spec: Spec,
        width: int,
        dilations: Sequence[int],
        kernel: int,
        activation: str,
        normalization: str,
        predict_std: bool,
    ) -> None:
        super().__init__()
        kinds.check_kind("dilated_resnet", spec, ["assimilation"])
        checks.whole_number("model.width", width, least=1)
        checks.numbers("model.dilations", dilations, above=0, example="[1,2,4]")
        for dilation in dilations:
            checks.whole_number("model.dilations", dilation, least=1)
        ring, variables = spec.grid[-1], len(spec.output_channels)
        convolutions.odd_kernel(kernel)
        self.groups = [spec.input_slice(name) for name in INVERSE]
        self.further = [channels for name, channels in spec.input_groups.items() if name not in INVERSE]
        inputs = 4 * variables + 2 + sum(channels.stop - channels.start for channels in self.further)
        style = {"kernel": kernel, "ring": ring, "activation": activation, "normalization": normalization}
        self.blocks = nn.Sequential(
            SequenceConv(inputs, width, kernel, ring),
            *(Block(width=width, dilation=dilation, **style) for dilation in dilations),
            basic_layers.normalization(normalization, width),
            basic_layers.activation(activation),
        )
        self.last = nn.Conv2d(width, self.channels(spec, predict_std=predict_std), 1)
        with torch.no_grad():
            self.last.weight.mul_(START)
            assert self.last.bias is not None
            self.last.bias.zero_()

    def body(self, input: Tensor) -> Tensor:
        """(B, C_in, T, X) -> (B, C, T, X), for any T."""
        guess, observations, observed = (input[:, group] for group in self.groups)
        innovation = observed * (observations - guess)
        further = [input[:, channels] for channels in self.further]
        known = [guess, observations, observed, innovation, _from_edges(input), *further]
        return self.last(self.blocks(torch.cat(known, dim=1)))


def _from_edges(input: Tensor) -> Tensor:
    """Return, (B, 2, T, X), how far each step is from the first and the last one, 0 at the edge and 1 from EDGE on."""
    count, _, steps, variables = input.shape
    ramp = (torch.arange(steps, device=input.device) / EDGE).clamp(max=1.0).to(input.dtype)
    return torch.stack([ramp, ramp.flip(0)])[None, :, :, None].expand(count, -1, -1, variables)
