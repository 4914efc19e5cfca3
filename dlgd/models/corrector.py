"""A U-Net of residual blocks (He et al. 2016; Ronneberger et al. 2015) for what a good first guess of maps misses.

What optimal interpolation misses is as wide as a mesoscale eddy, which covers many cells of a grid that resolves it. So
the network works on coarse cells of `coarsening` x `coarsening` fine ones, which costs a fraction of the time. Nothing
is lost: the fine cells of a coarse one are channels of the first layer's input and of the last layer's output (Shi et
al. 2016, arXiv:1609.05158).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import INVERSE, MapSpec
from dlgd.models import basic_layers, convolutions, kinds
from dlgd.models.estimators import Estimator
from dlgd.physics.mirrors import SIGNED, images, mirror, mirror_maps

START = 0.1  # times the usual size of the last weights: before training, the answer is about the first guess


class Block(nn.Module):
    """x + conv(activation(normalization(conv(x)))), x brought to the channels of the answer by a 1 x 1 convolution."""

    def __init__(self, inputs: int, outputs: int, *, activation: str, normalization: str) -> None:
        super().__init__()
        frame = convolutions.Frame(padding=1)
        self.first = convolutions.conv(inputs, outputs, norm=normalization, act=activation, frame=frame)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        with torch.no_grad():
            self.second.weight.mul_(START)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, Y, X) -> (B, outputs, Y, X)."""
        return self.skip(x) + self.second(self.first(x))


class Corrector(Estimator):
    """One residual block at each resolution on the way down, and one on the way up.

    It reads the first guesses, the observations minus the first guesses there, and the data's further channels (sea,
    sea surface temperature, coordinates). Convolutions find zeros beyond the boundary of the input.

    levels: how often the coarse cells are halved, 1 or more; each halving doubles the reach.
    width: channels at the first resolution, 1 or more; each of the next has `width` channels more.
    coarsening: cells on each side of a coarse one, 1 or more; 2, because eddies are many cells wide.
    activation: of the blocks, one of `basic_layers.ACTIVATIONS`.
    normalization: of the blocks, "batch", "group" or "none".
    halo: cells of context around what is predicted, 0 or more; 0 for whole maps, which have nothing around them.
    predict_std: whether it predicts the standard deviations of its errors too, see `Estimator`.
    mirrored: whether it answers, outside of training, with the mean over four seas that are mirror images of one
    another and alike to quasi-geostrophic dynamics (`augmentation=mirrored_seas`), each answer mirrored back: four
    times the work, less error. With a temperature there are two of them, see `physics/mirrors.py`.
    """

    def __init__(
        self,
        *,
        spec: Spec,
        levels: int,
        width: int,
        coarsening: int,
        activation: str,
        normalization: str,
        halo: int,
        predict_std: bool,
        mirrored: bool,
    ) -> None:
        super().__init__()
        kinds.check_kind("corrector", spec, ["interpolation"])
        assert isinstance(spec, MapSpec), "all data that ask for interpolation have one"
        checks.whole_number("model.levels", levels, least=1)
        checks.whole_number("model.width", width, least=1)
        checks.whole_number("model.coarsening", coarsening, least=1)
        checks.whole_number("model.halo", halo, least=0)
        outputs, fine = self.channels(spec, predict_std=predict_std), coarsening**2
        self.groups, self.further_groups = spec.input_groups, spec.further_groups
        self.halo, self.coarsening, self.multiple = halo, coarsening, coarsening * 2**levels
        if mirrored and (strange := [name for name in self.groups if name not in SIGNED]):
            raise Refusal(
                f"model.mirrored=true has no place for {', '.join(strange)}: type data.coordinates=false, or "
                "model.mirrored=false"
            )
        self.mirrored, self.estimates = mirrored, len(spec.output_channels)
        style = {"activation": activation, "normalization": normalization}
        sizes = [width * (level + 1) for level in range(levels + 1)]
        self.first = nn.Conv2d(len(spec.input_channels) * fine, width, 3, padding=1)
        self.down = nn.ModuleList(Block(a, b, **style) for a, b in zip([width, *sizes[:-1]], sizes, strict=True))
        self.up = nn.ModuleList(Block(a + b, a, **style) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.activation = basic_layers.activation(activation)
        self.last = nn.Conv2d(width, outputs * fine, 3, padding=1)
        with torch.no_grad():
            self.last.weight.mul_(START)
            assert self.last.bias is not None
            self.last.bias.zero_()
        basic_layers.channels_last(self)

    def body(self, input: Tensor) -> Tensor:
        """(B, C_in, Y + 2 halo, X + 2 halo) -> (B, C, Y, X)."""
        if self.training or not self.mirrored:
            return self._answer(input)
        total = torch.zeros(())
        seas = images(self.groups)
        for north, west in seas:
            mirrored = mirror_maps(input, self.groups, north=north, west=west)
            heights, *std = self._answer(mirrored).split(self.estimates, dim=1)
            back = [mirror(heights, north=north, west=west, signed=True)]
            back += [mirror(part, north=north, west=west, signed=False) for part in std]
            total = total + torch.cat(back, dim=1)
        return total / len(seas)

    def _answer(self, input: Tensor) -> Tensor:
        parts = (input[:, self.groups[name]] for name in (*INVERSE, *self.further_groups))
        guess, observations, observed, *others = parts
        x = torch.cat([guess, observed * (observations - guess), observed, *others], dim=1)
        rows, columns = x.shape[-2:]
        x = functional.pad(x, (0, -columns % self.multiple, 0, -rows % self.multiple), mode="replicate")
        x = functional.pixel_unshuffle(x, self.coarsening).contiguous(memory_format=torch.channels_last)
        x, finer = self.first(x), []
        for level, block in enumerate(self.down):
            x = block(functional.avg_pool2d(x, 2) if level else x)
            finer.append(x)
        finer.pop()
        for block, fine in zip(reversed(self.up), reversed(finer), strict=True):
            raised = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat([raised, fine], dim=1))
        answer = functional.pixel_shuffle(self.last(self.activation(x)), self.coarsening)
        return convolutions.crop(answer[..., :rows, :columns], self.halo)
