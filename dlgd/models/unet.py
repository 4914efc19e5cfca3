"""U-Net (Ronneberger et al. 2015) for fields of any size, with the data's halo as context, and for sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.models import basic_layers, convolutions, kinds
from dlgd.models.estimators import Estimator


class UNet(Estimator):
    """Two convolutions at each resolution on the way down, and two on the way up.

    For fields, convolutions repeat the outermost cells of their input beyond its boundary; sizes are completed in the
    same way to a multiple of 2^levels. For sequences, only time is halved, so that all variables on the ring are alike;
    zeros stand beyond the window, and there is no halo.

    levels: halvings of the resolution, 1 or more.
    width: channels at full resolution, 1 or more; they double at each halving.
    activation: of the convolutions, one of `basic_layers.ACTIVATIONS`.
    normalization: of the convolutions, "batch", "group" or "none".
    halo: of fields, cells of context around what is predicted, 0 or more.
    predict_std: whether it predicts the standard deviations of its errors too, see `Estimator`; only where there are
    observations.
    """

    def __init__(
        self,
        *,
        spec: Spec,
        levels: int,
        width: int,
        activation: str,
        normalization: str,
        halo: int,
        predict_std: bool = False,  # has a default for checkpoints from before it was an option
    ) -> None:
        super().__init__()
        kinds.check_kind("unet", spec, ["field", "interpolation", "assimilation"])
        checks.whole_number("model.levels", levels, least=1)
        checks.whole_number("model.halo", halo, least=0)
        outputs, frame, series = (
            self.channels(spec, predict_std=predict_std),
            convolutions.frame_of(spec),
            spec.kind != "field",
        )
        self.beyond = "constant" if series else "replicate"
        self.halved = (2, 1) if series else (2, 2)
        self.halo, self.multiple = 0 if series else halo, 2**levels

        def double(inputs: int, outputs: int) -> nn.Sequential:
            padding: list[nn.Module] = [] if series else [nn.ReplicationPad2d(1)]
            first, second = (
                convolutions.conv(size, outputs, norm=normalization, act=activation, frame=frame)
                for size in (inputs, outputs)
            )
            return nn.Sequential(*padding, first, *padding, second)

        sizes = [width * 2**level for level in range(levels + 1)]
        self.first = double(len(spec.input_channels), width)
        self.down = nn.ModuleList(double(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.raised = nn.ModuleList(
            nn.ConvTranspose2d(b, a, self.halved, stride=self.halved) for a, b in zip(sizes, sizes[1:], strict=False)
        )
        self.up = nn.ModuleList(double(2 * a, a) for a in sizes[:-1])
        self.last = nn.Conv2d(width, outputs, 1)
        self.bounded = basic_layers.within_bounds(spec)

    def body(self, input: Tensor) -> Tensor:
        """(B, C, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X) of fields; (B, C, T, X) -> (B, C_out, T, X)."""
        sizes = input.shape[-2:]
        rows, columns = (-size % self.multiple if by > 1 else 0 for size, by in zip(sizes, self.halved, strict=True))
        x = self.first(functional.pad(input, (0, columns, 0, rows), mode=self.beyond))
        finer = []
        for down in self.down:
            finer.append(x)
            x = down(functional.max_pool2d(x, self.halved))
        for raised, up, fine in zip(reversed(self.raised), reversed(self.up), reversed(finer), strict=True):
            x = up(torch.cat([raised(x), fine], dim=1))
        return self.bounded(convolutions.crop(self.last(x)[..., : sizes[0], : sizes[1]], self.halo))
