"""Flips and quarter turns of fields, also of channels that stand on the faces between cells.

After mirroring south-north, the south face of a cell is what its north face was, whose value stands with the next row.
So channels of south faces are mirrored and moved by one row; after mirroring west-east, those of west faces by one
column. This takes one cell of context on each side, the `halo` of the augmentation. After a transposition, south faces
are west faces and exchange places and scalings with them, and nothing has to move; channels of a direction that stand
in the cells exchange places too.

Shifts west-east need no augmentation: the patches of a periodic grid are cut at any longitude.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from dlgd.core.contract import Augmentation, Batch, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import StaggeredGridSpec

Change = Callable[[Tensor], Tensor]

SOUTH_NORTH, WEST_EAST = -2, -1  # axes of a tensor (B, C, Y, X)
CELLS: tuple[Change, ...] = (lambda x: x.mT, lambda x: x.flip(SOUTH_NORTH), lambda x: x.flip(WEST_EAST))


class Symmetries(Augmentation):
    """Each sample of a batch is changed by its own draw of a symmetry of the square, all equally likely.

    west_east, south_north: whether half of the samples are mirrored along this axis.
    quarter_turns: whether samples are turned by 0, 90, 180 or 270 degrees; with mirroring, these are all eight
    symmetries of the square. Turns need square patches.
    """

    def __init__(self, *, spec: Spec, west_east: bool, south_north: bool, quarter_turns: bool) -> None:
        if spec.kind != "field":
            raise Refusal(
                f"flips and turns are for fields but data={spec.name} gives {spec.kind}s: type augmentation=none"
            )
        if not (west_east or south_north or quarter_turns):
            raise Refusal("augmentation has neither flips nor turns: set one of them, or type augmentation=none")
        self.group = group(west_east=west_east, south_north=south_north, quarter_turns=quarter_turns)
        self._read_channels(spec)

    def _read_channels(self, spec: Spec) -> None:
        """Remember which channels stand on faces, and how they are scaled."""
        number = {name: place for place, name in enumerate(spec.input_channels)}
        count = len(number)
        staggered, directional, zeroed_on_land = (), (), ()  # all stands in the cells, and nothing has a direction
        if isinstance(spec, StaggeredGridSpec):
            staggered, directional, zeroed_on_land = spec.staggered, spec.directional, spec.zeroed_on_land
        self.halo = 1 if staggered else 0
        self._south = [number[pair.south] for pair in staggered]
        self._west = [number[pair.west] for pair in staggered]
        self._sign = torch.tensor([-1.0 if pair.antisymmetric else 1.0 for pair in staggered])[:, None, None]
        self._zeroed = torch.tensor([name in zeroed_on_land for name in spec.input_channels])[:, None, None]
        # the rest is shaped (C + 1, 1, 1), in float64 first: the last channel tells sea from land
        closed, slope, offset = (np.full(count + 1, value) for value in (0.0, 1.0, 0.0))
        self._transposed = np.arange(count + 1)
        for pair in staggered:
            pairs = ((pair.south, pair.south_scaling), (pair.west, pair.west_scaling))
            for (name, own), (partner, other) in zip(pairs, reversed(pairs), strict=True):
                here = number[name]
                self._transposed[here] = number[partner]
                closed[here] = -own.mean / own.std
                slope[here], offset[here] = other.std / own.std, (other.mean - own.mean) / own.std
        for along_i, along_j in directional:
            self._transposed[[number[along_i], number[along_j]]] = number[along_j], number[along_i]
        self._closed = torch.as_tensor(closed[:-1]).float()[:, None, None]
        self._slope, self._offset = (torch.as_tensor(a).float()[:, None, None] for a in (slope, offset))

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Change each sample. Refuse quarter turns of patches that are not square."""
        height, width = batch.target.shape[-2:]
        if self.group[:, 0].any() and height != width:
            raise Refusal(
                f"patches of {height} x {width} cells cannot be turned by a quarter: choose square ones, "
                "or an augmentation without quarter turns such as augmentation=flips"
            )
        return self.changed(batch, self.group[rng.integers(len(self.group), size=len(batch))])

    def changed(self, batch: Batch, drawn: np.ndarray) -> Batch:
        """Return the batch with each sample changed as its row of `drawn` (B, 3) says; see `group`."""
        if batch.input.dim() == 5:  # volumes: each level is changed as its sample
            count, levels = len(batch), batch.input.shape[2]
            apart = _each(batch, lambda field: field.transpose(1, 2).flatten(0, 1))
            changed = self.changed(apart, np.repeat(drawn, levels, axis=0))
            return _each(changed, lambda field: field.unflatten(0, (count, levels)).transpose(1, 2).contiguous())
        observed = batch.observed
        if observed is not None:  # stands with the input
            observed = self._without_margin(where_drawn(observed, drawn, CELLS))
        return replace(
            batch,
            input=self._without_margin(self._changed_input(batch.input, drawn)),
            target=where_drawn(batch.target, drawn, CELLS).contiguous(),
            mask=where_drawn(batch.mask, drawn, CELLS).contiguous(),
            observed=observed,
        )

    def _without_margin(self, field: Tensor) -> Tensor:
        """Return the field without the margin, into which moved channels bring no values from beyond; its strides do
        not depend on the draws, which compiled networks need."""
        inner = slice(self.halo, -self.halo or None)
        return field[..., inner, inner].contiguous()

    def _changed_input(self, input: Tensor, drawn: np.ndarray) -> Tensor:
        """Return the changed input, with its margin.

        A face has two cells. Where one is land and the other sea, its value is 0 if it stands with the land, and that
        of a closed face if it stands with the sea. A mirroring exchanges the two.
        """
        zeroed, closed = self._zeroed.to(input.device), self._closed.to(input)
        sea = ((input != 0) & zeroed).any(dim=1, keepdim=True)
        known = torch.where(sea | ~zeroed, input, closed)
        changes = (self._transpose, self._flip_south_north, self._flip_west_east)
        changed = where_drawn(torch.cat([known, sea.to(known.dtype)], dim=1), drawn, changes)
        input, sea = changed[:, :-1], changed[:, -1:] > 0
        return torch.where(sea | ~zeroed, input, 0.0)

    def _transpose(self, field: Tensor) -> Tensor:
        return torch.addcmul(self._offset.to(field), self._slope.to(field), field.mT[:, self._transposed])

    def _flip_south_north(self, field: Tensor) -> Tensor:
        return self._flip(field, SOUTH_NORTH, self._south)

    def _flip_west_east(self, field: Tensor) -> Tensor:
        return self._flip(field, WEST_EAST, self._west)

    def _flip(self, field: Tensor, axis: int, on_faces: list[int]) -> Tensor:
        """Return the mirrored field; channels of faces across the axis move by one cell, and antisymmetric ones change
        their sign."""
        field = field.flip(axis)
        field[:, on_faces] = self._sign.to(field) * field[:, on_faces].roll(1, axis)
        return field


