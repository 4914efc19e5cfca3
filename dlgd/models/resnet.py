"""Convolutional network with skip connections over pairs of layers: for fields without padding (Coulaud 2022, section
4), for labels in three resolutions (He et al. 2016), for sequences with padding in time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.models import basic_layers, convolutions, kinds
from dlgd.models.convolutions import VALID, Frame
from dlgd.models.estimators import Stack


class AdditiveBlock(nn.Module):
    """activation(conv, normalization, activation, conv, normalization + the cropped input)."""

    def __init__(self, *, width: int, activation: str, normalization: str, frame: Frame = VALID) -> None:
        super().__init__()
        self.lost = 2 * frame.lost
        self.first = convolutions.conv(width, width, norm=normalization, act=activation, frame=frame)
        self.second = convolutions.conv(width, width, norm=normalization, act=None, frame=frame)
        self.activation = basic_layers.activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Smaller by what two layers consume on each side."""
        return self.activation(self.second(self.first(x)) + convolutions.crop(x, self.lost))


class ConcatenationBlock(nn.Module):
    """Two layers; the output stands beside the `width` channels that were new in the input."""

    def __init__(self, *, inputs: int, width: int, activation: str, normalization: str, frame: Frame = VALID) -> None:
        super().__init__()
        self.width, self.lost = width, 2 * frame.lost
        self.layers = nn.Sequential(
            convolutions.conv(inputs, width, norm=normalization, act=activation, frame=frame),
            convolutions.conv(width, width, norm=normalization, act=activation, frame=frame),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, ...) -> (B, 2 width, ...), smaller by what two layers consume on each side."""
        return torch.cat([self.layers(x), convolutions.crop(x[:, : self.width], self.lost)], dim=1)


class PlainBlock(nn.Sequential):
    """Two layers without a skip, for comparison."""

    def __init__(self, *, width: int, activation: str, normalization: str, frame: Frame = VALID) -> None:
        style = {"norm": normalization, "act": activation, "frame": frame}
        super().__init__(*(convolutions.conv(width, width, **style) for _ in range(2)))


class ResNet(Stack):
    """A layer, blocks of two layers with a skip over them, and a last layer.

    For fields there are (layers - 2) / 2 blocks, without padding, and the last layer is a convolution too. Each layer
    consumes kernel // 2 cells on each side: halo = layers * (kernel // 2). Those of volumes have three dimensions, and
    keep the levels. Sequences have the same layers, but keep their size.

    For labels there are (layers - 4) / 2 blocks, padded with zeros, shared among three resolutions of width / 4,
    width / 2 and `width` channels: the largest of 2 x 2 cells and a layer lead from one to the next. The last layer is
    dense, on the mean over the cells.

    layers: number of layers, even, 4 or more.
    width: channels of the hidden layers; of labels, at a quarter of the resolution.
    skip: how a block's input reaches its output: "addition", "concatenation" (beside it) or "none", for comparison.
    kernel: cells of a convolution each way, odd; of sequences, steps, and on a ring variables.
    activation: of the hidden layers, one of `basic_layers.ACTIVATIONS`.
    normalization: of the hidden layers, "batch", "group" or "none".
    predict_std: whether it predicts the standard deviations of its errors too, see `Estimator`; only where there are
    observations.
    """

    def __init__(
        self,
        *,
        spec: Spec,
        layers: int,
        width: int,
        skip: str,
        activation: str,
        normalization: str,
        kernel: int = 3,  # has a default for checkpoints from before it was an option; so has predict_std
        predict_std: bool = False,
    ) -> None:
        super().__init__()
        kinds.check_kind("resnet", spec, ["field", "volume", "interpolation", "label", "assimilation"])
        checks.even_number("model.layers", layers, least=4)
        checks.choice("model.skip", skip, ("addition", "concatenation", "none"))
        inputs, outputs = len(spec.input_channels), self.channels(spec, predict_std=predict_std)
        frame = convolutions.frame_of(spec, kernel)
        style = {"activation": activation, "normalization": normalization, "frame": frame}
        if spec.kind == "label":
            modules: list[nn.Module] = []
            for stage, channels in enumerate(convolutions.widths(width)):
                modules += [convolutions.pool()] if stage else []
                modules.append(convolutions.conv(inputs, channels, norm=normalization, act=activation, frame=frame))
                count = ((layers - 4) // 2 + stage) // 3  # what cannot be shared evenly goes to the coarser ones
                inputs = _append_blocks(modules, count, skip, width=channels, **style)
            self.layers = convolutions.label_layers(*modules)
            self.last = nn.Linear(inputs, outputs)
        else:
            modules = [convolutions.conv(inputs, width, norm=normalization, act=activation, frame=frame)]
            inputs = _append_blocks(modules, (layers - 2) // 2, skip, width=width, **style)
            self.layers = nn.Sequential(
                *modules, convolutions.conv(inputs, outputs, norm="none", act=None, frame=frame)[0]
            )
            self.last = basic_layers.within_bounds(spec)
            self.halo = layers * frame.lost
            self.local = self.halo > 0 and normalization != "group"  # whose statistics are of the whole field


def _append_blocks(
    modules: list[nn.Module], count: int, skip: str, *, width: int, frame: Frame, activation: str, normalization: str
) -> int:
    """Add `count` blocks behind a layer of `width` channels, and return how many channels the last one gives."""
    style = {"width": width, "frame": frame, "activation": activation, "normalization": normalization}
    channels = width
    for _ in range(count):
        if skip == "concatenation":
            modules.append(ConcatenationBlock(inputs=channels, **style))
            channels = 2 * width
        else:
            modules.append((AdditiveBlock if skip == "addition" else PlainBlock)(**style))
    return channels
