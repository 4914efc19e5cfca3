"""Overlapping tiles of one size, into which maps are cut that are too large for a network, and put together again."""

from __future__ import annotations

import torch
from torch import Tensor


class Tiles:
    """Square tiles of `size` cells, evenly spread over the map; neighbours share at least `overlap` cells.

    When tiles are put together, the outer quarter of an overlap comes from the neighbour, whose tile reaches further
    there; in the middle of the overlap the weights change linearly. So a network that sees no further than a quarter
    of the overlap (or than the halo of the tiles) gives the same in tiles as on the whole map. A map that is not larger
    than a tile is one tile.
    """

    def __init__(self, shape: tuple[int, int], *, size: int, overlap: int) -> None:
        if size < 1 or not 0 <= overlap <= size // 2:
            raise ValueError(f"tiles of {size} cells cannot overlap by {overlap}: choose 0 to {size // 2}")
        self.shape, self.overlap = shape, overlap
        self.sizes = min(size, shape[0]), min(size, shape[1])
        self.starts = _starts(shape[0], self.sizes[0], overlap), _starts(shape[1], self.sizes[1], overlap)

    def __len__(self) -> int:
        """The number of tiles of a map."""
        return len(self.starts[0]) * len(self.starts[1])

    @property
    def corners(self) -> Tensor:
        """(tiles, 2), int64: the first row and column of each tile; columns change fastest."""
        return torch.cartesian_prod(*(torch.tensor(starts) for starts in self.starts))

    def stitch(self, tiles_NCYX: Tensor) -> Tensor:
        """Put tiles together: (B tiles, C, size, size), in the order of `corners`, -> (B, C, Y, X), weighted means."""
        tiles = tiles_NCYX.unflatten(0, (-1, len(self)))
        weights = [
            _weights(start, size, total, self.overlap).to(tiles)
            for start, size, total in zip(self.starts, self.sizes, self.shape, strict=True)
        ]
        whole = tiles.new_zeros(*tiles.shape[0:1], tiles.shape[2], *self.shape)
        total = tiles.new_zeros(self.shape)
        corners = [(row, column) for row in range(len(self.starts[0])) for column in range(len(self.starts[1]))]
        for number, (row, column) in enumerate(corners):
            weight = weights[0][row][:, None] * weights[1][column]
            y, x = self.starts[0][row], self.starts[1][column]
            place = (slice(y, y + self.sizes[0]), slice(x, x + self.sizes[1]))
            whole[..., *place] += weight * tiles[:, number]
            total[place] += weight
        return whole / total


def _starts(total: int, size: int, overlap: int) -> list[int]:
    """The first cells of tiles that are evenly spread and cover `total` cells."""
    count = 1 + -(-(total - size) // max(1, size - overlap))
    return [number * (total - size) // max(1, count - 1) for number in range(count)]


def _weights(starts: list[int], size: int, total: int, overlap: int) -> Tensor:
    """(tiles, size): 1 inside a tile and at the map's boundary; in overlaps rising from 0 in their outer quarter."""
    hidden = overlap // 4
    rise = (torch.arange(size) - hidden + 1).clamp(min=0) / max(1, overlap - 2 * hidden + 1)
    rows = []
    for start in starts:
        row = torch.ones(size)
        if start > 0:
            row = torch.minimum(row, rise)
        if start + size < total:
            row = torch.minimum(row, rise.flip(0))
        rows.append(row)
    return torch.stack(rows)
