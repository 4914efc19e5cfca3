"""Convolutions and what surrounds them: how much they consume, what lies beyond the boundary, several resolutions.

Where nothing else is said, convolutions are "valid": the context comes from the data's halo. Those of sequences keep
their size: see `SequenceConv`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.models import basic_layers, kinds


@dataclass(frozen=True)
class Frame:
    """The size of convolutions, and what they find beyond the boundary of their input."""

    kernel: int = 3
    padding: int = 0  # cells of zeros on each side
    levels: bool = False  # of volumes: as many levels as cells each way, with zeros above and below
    ring: int = 0  # of sequences, the number of variables on it; then nothing is lost, see `SequenceConv`

    @property
    def lost(self) -> int:
        """Cells on each side that a convolution consumes."""
        return 0 if self.ring else self.kernel // 2 - self.padding


VALID = Frame()


def odd_kernel(kernel: int) -> int:
    """Return the size of a kernel. Refuse an even one, which has no middle."""
    checks.odd_number("model.kernel", kernel, least=1, hint="a convolution has a cell in its middle")
    return kernel


def frame_of(spec: Spec, kernel: int = 3) -> Frame:
    """Return the frame that data ask for: fields bring their halo, volumes too but for their levels, labels are padded
    with zeros, sequences keep their size."""
    odd_kernel(kernel)
    if spec.kind == "sequence":
        return Frame(kernel, ring=spec.grid[-1])
    if kinds.kind_of(spec) == "volume":
        return Frame(kernel, levels=True)
    return Frame(kernel, padding=kernel // 2 if spec.kind == "label" else 0)


def conv(
    inputs: int, outputs: int, *, norm: str, act: str | None, frame: Frame = VALID, stride: int = 1
) -> nn.Sequential:
    """Return a convolution, its normalization and its activation (none for act=None)."""
    checks.whole_number("model.width", outputs, least=1)
    if frame.ring:
        convolution: nn.Module = SequenceConv(inputs, outputs, frame.kernel, frame.ring)
    elif frame.levels:
        beyond = (frame.kernel // 2, frame.padding, frame.padding)
        convolution = nn.Conv3d(inputs, outputs, frame.kernel, padding=beyond)
    else:
        convolution = nn.Conv2d(inputs, outputs, frame.kernel, stride, frame.padding)
    layers = [convolution, basic_layers.normalization(norm, outputs, axes=3 if frame.levels else 2)]
    return nn.Sequential(*layers, *([] if act is None else [basic_layers.activation(act)]))


# --- convolutions that keep the size -----------------------------------------------------------------------


def close_ring(x: Tensor, width: int) -> Tensor:
    """(..., X) -> (..., X + width - 1): each of the X places on the ring finds `width` cells around it, X >= width."""
    before, after = width // 2, (width - 1) // 2
    return torch.cat((x[..., x.shape[-1] - before :], x, x[..., :after]), dim=-1) if width > 1 else x


class SequenceConv(nn.Conv2d):
    """A convolution of (B, C, T, X) that keeps T and X: zeros stand before the first step and after the last one, and
    the ring is closed.

    Its kernel has `kernel` steps, `dilation` steps apart, and is as wide, or as wide as the ring where that is smaller.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, ring: int, *, dilation: int = 1, bias: bool = True
    ) -> None:
        size, padding = (kernel, min(kernel, ring)), (dilation * (kernel // 2), 0)
        super().__init__(inputs, outputs, size, padding=padding, dilation=(dilation, 1), bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Any T."""
        if input.shape[3] > 1:
            return super().forward(close_ring(input, self.kernel_size[1]))
        # Without a ring time goes last, where the CPU's convolutions are up to five times as fast; nothing is copied.
        lying = functional.conv2d(
            input.mT, self.weight.mT, self.bias, padding=self.padding[::-1], dilation=self.dilation[::-1]
        )
        return lying.mT


def same_conv(inputs: int, outputs: int, kernel: int, ring: int, *, bias: bool = True) -> nn.Conv2d:
    """Return a convolution that keeps the size: of sequences (ring > 0) a `SequenceConv`, of maps (ring 0) one with
    zeros beyond the boundary."""
    if ring > 0:
        return SequenceConv(inputs, outputs, kernel, ring, bias=bias)
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)


def crop(field_BCYX: Tensor, cells: int) -> Tensor:
    """Return the field without `cells` cells on each side."""
    return field_BCYX[..., cells:-cells, cells:-cells] if cells else field_BCYX


# --- several resolutions -----------------------------------------------------------------------------------


def widths(width: int) -> tuple[int, int, int]:
    """Return the channels of networks of labels at full, half and quarter resolution, where `width` is the most.

    A cell at full resolution costs as much as a cell at a quarter with 16 times the channels: networks that are narrow
    at full resolution are fast.
    """
    return max(width // 4, 1), max(width // 2, 1), width


def pool() -> nn.Module:
    """Return a layer that takes the largest of 2 x 2 cells, or of those that exist in a last odd row or column."""
    return nn.MaxPool2d(2, ceil_mode=True)


def label_layers(*modules: nn.Module) -> nn.Sequential:
    """Return the modules and the mean over the cells: (B, C, Y, X) -> (B, channels of the last one).

    Weights lie in memory with channels last, and so will their outputs: a third faster where channels are few.
    """
    return basic_layers.channels_last(nn.Sequential(*modules, CellMean()))


class CellMean(nn.Module):
    """(B, C, Y, X) -> (B, C), the mean over all cells."""

    def forward(self, x: Tensor) -> Tensor:
        """Any size."""
        return x.mean(dim=(-2, -1))
