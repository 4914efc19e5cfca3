"""Maps in tiles: nothing is lost, and what sees no further than it may gives the same in tiles as at once."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional

from dlgd.problems.ssh.data.tiles import Tiles

SHAPES = [((50, 70), 24, 8), ((24, 24), 24, 8), ((12, 100), 24, 12), ((97, 25), 24, 0), ((64, 64), 16, 5)]


def maps(shape: tuple[int, int], channels: int = 2, halo: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    size = (3, channels, shape[0] + 2 * halo, shape[1] + 2 * halo)
    return torch.randn(size, generator=generator, dtype=torch.float64)


def cut(tiles: Tiles, whole: torch.Tensor, halo: int = 0) -> torch.Tensor:
    """The tiles of each map in a row, with context."""
    height, width = tiles.sizes[0] + 2 * halo, tiles.sizes[1] + 2 * halo
    pieces = [whole[..., y : y + height, x : x + width] for y, x in tiles.corners.tolist()]
    assert len(pieces) == len(tiles)
    return torch.stack(pieces, dim=1).flatten(0, 1)


@pytest.mark.parametrize(("shape", "size", "overlap"), SHAPES)
def test_cut_and_stitched_it_is_the_same(shape, size, overlap):
    tiles, whole = Tiles(shape, size=size, overlap=overlap), maps(shape)
    pieces = cut(tiles, whole)
    assert pieces.shape == (3 * len(tiles), 2, min(size, shape[0]), min(size, shape[1]))
    torch.testing.assert_close(tiles.stitch(pieces), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("shape", "size", "overlap"), SHAPES)
def test_neighbours_share_at_least_the_overlap(shape, size, overlap):
    tiles = Tiles(shape, size=size, overlap=overlap)
    for starts, length, total in zip(tiles.starts, tiles.sizes, shape, strict=True):
        assert starts[0] == 0
        assert starts[-1] + length == total
        assert all(first + length - second >= overlap for first, second in itertools.pairwise(starts))


def blurred(fields: torch.Tensor, radius: int, *, padding: int) -> torch.Tensor:
    """A linear operator that sees `radius` cells around."""
    generator = torch.Generator().manual_seed(1)
    kernel = torch.randn(1, 2, 2 * radius + 1, 2 * radius + 1, generator=generator, dtype=torch.float64)
    return functional.conv2d(fields, kernel, padding=padding)


@pytest.mark.parametrize(("shape", "size", "overlap"), SHAPES)
def test_an_operator_with_a_halo(shape, size, overlap):
    """Context comes with the tiles: no overlap is needed."""
    tiles, whole = Tiles(shape, size=size, overlap=overlap), maps(shape, halo=3)
    stitched = tiles.stitch(blurred(cut(tiles, whole, halo=3), 3, padding=0))
    torch.testing.assert_close(stitched, blurred(whole, 3, padding=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_an_operator_that_pads_by_itself(radius):
    """It is wrong within `radius` cells of a tile's side, which the quarter of an overlap of 8 hides up to 2."""
    tiles, whole = Tiles((50, 70), size=24, overlap=8), maps((50, 70))
    stitched = tiles.stitch(blurred(cut(tiles, whole), radius, padding=radius))
    expected = blurred(whole, radius, padding=radius)
    assert torch.allclose(stitched, expected, rtol=0, atol=1e-12) == (radius <= 2)


def test_weights_fade_from_one_tile_to_the_next():
    """Two tiles of different constants: monotone in between, and no step larger than a fifth for an overlap of 8."""
    tiles = Tiles((16, 40), size=24, overlap=8)
    assert tiles.starts == ([0], [0, 16])
    stitched = tiles.stitch(torch.stack([torch.zeros(1, 16, 24), torch.ones(1, 16, 24)]))[0, 0, 0]
    steps = stitched.diff()
    assert (stitched[:18] == 0).all()
    assert (stitched[22:] == 1).all()
    assert steps.min() >= 0
    assert steps.max() <= 0.2 + 1e-6


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (8, 5), (8, -1)])
def test_tiles_that_cannot_be(size, overlap):
    with pytest.raises(ValueError, match="cannot overlap"):
        Tiles((20, 20), size=size, overlap=overlap)
