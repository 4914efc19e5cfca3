"""Whole pictures moved, rotated, stretched, sheared, bent, mirrored, with noise and with a part erased.

What a picture shows is moved, and its defects stay: where the truth is moved below added noise, the noise is not
smoothed with it, and hidden pixels stay hidden where they are. So training batches have the same noise and the same
hidden shapes as the pictures that a network will meet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Augmentation, Batch, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import ImageSpec

LEAST_ERASED, THINNEST = 0.02, 0.3  # of the erased rectangle: share of the picture, ratio of the sides (Zhong et al.)


@dataclass(frozen=True, kw_only=True)
class Warp:
    """Where the pixels of each picture come from, in pixels from the centre: a matrix (B, 2, 3) on (x, y, 1), plus a
    displacement (B, 2, Y, X) of x and y."""

    matrix: Tensor
    displacement: Tensor | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, Y, X), interpolated bilinearly; beyond its edge a picture goes on as it is at the edge."""
        rows, columns = images.shape[-2:]
        y, x = torch.meshgrid(*(torch.arange(n).to(images) - (n - 1) / 2 for n in (rows, columns)), indexing="ij")
        here = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
        # one product for the whole batch, twenty times as fast as torch's affine_grid
        places = (self.matrix.flatten(0, 1) @ here).unflatten(0, (-1, 2)).unflatten(-1, (rows, columns))
        if self.displacement is not None:
            places = places + self.displacement
        half = torch.tensor([columns / 2, rows / 2], device=images.device).to(images)
        in_half_sides = places.permute(0, 2, 3, 1) / half  # as torch measures places
        return functional.grid_sample(images, in_half_sides, padding_mode="border", align_corners=False)


