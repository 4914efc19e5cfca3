"""A residual network for assimilation, whose places are segments of a window instead of single steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.models import convolutions, kinds
from dlgd.models.estimators import Estimator


class Block(nn.Module):
    """x + dense(SiLU(dense(neighbours of LayerNorm(x)))), of `width` numbers at each place.

    The neighbours are the `kernel` nearest segments (zeros beyond the window) and, on a ring, of each the `kernel`
    nearest variables.
    """

    def __init__(self, *, width: int, kernel: int, ring: int) -> None:
        super().__init__()
        self.segments, self.variables = shifts(kernel), shifts(min(kernel, ring))
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(len(self.segments) * len(self.variables) * width, 2 * width)
        self.second = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, segments, X, width) -> the same."""
        reach, count = self.segments[-1], x.shape[1]
        z = functional.pad(self.norm(x), (0, 0, 0, 0, reach, reach))
        near = [z[:, reach + shift : reach + shift + count] for shift in self.segments]
        if len(self.variables) > 1:
            near = [torch.roll(part, -shift, dims=2) for part in near for shift in self.variables]
        return x + self.second(functional.silu(self.first(torch.cat(near, dim=3))))


class OverlappingSegments(Estimator):
    """A dense layer from all channels and steps of a segment to its numbers, residual blocks, and a dense layer back.

    All steps between two observations are estimated at once, on a coarse axis of time: with observations at every
    eighth step, segments of 8 do an eighth of the work of a network of single steps.

    segment: steps in a segment, 1 or more; best as many as from one observation to the next.
    width: numbers for each segment, 1 or more.
    layers: residual blocks, 1 or more.
    kernel: nearest segments, and on a ring variables, that a block reads; odd.
    predict_std: whether it predicts the standard deviations of its errors too, see `Estimator`.
    """

    def __init__(self, *, spec: Spec, segment: int, width: int, layers: int, kernel: int, predict_std: bool) -> None:
        super().__init__()
        kinds.check_kind("segments", spec, ["assimilation"])
        for option, value in {"segment": segment, "width": width, "layers": layers}.items():
            checks.whole_number(f"model.{option}", value, least=1)
        outputs = self.channels(spec, predict_std=predict_std)
        self.segment = segment
        self.first = nn.Linear(len(spec.input_channels) * segment, width)
        self.blocks = nn.Sequential(
            *(Block(width=width, kernel=convolutions.odd_kernel(kernel), ring=spec.grid[-1]) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, outputs * segment)

    def body(self, input: Tensor) -> Tensor:
        """(B, C_in, T, X) -> (B, C_out, T, X), any T: the last segment is completed with zeros."""
        steps = input.shape[2]
        whole = functional.pad(input, (0, 0, 0, -steps % self.segment)).unflatten(2, (-1, self.segment))
        places = whole.permute(0, 2, 4, 1, 3).flatten(3)  # (B, segments, X, C_in segment)
        answer = self.last(self.norm(self.blocks(self.first(places)))).unflatten(3, (-1, self.segment))
        return answer.permute(0, 3, 1, 4, 2).flatten(2, 3)[:, :, :steps]


def shifts(kernel: int) -> range:
    """Return the shifts to the `kernel` nearest places, such as -1, 0, 1; an even number reaches further back."""
    return range(-(kernel // 2), kernel - kernel // 2)
