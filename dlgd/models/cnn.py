"""Plain convolutional network, 3 x 3: of fields without padding (Coulaud 2022, section 3), of labels with pooling."""

from __future__ import annotations

from torch import nn

from dlgd.contract import Spec
from dlgd.models import blocks


class CNN(blocks.Stack):
    """`layers` layers; all but the last are convolutions with normalization and activation, dropout after them.

    Of fields they have `width` channels, and the last is a convolution too. Each layer consumes one cell on each
    side: halo = layers.

    Of labels they are padded with zeros. After the second and the fourth, the largest of 2 x 2 cells is taken; there
    are width / 4, width / 2 and `width` channels at the three resolutions. The last layer is dense, on the mean over
    the cells.
    """

    def __init__(
        self, *, spec: Spec, layers: int, width: int, dropout: float, activation: str, normalization: str
    ) -> None:
        super().__init__()
        blocks.check_kind("cnn", spec, ["field", "label"])
        blocks.check_share("dropout", dropout)
        if layers < 2:
            raise ValueError(f"model.layers={layers}: a cnn needs at least 2 layers")
        labels, outputs = spec.kind == "label", len(spec.output_channels)
        each = blocks.widths(width) if labels else (width,)
        sizes = [len(spec.input_channels)] + [each[min(number // 2, len(each) - 1)] for number in range(layers - 1)]
        hidden = [
            blocks.conv(a, b, norm=normalization, act=activation, padding=int(labels))
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        ]
        if labels:
            for convolution in hidden[1:4:2]:
                convolution.append(blocks.pool())
            self.layers = blocks.label_layers(*hidden).append(nn.Dropout(dropout))
            self.last = nn.Linear(sizes[-1], outputs)
        else:
            hidden[-1].append(nn.Dropout(dropout))
            self.layers = nn.Sequential(*hidden, nn.Conv2d(width, outputs, 3))
            self.last = blocks.within_bounds(spec)
            self.halo = layers