class ImageChanges(Augmentation):
    """Each picture of a batch is changed by draws of its own, uniform up to the largest value (that of scaling in its
    logarithm). The value 0 switches a change off.

    translation: largest move along each axis, pixels, up to the shorter side.
    rotation: largest angle either way, degrees, up to 180.
    scaling: largest change of the size, a share up to 0.9: the factor lies between 1 / (1 + scaling) and 1 + scaling.
    shear: largest angle of the shear along x either way, degrees, up to 80.
    elastic: standard deviation of a displacement along each axis, pixels, up to the shorter side. It is a Gaussian
    field whose correlation at a distance d is exp(-d^2 / (4 elastic_scale^2)): white noise smoothed by a Gaussian of
    standard deviation elastic_scale (P. Simard, D. Steinkraus, J. Platt, Best practices for convolutional neural
    networks applied to visual document analysis, 2003, section 2).
    elastic_scale: how smooth this displacement is, pixels, from 0.5 to the longer side.
    noise: standard deviation of normal noise on the input, in the units that a network sees, 0 or more.
    erasing: probability, 0 to 1, that a rectangle of the input is filled with random values (Z. Zhong et al., Random
    erasing data augmentation, arXiv:1708.04896, algorithm 1).
    erased_share: largest share of the picture in this rectangle, from LEAST_ERASED to 1.
    flip: whether half of the pictures are mirrored west-east; only for pictures that can be so, such as clothes.
    """

    def __init__(
        self,
        *,
        spec: Spec,
        translation: float,
        rotation: float,
        scaling: float,
        shear: float,
        elastic: float,
        elastic_scale: float,
        noise: float,
        erasing: float,
        erased_share: float,
        flip: bool,
    ) -> None:
        self.kind, self.bounds = spec.kind, spec.bounds
        self.translation, self.rotation, self.scaling, self.shear = translation, rotation, scaling, shear
        self.elastic, self.elastic_scale, self.flip = elastic, elastic_scale, flip
        self.noise, self.erasing, self.erased_share = noise, erasing, erased_share
        if not (isinstance(spec, ImageSpec) and spec.whole):
            raise Refusal(
                f"this augmentation changes whole pictures, which data={spec.name} does not give: type "
                "augmentation=none, or one of fields such as augmentation=flips"
            )
        self.size = spec.grid
        self.shown = slice(None) if spec.shown is None else spec.input_slice(spec.shown)
        self._check_options()
        if flip and not spec.mirror_symmetric:
            raise Refusal(
                f"mirrored {spec.content} are no {spec.content}: type augmentation.flip=false with data={spec.name}"
            )
        if spec.kind == "generated" and (noise > 0 or erasing > 0):
            raise Refusal(
                f"data={spec.name} gives no picture to put noise on or to erase from, only a class: type "
                "augmentation.noise=0 augmentation.erasing=0, or augmentation=none"
            )
        self.moves = max(translation, rotation, scaling, shear, elastic) > 0 or flip
        if not (self.moves or noise > 0 or erasing > 0):
            raise Refusal("augmentation changes nothing: set one of its values, or type augmentation=none")

    def _check_options(self) -> None:
        """Refuse what lies out of range."""
        limits = {
            "translation": (self.translation, 0, min(self.size)),
            "rotation": (self.rotation, 0, 180),
            "scaling": (self.scaling, 0, 0.9),
            "shear": (self.shear, 0, 80),
            "elastic": (self.elastic, 0, min(self.size)),
            "elastic_scale": (self.elastic_scale, 0.5, max(self.size)),
            "noise": (self.noise, 0, None),
            "erasing": (self.erasing, 0, 1),
            "erased_share": (self.erased_share, LEAST_ERASED, 1),
        }
        for name, (value, low, high) in limits.items():
            checks.number(f"augmentation.{name}", value, least=low, most=high)

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Move the truth with the picture that shows it; classes stay."""
        if self.moves:
            batch = self.moved(batch, self.drawn_warp(batch, rng))
        if self.noise > 0 or self.erasing > 0:
            batch = replace(batch, input=self._disturbed(batch.input, rng))
        return batch

    def moved(self, batch: Batch, warp: Warp) -> Batch:
        """Return the batch with each picture changed by its warp; the halo around the input stays."""
        if self.kind == "label":
            return replace(batch, input=self._put(batch.input, warp(self._inner(batch.input))))
        target = warp(batch.target)
        if self.bounds is not None:
            target = target.clamp_(*self.bounds)
        if self.kind == "generated":
            return replace(batch, target=target)
        change = target - batch.target
        if batch.observed is not None:
            change = change * self._inner(batch.observed)
        shown = self._inner(batch.input).clone()
        shown[:, self.shown] += change
        return replace(batch, input=self._put(batch.input, shown), target=target)

    # --- draws -----------------------------------------------------------------------------------------------

    def drawn_warp(self, batch: Batch, rng: np.random.Generator) -> Warp:
        """Return one warp for each sample. All draws are symmetric, so that a warp is as likely as its inverse."""
        like = batch.target if self.kind != "label" else batch.input
        count = len(batch)
        shift = rng.uniform(-self.translation, self.translation, size=(count, 2))
        turn, slant = np.radians(rng.uniform(-1, 1, size=(2, count)) * [[self.rotation], [self.shear]])
        factor = np.exp(rng.uniform(-1, 1, size=count) * np.log1p(self.scaling))
        if self.flip:
            mirrored = np.where(rng.random(count) < 0.5, -1.0, 1.0)
        else:
            mirrored = np.ones(count)
        matrix = affine(turn=turn, slant=slant, factor=factor, mirrored=mirrored, shift=shift)
        displacement = None
        if self.elastic > 0:
            displacement = self.elastic * smooth_fields(count, self.size, self.elastic_scale, rng, like)
        return Warp(matrix=torch.as_tensor(matrix).to(like), displacement=displacement)

    def _disturbed(self, input: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the input with noise on what it shows, and with rectangles erased."""
        changed = self._inner(input).clone()
        shown = changed[:, self.shown]
        generator = torch.Generator(input.device).manual_seed(int(rng.integers(2**63)))
        if self.noise > 0:
            noise = torch.randn(shown.shape, generator=generator, device=input.device, dtype=input.dtype)
            shown.add_(noise, alpha=self.noise)
        if self.erasing > 0:
            erased = torch.as_tensor(self._rectangles(len(input), rng)).to(input.device)
            values = torch.rand(shown.shape, generator=generator, device=input.device, dtype=input.dtype)
            low, high = shown.amin(), shown.amax()
            inside = between(erased[:, 0], erased[:, 1], self.size[0])[:, :, None]
            inside = inside & between(erased[:, 2], erased[:, 3], self.size[1])[:, None, :]
            shown.copy_(torch.where(inside[:, None], low + (high - low) * values, shown))
        return self._put(input, changed)

    def _rectangles(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return (B, 4): first row, row behind the last, first column, column behind the last; none where nothing is
        erased."""
        share = rng.uniform(LEAST_ERASED, self.erased_share, size=count)
        ratio = np.exp(rng.uniform(np.log(THINNEST), -np.log(THINNEST), size=count))
        side = np.sqrt(share * self.size[0] * self.size[1])
        height = np.minimum(np.round(side * np.sqrt(ratio)), self.size[0])
        width = np.minimum(np.round(side / np.sqrt(ratio)), self.size[1])
        height[rng.random(count) >= self.erasing] = 0
        top = rng.integers(self.size[0] - height.astype(int) + 1)
        left = rng.integers(self.size[1] - width.astype(int) + 1)
        return np.stack([top, top + height, left, left + width], axis=1).astype(np.int64)

    # --- the margin ------------------------------------------------------------------------------------------

    def _inner(self, field: Tensor) -> Tensor:
        """Return the field without the halo of the network."""
        halo = (field.shape[-1] - self.size[1]) // 2
        return field[..., halo : halo + self.size[0], halo : halo + self.size[1]]

    def _put(self, input: Tensor, inner: Tensor) -> Tensor:
        """Return the input with other values inside its halo."""
        if input.shape == inner.shape:
            return inner
        changed = input.clone()
        self._inner(changed).copy_(inner)
        return changed


def affine(
    *, turn: np.ndarray, slant: np.ndarray, factor: np.ndarray, mirrored: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """Return (B, 2, 3): a shear along x and a rotation, in radians, a scaling, a mirroring (-1), and a shift (B, 2)."""
    cos, sin, slope = np.cos(turn), np.sin(turn), np.tan(slant)
    linear = np.stack([np.stack([cos, cos * slope - sin], -1), np.stack([sin, sin * slope + cos], -1)], -2)
    linear = linear * factor[:, None, None] * np.stack([mirrored, np.ones_like(mirrored)], -1)[:, :, None]
    return np.concatenate([linear, shift[:, :, None]], axis=-1)


def smooth_fields(count: int, size: tuple[int, ...], scale: float, rng: np.random.Generator, like: Tensor) -> Tensor:
    """Return (B, 2, Y, X) Gaussian fields of variance 1 everywhere.

    White noise on nodes one `scale` apart, some of them beyond the edges, is smoothed along each axis. With so many
    nodes the correlation is that of noise in every pixel, to four digits.
    """
    rows, columns = (torch.as_tensor(_smoothing(length, scale)).to(like) for length in size)
    noise = rng.standard_normal((count, 2, rows.shape[1], columns.shape[1]), dtype=np.float32)
    return rows @ torch.as_tensor(noise).to(like) @ columns.T


def _smoothing(length: int, scale: float) -> np.ndarray:
    """Return (pixels, nodes): the weights of the nodes, whose squares add up to 1 for each pixel."""
    nodes = np.arange(-3 * scale, length - 1 + 4 * scale, scale)
    weights = np.exp(-0.5 * ((np.arange(length)[:, None] - nodes) / scale) ** 2)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


def between(first: Tensor, behind: Tensor, length: int) -> Tensor:
    """Return (B, length) bool: true from the place `first` to the one before `behind`."""
    places = torch.arange(length, device=first.device)
    return (places >= first[:, None]) & (places < behind[:, None])
