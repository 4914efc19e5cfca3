"""What a layer sees: the cells of its input on which one cell of its output depends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

TAKE_SEVERAL_CELLS = {f"torch.nn.modules.{name}" for name in ("conv", "pooling", "upsampling", "fold", "pixelshuffle")}


@dataclass(frozen=True)
class Window:
    """The cells along an axis from which a layer makes one cell: `kernel` of them, `dilation` apart; the next window
    is `stride` cells further."""

    kernel: int
    stride: int = 1
    dilation: int = 1


def windows(module: nn.Module) -> list[Window]:
    """Return the windows of the convolutions and poolings within a module, along the last axis, in the order in which
    they were built: that of their work in a network that is a chain and uses each layer once.

    Raises ValueError for layers that take several cells in another way, such as upsampling.
    """
    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    layers = [layer for layer in module.modules() if type(layer).__module__ in TAKE_SEVERAL_CELLS]
    others = sorted({type(layer).__name__ for layer in layers if not isinstance(layer, kinds)})
    if others:
        raise ValueError(f"what {', '.join(others)} sees is not known in closed form: see by_gradients")
    return [
        Window(*(_last(getattr(layer, name, 1)) for name in ("kernel_size", "stride", "dilation"))) for layer in layers
    ]


def _last(value: int | tuple[int, ...]) -> int:
    return value[-1] if isinstance(value, tuple) else value


def closed_form(chain: Iterable[Window]) -> int:
    """Return how many cells of the input, along an axis, one cell behind a chain of layers sees.

    1 + sum over layers l of (kernel_l - 1) * dilation_l * (product of the strides before l).
    """
    size, step = 1, 1
    for window in chain:
        size += (window.kernel - 1) * window.dilation * step
        step *= window.stride
    return size


def by_gradients(layers: Callable[[Tensor], Tensor], input: Tensor) -> np.ndarray:
    """Return (Y, X): how strongly the middle cell of the output depends on each cell of the input.

    That is the root mean square, over samples and input channels, of the gradient of the sum of the middle cell's
    channels. Cells that it does not see are exactly 0.

    layers: (B, C_in, Y, X) -> (B, C_out, Y', X'). input: many samples, since a unit that is not active sees nothing.
    """
    input = input.detach().requires_grad_()
    with torch.enable_grad():
        output = layers(input)
        rows, columns = output.shape[-2:]
        (gradient,) = torch.autograd.grad(output[..., rows // 2, columns // 2].sum(), input)
    return gradient.double().square().mean(dim=(0, 1)).sqrt().numpy()


def extent(seen: np.ndarray) -> tuple[int, int]:
    """Return rows and columns of the smallest rectangle that holds all cells that are not 0."""
    places = np.nonzero(seen)
    if not len(places[0]):
        return 0, 0
    rows, columns = (int(axis.max() - axis.min()) + 1 for axis in places)
    return rows, columns


def spread(seen: np.ndarray) -> float:
    """Return the standard deviation, in cells along an axis, of the squares of `seen` taken as a distribution.

    Raises ValueError where nothing is seen.
    """
    if not np.any(seen):
        raise ValueError("no cell is seen, so they have no spread")
    weights = seen**2 / (seen**2).sum()
    variances = []
    for axis, size in enumerate(seen.shape):
        along, places = weights.sum(axis=1 - axis), np.arange(size)
        variances.append(along @ (places - along @ places) ** 2)
    return float(np.sqrt(np.mean(variances)))
