"""Convolutional network with skip connections over pairs of layers (Coulaud 2022, section 4; He et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgd.contract import Network, Output, Spec
from dlgd.models import blocks


class AdditiveBlock(nn.Module):
    """activation(conv, normalization, activation, conv, normalization + the cropped input)."""

    def __init__(self, *, width: int, activation: str, normalization: str) -> None:
        super().__init__()
        self.first = blocks.conv(width, width, norm=normalization, act=activation)
        self.second = blocks.conv(width, width, norm=normalization, act=None)
        self.activation = blocks.activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Two cells fewer on each side."""
        return self.activation(self.second(self.first(x)) + blocks.crop(x, 2))


class ConcatenationBlock(nn.Module):
    """Two layers; the output stands beside the `width` channels that were new in the input."""

    def __init__(self, *, inputs: int, width: int, activation: str, normalization: str) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(
            blocks.conv(inputs, width, norm=normalization, act=activation),
            blocks.conv(width, width, norm=normalization, act=activation),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, ...) -> (B, 2 width, ...), two cells fewer on each side."""
        return torch.cat([self.layers(x), blocks.crop(x[:, : self.width], 2)], dim=1)


class PlainBlock(nn.Sequential):
    """Two layers without a skip, for comparison."""

    def __init__(self, *, width: int, activation: str, normalization: str) -> None:
        super().__init__(*(blocks.conv(width, width, norm=normalization, act=activation) for _ in range(2)))


class ResNet(Network):
    """A layer, (layers - 2) / 2 blocks of two layers, and a last convolution; 3 x 3, no padding.

    `skip` is "addition", "concatenation" or "none". Each layer consumes one cell on each side: halo = layers.
    """

    def __init__(self, *, spec: Spec, layers: int, width: int, skip: str, activation: str, normalization: str) -> None:
        super().__init__()
        blocks.check_field("resnet", spec.kind, spec.name, "mlp")
        if layers < 4 or layers % 2:
            raise ValueError(f"model.layers={layers}: a resnet needs an even number of layers, 4 or more")
        if skip not in ("addition", "concatenation", "none"):
            raise ValueError(f"model.skip={skip} is unknown: choose addition, concatenation or none")
        style = {"width": width, "activation": activation, "normalization": normalization}
        modules: list[nn.Module] = [blocks.conv(len(spec.input_channels), width, norm=normalization, act=activation)]
        channels = width
        for _ in range((layers - 2) // 2):
            if skip == "concatenation":
                modules.append(ConcatenationBlock(inputs=channels, **style))
                channels = 2 * width
            else:
                modules.append((AdditiveBlock if skip == "addition" else PlainBlock)(**style))
        self.layers = nn.Sequential(*modules, nn.Conv2d(channels, len(spec.output_channels), 3))
        self.halo = layers

    def forward(self, input: Tensor) -> Output:
        """(B, C, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X)."""
        return Output(self.layers(input))
