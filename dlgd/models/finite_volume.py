"""A network built like a finite-volume scheme: cells exchange messages through their faces, and none passes a coast.

Where the data give the open faces and the coupling through them, messages are weighted by it, so that the network need
not learn what a coast is. Otherwise all faces are alike.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgd.core import checks
from dlgd.core.contract import Network, Output, Spec
from dlgd.models import basic_layers, convolutions, kinds

OPEN, COUPLING = ("open_i", "open_j"), ("log_coupling_i", "log_coupling_j")  # channels on south and west faces


class Transmissivity(nn.Module):
    """The share of each message that passes a face: open * sigmoid(slope * log_coupling + offset), where slope and
    offset are learned."""

    def __init__(self, channels: tuple[str, ...], messages: int) -> None:
        super().__init__()
        self.open, self.coupling = ([channels.index(name) for name in pair] for pair in (OPEN, COUPLING))
        self.slope = nn.Parameter(torch.full((messages, 1, 1), 2.0))
        self.offset = nn.Parameter(torch.linspace(-2, 2, messages)[:, None, None])

    def forward(self, input: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, Y, X) -> (B, messages, Y, X) of south faces, and of west faces."""
        south, west = (
            input[:, [is_open]] * torch.sigmoid(self.slope * input[:, [coupling]] + self.offset)
            for is_open, coupling in zip(self.open, self.coupling, strict=True)
        )
        return south, west


class Exchange(nn.Module):
    """Each cell sends `messages` numbers through each of its four faces, and computes a new state from its own one and
    from what arrives. The result has one cell fewer on each side."""

    def __init__(self, *, width: int, messages: int, normalization: str) -> None:
        super().__init__()
        self.messages = messages
        self.send = nn.Conv2d(width, 4 * messages, 1)
        self.take = convolutions.conv(
            width + 4 * messages, width, norm=normalization, act=None, frame=convolutions.Frame(1)
        )

    def forward(self, state: Tensor, transmissivity: tuple[Tensor, Tensor] | None) -> Tensor:
        """transmissivity: of south and of west faces, of the same size as the state; None where all faces are open."""
        from_south, from_north, from_west, from_east = self.send(state).split(self.messages, dim=1)
        arrived = [
            from_south[..., :-2, 1:-1],
            from_north[..., 2:, 1:-1],
            from_west[..., 1:-1, :-2],
            from_east[..., 1:-1, 2:],
        ]
        if transmissivity is not None:
            south, west = transmissivity
            faces = (south[..., 1:-1, 1:-1], south[..., 2:, 1:-1], west[..., 1:-1, 1:-1], west[..., 1:-1, 2:])
            arrived = [message * face for message, face in zip(arrived, faces, strict=True)]
        return self.take(torch.cat([convolutions.crop(state, 1), *arrived], dim=1))


class FiniteVolume(Network):
    """A 3 x 3 convolution, exchanges of messages with a skip over each pair, and two layers within the cell.

    The convolution and each exchange consume one cell on each side: halo = layers + 1.

    layers: number of exchanges, even, 2 or more; each lets a cell hear of cells that are one cell further away.
    width: numbers in the state of a cell, 1 or more.
    messages: numbers that a cell sends through each face, 1 or more.
    activation: of the exchanges, one of `basic_layers.ACTIVATIONS`.
    normalization: of the first layer and of the exchanges, "batch", "group" or "none".
    """

    def __init__(
        self, *, spec: Spec, layers: int, width: int, messages: int, activation: str, normalization: str
    ) -> None:
        super().__init__()
        kinds.check_kind("finite_volume", spec, ["field"])
        checks.even_number("model.layers", layers, least=2)
        checks.whole_number("model.messages", messages, least=1)
        known = set(OPEN + COUPLING) <= set(spec.input_channels)
        self.faces = Transmissivity(spec.input_channels, messages) if known else None
        self.first = convolutions.conv(len(spec.input_channels), width, norm=normalization, act=activation)
        self.exchanges = nn.ModuleList(
            Exchange(width=width, messages=messages, normalization=normalization) for _ in range(layers)
        )
        self.activation = basic_layers.activation(activation)
        self.last = nn.Sequential(
            nn.Conv2d(width, width, 1),
            basic_layers.activation(activation),
            nn.Conv2d(width, len(spec.output_channels), 1),
        )
        self.bounded = basic_layers.within_bounds(spec)
        self.halo = layers + 1
        self.local = normalization != "group"  # whose statistics are of the whole field

    def forward(self, input: Tensor) -> Output:
        """(B, C, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X)."""
        transmissivity = None if self.faces is None else self.faces(input)
        before = state = self.first(input)
        for number, exchange in enumerate(self.exchanges):
            if transmissivity is not None:
                south, west = transmissivity
                transmissivity = convolutions.crop(south, 1), convolutions.crop(west, 1)
            if number % 2 == 0:
                before, state = state, self.activation(exchange(state, transmissivity))
            else:
                state = self.activation(exchange(state, transmissivity) + convolutions.crop(before, 2))
        return Output(self.bounded(self.last(state)))
