"""U-Net (Ronneberger et al. 2015) that takes fields of any size: the data's halo gives it context."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlgd.contract import Network, Output, Spec
from dlgd.models import blocks


class UNet(Network):
    """`levels` halvings; `width` channels at full resolution, doubled at each level; two convolutions each.

    Convolutions repeat the outermost cells at the rim of what they are given, which is `halo` cells away from
    what is predicted; sizes are completed in the same way to a multiple of 2^levels.
    """

    def __init__(self, *, spec: Spec, levels: int, width: int, activation: str, normalization: str, halo: int) -> None:
        super().__init__()
        blocks.check_kind("unet", spec, ["field"])
        if levels < 1 or halo < 0:
            raise ValueError(f"model.levels={levels}, model.halo={halo}: at least one level, and no negative halo")
        self.halo, self.multiple = halo, 2**levels

        def double(inputs: int, outputs: int) -> nn.Sequential:
            rim = nn.ReplicationPad2d(1)
            return nn.Sequential(
                rim,
                blocks.conv(inputs, outputs, norm=normalization, act=activation),
                rim,
                blocks.conv(outputs, outputs, norm=normalization, act=activation),
            )

        sizes = [width * 2**level for level in range(levels + 1)]
        self.first = double(len(spec.input_channels), width)
        self.down = nn.ModuleList(double(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.raised = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in zip(sizes, sizes[1:], strict=False)
        )
        self.up = nn.ModuleList(double(2 * a, a) for a in sizes[:-1])
        self.last = nn.Conv2d(width, len(spec.output_channels), 1)
        self.bounded = blocks.within_bounds(spec)

    def forward(self, input: Tensor) -> Output:
        """(B, C, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X)."""
        rows, columns = input.shape[-2:]
        beyond = (-columns % self.multiple, -rows % self.multiple)
        x = functional.pad(input, (0, beyond[0], 0, beyond[1]), mode="replicate")
        x = self.first(x)
        finer = []
        for down in self.down:
            finer.append(x)
            x = down(functional.max_pool2d(x, 2))
        for raised, up, fine in zip(reversed(self.raised), reversed(self.up), reversed(finer), strict=True):
            x = up(torch.cat([raised(x), fine], dim=1))
        return Output(self.bounded(blocks.crop(self.last(x)[..., :rows, :columns], self.halo)))