def _each(batch: Batch, change: Change) -> Batch:
    """Return the batch with its tensors changed."""
    changed = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return replace(batch, **{name: change(tensor) for name, tensor in changed.items() if tensor is not None})


def group(*, west_east: bool, south_north: bool, quarter_turns: bool) -> np.ndarray:
    """Return the symmetries to draw from, (n, 3) bool: whether each transposes, then mirrors south-north, then mirrors
    west-east. A quarter turn is a transposition and one mirroring."""
    mirrored = west_east or south_north

    def belongs(transpose: bool, mirror_i: bool, mirror_j: bool) -> bool:
        turn = transpose == (mirror_i != mirror_j)  # by 0, 90, 180 or 270 degrees
        if quarter_turns:
            return turn or mirrored
        return not transpose and (south_north or not mirror_i) and (west_east or not mirror_j)

    return np.array([one for one in product((False, True), repeat=3) if belongs(*one)])


def where_drawn(field: Tensor, drawn: np.ndarray, changes: Sequence[Change]) -> Tensor:
    """Return the field (B, C, Y, X) after the changes, one after the other, each made to the samples that drew it."""
    for drew_it, change in zip(drawn.T, changes, strict=True):
        if drew_it.any():  # known on the host: nothing waits for the device
            field = torch.where(torch.as_tensor(drew_it)[:, None, None, None].to(field.device), change(field), field)
    return field
