"""Pieces of which networks are made, and the questions that they ask of the data.

Where nothing else is said, convolutions are "valid": context comes from the data's halo.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlgd.contract import Network, Output, Spec

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "prelu": nn.PReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
NORMALIZATIONS = ("batch", "group", "none")

# For each kind of data: what a network that fits it does, what the data do, and a choice that fits them.
KINDS = {
    "field": ("predicts fields", "gives fields", "model=resnet"),
    "label": ("predicts labels", "gives labels", "model=cnn"),
    "sequence": ("predicts sequences", "gives sequences", "data=nemovar"),  # no network for these yet
    "generated": ("makes new samples", "asks for new samples", "model=gan"),
}


# --- does it fit? ------------------------------------------------------------------------------------------


def check_kind(name: str, spec: Spec, kinds: Sequence[str]) -> None:
    """ValueError when data are of none of the kinds that the network model=<name> is for."""
    if spec.kind not in kinds:
        does = " or ".join(KINDS[kind][0] for kind in kinds)
        _, gives, hint = KINDS[spec.kind]
        raise ValueError(f"model={name} {does} but data={spec.name} {gives}: try {hint}")


def check_whole(name: str, spec: Spec) -> None:
    """ValueError when a network made for one size of samples would be given pieces of them."""
    if not spec.whole:
        raise ValueError(f"model={name} needs whole samples but data={spec.name} trains on patches: try model=resnet")


def check_share(option: str, value: float) -> None:
    """ValueError unless 0 <= value < 1."""
    if not 0 <= value < 1:
        raise ValueError(f"model.{option}={value} must be at least 0 and less than 1")


# --- layers ------------------------------------------------------------------------------------------------


def activation(name: str) -> nn.Module:
    """By name; see ACTIVATIONS."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation={name} is unknown: choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def normalization(name: str, channels: int, *, cells: bool = True) -> nn.Module:
    """Of `channels` feature maps, or, without cells, numbers: "batch", "group" (8 channels each; one group if there
    are fewer) or "none"."""
    if name == "batch":
        return nn.BatchNorm2d(channels) if cells else nn.BatchNorm1d(channels)
    if name == "group":
        if channels > 8 and channels % 8:
            raise ValueError(
                f"normalization=group wants a multiple of 8 channels in each layer, not {channels}: change model.width"
            )
        return nn.GroupNorm(max(channels // 8, 1), channels)
    if name == "none":
        return nn.Identity()
    raise ValueError(f"normalization={name} is unknown: choose one of {', '.join(NORMALIZATIONS)}")


def conv(
    inputs: int, outputs: int, *, norm: str, act: str | None, kernel: int = 3, padding: int = 0, stride: int = 1
) -> nn.Sequential:
    """Convolution, normalization, activation (none for act=None)."""
    if outputs < 1:
        raise ValueError(f"model.width={outputs}: at least one channel is needed")
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, padding), normalization(norm, outputs)]
    return nn.Sequential(*layers, *([] if act is None else [activation(act)]))


def dense(inputs: int, outputs: int, *, norm: str, act: str) -> nn.Sequential:
    """Dense layer, normalization, activation."""
    return nn.Sequential(nn.Linear(inputs, outputs), normalization(norm, outputs, cells=False), activation(act))


def crop(field_BCYX: Tensor, cells: int) -> Tensor:
    """Without `cells` cells on each side."""
    return field_BCYX[..., cells:-cells, cells:-cells] if cells else field_BCYX


def at_least_float32(x: Tensor) -> Tensor:
    """For what bfloat16 is too coarse for: chances near 0 and 1, logarithms, sums."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Bounded(nn.Module):
    """Any number to one between the bounds: low + (high - low) / (1 + exp(-x))."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return self.low + (self.high - self.low) * torch.sigmoid(at_least_float32(x))


def within_bounds(spec: Spec) -> nn.Module:
    """What a network of fields ends with: it keeps predictions where the data say that the targets are."""
    return nn.Identity() if spec.bounds is None else Bounded(*spec.bounds)


# --- labels ------------------------------------------------------------------------------------------------


def widths(width: int) -> tuple[int, int, int]:
    """Channels of networks of labels at full, half and quarter resolution, where `width` is the most.

    A cell at full resolution costs as much as 16 times wider ones at a quarter: narrow there, they are fast.
    """
    return max(width // 4, 1), max(width // 2, 1), width


def pool() -> nn.Module:
    """The largest of 2 x 2 cells; of a last odd row or column, of those that are there."""
    return nn.MaxPool2d(2, ceil_mode=True)


def label_layers(*modules: nn.Module) -> nn.Sequential:
    """The modules and the mean over the cells: (B, C, Y, X) -> (B, channels of the last one).

    Weights lie in memory with channels last, and so will what they give: a third faster where channels are few.
    """
    return nn.Sequential(*modules, CellMean()).to(memory_format=torch.channels_last)


class CellMean(nn.Module):
    """(B, C, Y, X) -> (B, C), the mean over all cells."""

    def forward(self, x: Tensor) -> Tensor:
        """Of any size."""
        return x.mean(dim=(-2, -1))


class Stack(Network):
    """A network that is one layer after the other. `last` makes the answer of what the `layers` give."""

    layers: nn.Module
    last: nn.Module

    def forward(self, input: Tensor) -> Output:
        """(B, C_in, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X) of fields, (B, classes) of labels."""
        return Output(self.last(self.layers(input)))

    def features(self, input: Tensor) -> Tensor:
        """Of labels: the numbers (B, n) of which the last dense layer makes the answer."""
        return self.layers(input)
