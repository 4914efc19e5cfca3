"""Multilayer perceptron: dense layers over all cells of a sample at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.models import basic_layers, kinds
from dlgd.models.estimators import Stack


class MLP(Stack):
    """Dense layers with normalization, activation and dropout, and a last one of the answer's size.

    Each cell of a sample has weights of its own, so samples must come whole.

    sizes: numbers in each hidden layer, whole numbers of 1 or more; [] for a single layer, a linear network.
    dropout: probability that a number is set to zero after each hidden layer, in training; from 0 to below 1.
    activation: of the hidden layers, one of `basic_layers.ACTIVATIONS`.
    normalization: of the hidden layers, "batch", "group" or "none".
    """

    def __init__(
        self, *, spec: Spec, sizes: Sequence[int], dropout: float, activation: str, normalization: str
    ) -> None:
        super().__init__()
        kinds.check_kind("mlp", spec, ["label", "field"])
        kinds.check_whole("mlp", spec)
        checks.number("model.dropout", dropout, least=0, below=1)
        checks.whole_numbers("model.sizes", sizes, least=1, example="[512,256]", empty=True)
        numbers = [len(spec.input_channels) * math.prod(spec.grid), *sizes]
        hidden = [
            nn.Sequential(basic_layers.dense(a, b, norm=normalization, act=activation), nn.Dropout(dropout))
            for a, b in zip(numbers[:-1], numbers[1:], strict=True)
        ]
        self.layers = nn.Sequential(nn.Flatten(), *hidden)
        if spec.kind == "label":
            self.last = nn.Linear(numbers[-1], len(spec.output_channels))
        else:
            shape = (len(spec.output_channels), *spec.grid)
            self.last = nn.Sequential(
                nn.Linear(numbers[-1], math.prod(shape)), nn.Unflatten(1, shape), basic_layers.within_bounds(spec)
            )
