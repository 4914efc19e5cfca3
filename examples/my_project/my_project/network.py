"""model=wave_filters: one layer of wide filters, and how strongly each of them answers in the mean over the picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgd.core import checks
from dlgd.core.contract import Network, Output, Spec
from dlgd.core.errors import Refusal


class WaveFilters(Network):
    """Classes from the mean energy of filtered pictures, which does not depend on where the crests are.

    filters: how many, 1 or more. kernel: pixels along each side of a filter, odd.
    """

    def __init__(self, *, spec: Spec, filters: int, kernel: int) -> None:
        super().__init__()
        if spec.kind != "label":
            raise Refusal(f"model=wave_filters tells classes apart, and data={spec.name} asks for something else")
        checks.whole_number("model.filters", filters, least=1)
        checks.whole_number("model.kernel", kernel, least=1)
        self.filters = nn.Conv2d(len(spec.input_channels), filters, kernel)
        self.last = nn.Sequential(nn.BatchNorm1d(filters), nn.Linear(filters, len(spec.output_channels)))

    def forward(self, input: Tensor) -> Output:
        """(B, channel, Y, X) -> (B, class)."""
        energy = self.filters(input).square().mean(dim=(2, 3))
        return Output(self.last(torch.log(energy + 1e-6)))
