"""A network built like a finite-volume scheme: cells exchange messages through their faces, and none passes a coast.

Where the data give the open faces and the coupling through them, messages are weighted by it, so that the network need
not learn what a coast is. Otherwise all faces are alike.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Network, Output, Spec
from dlgd.models import basic_layers, convolutions, kinds

# channels on south and west faces, and of volumes on top faces
OPEN = ("open_i", "open_j", "open_k")
COUPLING = ("log_coupling_i", "log_coupling_j", "log_coupling_k")


class Transmissivity(nn.Module):
    """The share of each message that passes a face: open * sigmoid(slope * log_coupling + offset), where slope and
    offset are learned. axes: of the space, as many as there are kinds of faces."""

    def __init__(self, channels: tuple[str, ...], messages: int, axes: int) -> None:
        super().__init__()
        self.open, self.coupling = ([channels.index(name) for name in names[:axes]] for names in (OPEN, COUPLING))
        shape = (messages, *[1] * axes)
        self.slope = nn.Parameter(torch.full(shape, 2.0))
        self.offset = nn.Parameter(torch.linspace(-2, 2, messages).reshape(shape))

    def forward(self, input: Tensor) -> tuple[Tensor, ...]:
        """(B, C, ...) -> (B, messages, ...) of each kind of face."""
        return tuple(
            input[:, [is_open]] * torch.sigmoid(self.slope * input[:, [coupling]] + self.offset)
            for is_open, coupling in zip(self.open, self.coupling, strict=True)
        )


class Exchange(nn.Module):
    """Each cell sends `messages` numbers through each of its faces, four or in volumes six, and computes a new state
    from its own one and from what arrives. The result has one cell fewer on each side, and as many levels."""

    def __init__(self, *, width: int, messages: int, normalization: str, levels: bool) -> None:
        super().__init__()
        self.messages, self.levels = messages, levels
        sent = (6 if levels else 4) * messages
        self.send = (nn.Conv3d if levels else nn.Conv2d)(width, sent, 1)
        self.take = convolutions.conv(
            width + sent, width, norm=normalization, act=None, frame=convolutions.Frame(1, levels=levels)
        )

    def forward(self, state: Tensor, transmissivity: tuple[Tensor, ...] | None) -> Tensor:
        """transmissivity: of each kind of face, of the same size as the state; None where all faces are open."""
        from_south, from_north, from_west, from_east, *vertical = self.send(state).split(self.messages, dim=1)
        arrived = [
            from_south[..., :-2, 1:-1],
            from_north[..., 2:, 1:-1],
            from_west[..., 1:-1, :-2],
            from_east[..., 1:-1, 2:],
        ]
        if self.levels:
            from_above, from_below = (convolutions.crop(each, 1) for each in vertical)
            arrived += [_lower(from_above), _upper(from_below)]
        if transmissivity is not None:
            south, west, *top = transmissivity
            faces = [south[..., 1:-1, 1:-1], south[..., 2:, 1:-1], west[..., 1:-1, 1:-1], west[..., 1:-1, 2:]]
            for each in top:
                faces += [convolutions.crop(each, 1), _upper(convolutions.crop(each, 1))]
            arrived = [message * face for message, face in zip(arrived, faces, strict=True)]
        return self.take(torch.cat([convolutions.crop(state, 1), *arrived], dim=1))


def _lower(volume_BCZYX: Tensor) -> Tensor:
    """What stands in each level, one level lower; zero in the first one."""
    return functional.pad(volume_BCZYX[:, :, :-1], (0, 0, 0, 0, 1, 0))


def _upper(volume_BCZYX: Tensor) -> Tensor:
    """What stands in each level, one level higher; zero in the last one."""
    return functional.pad(volume_BCZYX[:, :, 1:], (0, 0, 0, 0, 0, 1))


class FiniteVolume(Network):
    """A convolution of 3 cells each way, exchanges of messages with a skip over each pair, and two layers within the
    cell.

    The convolution and each exchange consume one cell on each side: halo = layers + 1. Of volumes they keep the levels.

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
        kinds.check_kind("finite_volume", spec, ["field", "volume"])
        checks.even_number("model.layers", layers, least=2)
        checks.whole_number("model.messages", messages, least=1)
        levels = kinds.kind_of(spec) == "volume"
        axes = 3 if levels else 2
        known = set(OPEN[:axes] + COUPLING[:axes]) <= set(spec.input_channels)
        self.faces = Transmissivity(spec.input_channels, messages, axes) if known else None
        self.first = convolutions.conv(
            len(spec.input_channels), width, norm=normalization, act=activation, frame=convolutions.frame_of(spec)
        )
        self.exchanges = nn.ModuleList(
            Exchange(width=width, messages=messages, normalization=normalization, levels=levels) for _ in range(layers)
        )
        self.activation = basic_layers.activation(activation)
        layer = nn.Conv3d if levels else nn.Conv2d
        self.last = nn.Sequential(
            layer(width, width, 1),
            basic_layers.activation(activation),
            layer(width, len(spec.output_channels), 1),
        )
        self.bounded = basic_layers.within_bounds(spec)
        self.halo = layers + 1
        self.local = normalization != "group"  # whose statistics are of the whole field

    def forward(self, input: Tensor) -> Output:
        """(B, C, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X); of volumes (B, C, Z, ...) likewise."""
        transmissivity = None if self.faces is None else self.faces(input)
        before = state = self.first(input)
        for number, exchange in enumerate(self.exchanges):
            if transmissivity is not None:
                transmissivity = tuple(convolutions.crop(each, 1) for each in transmissivity)
            if number % 2 == 0:
                before, state = state, self.activation(exchange(state, transmissivity))
            else:
                state = self.activation(exchange(state, transmissivity) + convolutions.crop(before, 2))
        return Output(self.bounded(self.last(state)))
