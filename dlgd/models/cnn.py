"""Plain convolutional network: of fields without padding (Coulaud 2022, section 3), of labels with pooling, of
sequences with padding in time."""

from __future__ import annotations

from torch import nn

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.models import basic_layers, convolutions, kinds
from dlgd.models.estimators import Stack


class CNN(Stack):
    """All layers but the last are convolutions, each with normalization and activation.

    For fields, the last layer is a convolution too. Each layer consumes kernel // 2 cells on each side:
    halo = layers * (kernel // 2).

    For labels, convolutions are padded with zeros. After the second and the fourth, the largest of 2 x 2 cells is
    taken; there are width / 4, width / 2 and `width` channels at the three resolutions. The last layer is dense, on the
    mean over the cells.

    For sequences, a third each of the layers have width / 4, width / 2 and `width` channels, and the last layer is a
    convolution of 1 x 1.

    layers: number of layers, 2 or more.
    width: channels of the hidden layers; of labels and sequences, of the widest ones.
    kernel: cells of a convolution each way, odd; of sequences, steps, and on a ring variables.
    dropout: probability that a number is set to zero before the last layer, in training; from 0 to below 1.
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
        dropout: float,
        activation: str,
        normalization: str,
        kernel: int = 3,  # has a default for checkpoints from before it was an option; so has predict_std
        predict_std: bool = False,
    ) -> None:
        super().__init__()
        kinds.check_kind("cnn", spec, ["field", "interpolation", "label", "assimilation"])
        checks.number("model.dropout", dropout, least=0, below=1)
        checks.whole_number("model.layers", layers, least=2)
        outputs = self.channels(spec, predict_std=predict_std)
        frame = convolutions.frame_of(spec, kernel)
        labels, series = spec.kind == "label", spec.kind == "sequence"
        sizes = [len(spec.input_channels)]
        for number in range(layers - 1):
            third = min(number // 2, 2) if labels else 3 * number // (layers - 1)
            sizes.append(convolutions.widths(width)[third] if labels or series else width)
        hidden = [
            convolutions.conv(a, b, norm=normalization, act=activation, frame=frame)
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        ]
        if labels:
            for convolution in hidden[1:4:2]:
                convolution.append(convolutions.pool())
            self.layers = convolutions.label_layers(*hidden).append(nn.Dropout(dropout))
            self.last = nn.Linear(sizes[-1], outputs)
        else:
            hidden[-1].append(nn.Dropout(dropout))
            self.layers = nn.Sequential(*hidden, nn.Conv2d(sizes[-1], outputs, 1 if series else kernel))
            self.last = basic_layers.within_bounds(spec)
            self.halo = layers * frame.lost
            self.local = self.halo > 0 and normalization != "group"  # whose statistics are of the whole field
