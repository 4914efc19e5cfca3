"""Temporal convolutional network (Bai et al. 2018): a forecast from dilated convolutions over the last steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.models import basic_layers, convolutions
from dlgd.models.forecasts import CHANGE, Forecaster


class TCN(Forecaster):
    """Convolutions over steps that stand 1, 2, 4, ... apart, and a last one of 1 x 1. Together they make the change to
    the next state from the last 1 + (kernel - 1) (2^layers - 1) states; where fewer are known, the first one is
    repeated.

    layers: convolutions but the last, 1 or more.
    width: channels of each of them, 1 or more.
    kernel: steps of a convolution, and on a ring the nearest variables; odd.
    activation: of the convolutions, one of `basic_layers.ACTIVATIONS`.
    """

    def __init__(self, *, spec: Spec, layers: int, width: int, kernel: int, activation: str) -> None:
        super().__init__(name="tcn", spec=spec)
        checks.whole_number("model.layers", layers, least=1)
        checks.whole_number("model.width", width, least=1)
        self.kernel = min(convolutions.odd_kernel(kernel), self.ring)
        self.reach = 1 + (kernel - 1) * (2**layers - 1)
        sizes = [self.variables, *[width] * layers]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, (kernel, self.kernel), dilation=(2**number, 1))
            for number, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True))
        )
        self.activation = basic_layers.activation(activation)
        self.last = nn.Conv2d(width, self.variables, 1)

    def continued(self, known: Tensor, steps: int) -> Tensor:
        """See `Forecaster`."""
        before = max(self.reach - self.context_steps, 0)
        states = [known[:, 0]] * before + list(known.unbind(1))
        for _ in range(steps):
            states.append(states[-1] + CHANGE * self._change(torch.stack(states[-self.reach :], dim=2)))
        return torch.stack(states[before + self.context_steps :], dim=1)

    def _change(self, x: Tensor) -> Tensor:
        """(B, C, reach, X) -> (B, C, X)."""
        for convolution in self.layers:
            x = self.activation(convolution(convolutions.close_ring(x, self.kernel)))
        return self.last(x)[:, :, 0]
