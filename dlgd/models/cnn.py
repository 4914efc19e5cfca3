"""Plain convolutional network, 3 x 3 convolutions without padding (Coulaud 2022, section 3)."""

from __future__ import annotations

from torch import Tensor, nn

from dlgd.contract import Network, Output, Spec
from dlgd.models import blocks


class CNN(Network):
    """`layers` convolutions; all but the last have `width` channels, normalization and activation.

    Each layer consumes one cell on each side: halo = layers.
    """

    def __init__(self, *, spec: Spec, layers: int, width: int, activation: str, normalization: str) -> None:
        super().__init__()
        blocks.check_field("cnn", spec.kind, spec.name, "mlp")
        if layers < 2:
            raise ValueError(f"model.layers={layers}: a cnn needs at least 2 layers")
        sizes = [len(spec.input_channels)] + [width] * (layers - 1)
        hidden = [
            blocks.conv(a, b, norm=normalization, act=activation) for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        ]
        self.layers = nn.Sequential(*hidden, nn.Conv2d(width, len(spec.output_channels), 3))
        self.halo = layers

    def forward(self, input: Tensor) -> Output:
        """(B, C, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X)."""
        return Output(self.layers(input))
