"""Warps of pictures, against slices, closed forms and SciPy's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from dlgd.augmentation.images import Warp
from tests.augmentation.pictures import pictures, pull, rng


@pytest.mark.parametrize("size", [(28, 28), (5, 8), (7, 4)])
def test_no_change(size):
    images = pictures(3, size)
    warp = Warp(matrix=pull().float().expand(3, 2, 3), displacement=torch.zeros(3, 2, *size))
    torch.testing.assert_close(warp(images), images, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        Warp(matrix=pull().expand(3, 2, 3))(images.double()), images.double(), rtol=0, atol=1e-13
    )


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 1), (3, -2), (-4, -5)])
def test_a_known_translation(right, down):
    """The pixel that is seen at (y, x) comes from (y + down, x + right); beyond the edge, from the edge."""
    images = pictures(2, (12, 9)).double()
    moved = Warp(matrix=pull(shift=(right, down)).expand(2, 2, 3))(images)
    rows, columns = np.clip(np.arange(12) + down, 0, 11), np.clip(np.arange(9) + right, 0, 8)
    torch.testing.assert_close(moved, images[:, :, rows][..., columns], rtol=0, atol=1e-6)


def test_a_translation_by_half_a_pixel_is_a_mean():
    images = pictures(2).double()
    moved = Warp(matrix=pull(shift=(0.5, 0.0)).expand(2, 2, 3))(images)
    torch.testing.assert_close(moved[..., :-1], (images[..., 1:] + images[..., :-1]) / 2, rtol=0, atol=1e-12)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_quarter_turn(quarters):
    images = pictures(2).double()
    moved = Warp(matrix=pull(turn=quarters * np.pi / 2).expand(2, 2, 3))(images)
    torch.testing.assert_close(moved, images.rot90(quarters, dims=(-2, -1)), rtol=0, atol=1e-6)


def test_a_mirror():
    images = pictures(2).double()
    moved = Warp(matrix=pull(mirrored=-1.0).expand(2, 2, 3))(images)
    torch.testing.assert_close(moved, images.flip(-1), rtol=0, atol=1e-12)


def test_any_change_is_scipys():
    """Turned, sheared, stretched, shifted and displaced, on a picture that is not square."""
    size, generator = (14, 21), rng(3)
    image = pictures(1, size).double()
    matrix = pull(turn=0.4, slant=0.2, factor=1.2, shift=(1.3, -0.7))
    displacement = generator.normal(size=(2, *size))
    moved = Warp(matrix=matrix, displacement=torch.as_tensor(displacement)[None])(image)[0, 0].numpy()
    y, x = np.mgrid[: size[0], : size[1]]
    centre = [(size[1] - 1) / 2, (size[0] - 1) / 2]
    here = np.stack([x - centre[0], y - centre[1], np.ones(size)])
    from_x, from_y = np.einsum("ij,jyx->iyx", matrix[0].numpy(), here) + displacement
    expected = ndimage.map_coordinates(
        image[0, 0].numpy(), [from_y + centre[1], from_x + centre[0]], order=1, mode="nearest"
    )
    np.testing.assert_allclose(moved, expected, atol=1e-12)


def test_a_linear_map_is_a_product():
    """Shear along x, then a rotation, scaled; mirrored last."""
    cos, sin = np.cos(0.3), np.sin(0.3)
    expected = 1.1 * np.diag([-1, 1]) @ np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, np.tan(0.2)], [0, 1]])
    matrix = pull(turn=0.3, slant=0.2, factor=1.1, mirrored=-1.0, shift=(4, 5))[0].numpy()
    np.testing.assert_allclose(matrix, np.column_stack([expected, [4, 5]]), atol=1e-14)
