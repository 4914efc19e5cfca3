"""What networks that forecast have in common: states, the neighbours of a variable, and the way from step to step.

States here are (B, C, X) or (B, T, C, X), X the ring. On a ring all variables are alike, and each reads the `kernel`
nearest ones, which is a convolution; where X = 1, a network reads all C variables at once.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from dlgd.core import checks
from dlgd.core.contract import Network, Output, Spec
from dlgd.core.specs import SequenceSpec
from dlgd.models import basic_layers, convolutions, kinds

# The change of a scaled state in one step of the data is of this size. Networks answer in this unit, so that answers
# are near 1, and a network starts near persistence.
CHANGE = 0.1


class Forecaster(Network):
    """A network that continues sequences; `continued` is its way to do so."""

    def __init__(self, *, name: str, spec: Spec) -> None:
        super().__init__()
        kinds.check_kind(name, spec, ["forecast"])
        assert isinstance(spec, SequenceSpec), "all data that ask for forecasts have one"
        self.context_steps, self.dt = spec.context_steps, spec.dt
        self.variables, self.ring = len(spec.output_channels), spec.grid[-1]

    @abstractmethod
    def continued(self, known: Tensor, steps: int) -> Tensor:
        """The known states (B, given, C, X), all scaled -> the following (B, steps, C, X)."""

    def forward(self, input: Tensor) -> Output:
        """(B, C, given + n, X), of which the given steps are looked at -> (B, C, n, X), any n."""
        steps = input.shape[2] - self.context_steps
        # A step changes a state by little, which bfloat16 would lose.
        with torch.autocast(input.device.type, enabled=False):
            known = basic_layers.at_least_float32(input[:, :, : self.context_steps]).transpose(1, 2)
            return Output(self.continued(known, steps).transpose(1, 2))


def around(states: Tensor, width: int) -> Tensor:
    """(..., C, X) -> (..., X, C width): for each place on the ring, the variables of the `width` nearest places.

    A dense layer after it is a convolution over the ring.
    """
    return convolutions.close_ring(states, width).unfold(-1, width, 1).transpose(-3, -2).flatten(-2)


def dense_layers(inputs: int, hidden: int, layers: int, outputs: int, *, activation: str) -> nn.Sequential:
    """Return `layers` hidden dense layers of `hidden` numbers, each followed by the activation, and a last one."""
    checks.whole_number("model.hidden", hidden, least=1)
    checks.whole_number("model.layers", layers, least=1)
    sizes = [inputs, *[hidden] * layers]
    made: list[nn.Module] = []
    for a, b in zip(sizes[:-1], sizes[1:], strict=True):
        made += [nn.Linear(a, b), basic_layers.activation(activation)]
    return nn.Sequential(*made, nn.Linear(hidden, outputs))
