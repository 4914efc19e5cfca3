"""Layers that have no size in space: activations and normalizations by name, dense layers, bounds of predictions."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.core.errors import Refusal

M = TypeVar("M", bound=nn.Module)

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


def activation(name: str) -> nn.Module:
    """Return a new one of ACTIVATIONS by its name."""
    checks.choice("model.activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()


def normalization(name: str, channels: int, *, axes: int = 2) -> nn.Module:
    """Return a normalization of `channels` feature maps or volumes, or of as many numbers, which have no axes.

    "batch" takes means over the batch; "group" over groups of 8 channels of each sample, or over one group where there
    are fewer channels; "none" changes nothing.
    """
    checks.choice("model.normalization", name, NORMALIZATIONS)
    if name == "batch":
        return {0: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[axes](channels)
    if name == "group":
        if channels > 8 and channels % 8:
            raise Refusal(
                f"model.normalization=group wants a multiple of 8 channels in each layer, not {channels}: change "
                "model.width"
            )
        return nn.GroupNorm(max(channels // 8, 1), channels)
    return nn.Identity()


def dense(inputs: int, outputs: int, *, norm: str, act: str) -> nn.Sequential:
    """Return a dense layer, its normalization and its activation."""
    return nn.Sequential(nn.Linear(inputs, outputs), normalization(norm, outputs, axes=0), activation(act))


def at_least_float32(x: Tensor) -> Tensor:
    """Return the tensor in float32 or finer: bfloat16 is too coarse for sums, logarithms, and probabilities near 0
    and 1."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def channels_last(module: M) -> M:
    """Return the module itself, its weights with channels last in memory, which is faster on CPUs."""
    # PyTorch's annotations of Module.to know no memory format alone
    return module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


class Bounded(nn.Module):
    """Maps any number to one between the bounds: low + (high - low) / (1 + exp(-x))."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return self.low + (self.high - self.low) * torch.sigmoid(at_least_float32(x))


def within_bounds(spec: Spec) -> nn.Module:
    """Return the last layer of a network of fields, which keeps predictions where the data say that the targets are."""
    return nn.Identity() if spec.bounds is None else Bounded(*spec.bounds)
