"""Residual perceptron: each state is the one before it plus a change that dense layers compute from the last states."""

from __future__ import annotations

import torch
from torch import Tensor

from dlgd.core.contract import Spec
from dlgd.models import convolutions
from dlgd.models.forecasts import CHANGE, Forecaster, around, dense_layers


class ResidualMLP(Forecaster):
    """x_(t+1) = x_t + f(x_t, x_(t-1), ...), again and again; f reads as many states as the data give at first.

    hidden: numbers in each hidden layer of f, 1 or more.
    layers: hidden layers of f, 1 or more.
    kernel: on a ring, the nearest variables that f reads, odd; without a ring it reads all.
    activation: of the hidden layers, one of `basic_layers.ACTIVATIONS`.
    """

    def __init__(self, *, spec: Spec, hidden: int, layers: int, kernel: int, activation: str) -> None:
        super().__init__(name="residual_mlp", spec=spec)
        self.kernel = min(convolutions.odd_kernel(kernel), self.ring)
        inputs = self.kernel * self.variables * self.context_steps
        self.layers = dense_layers(inputs, hidden, layers, self.variables, activation=activation)

    def continued(self, known: Tensor, steps: int) -> Tensor:
        """See `Forecaster`."""
        states = list(known.unbind(1))
        for _ in range(steps):
            recent = torch.cat(states[-self.context_steps :], dim=1)  # (B, context_steps C, X)
            change = self.layers(around(recent, self.kernel)).transpose(1, 2)
            states.append(states[-1] + CHANGE * change)
        return torch.stack(states[self.context_steps :], dim=1)
