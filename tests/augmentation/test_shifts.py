"""Shifts west-east cost nothing on a periodic grid: its patches are those of all rolled fields."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.augmentation.turned_operators import CHANNEL, TORUS, data_set, exact_gamma, rolled, rough_operator, samples

HALO = 3


@pytest.mark.parametrize("topology", [CHANNEL, TORUS], ids=["channel", "torus"])
@pytest.mark.parametrize("columns", [1, 5, 13])
def test_exact_coefficients_of_a_rolled_sea_are_the_rolled_coefficients(topology, columns):
    operator = rough_operator(topology, (9, 14), seed=7)
    answer = exact_gamma(rolled(operator, columns))
    np.testing.assert_allclose(answer, np.roll(exact_gamma(operator), -columns, axis=1), rtol=1e-10)


@pytest.mark.parametrize("patch", [6, 14], ids=["patches", "the whole circle"])
def test_a_patch_is_the_beginning_of_a_rolled_field(patch, monkeypatch):
    """Input, target (exact coefficients of the rolled operator) and mask; every longitude is drawn, the seam too."""
    operator = rough_operator(CHANNEL, (14, 14), seed=8)
    source = data_set(rows=14, columns=14, patch=patch)
    monkeypatch.setattr(source, "samples", lambda split: samples(operator, source.features))
    whole = [
        next(source.encode(samples(rolled(operator, n), source.features), halo=HALO, device="cpu")) for n in range(14)
    ]
    batch = source.stream(halo=HALO, batch_size=200, seed=0, device="cpu").batch(0)
    drawn = [
        place(input, target, mask, whole)
        for input, target, mask in zip(batch.input, batch.target, batch.mask, strict=True)
    ]
    assert {left for left, _ in drawn} == set(range(14))
    assert {top for _, top in drawn} == set(range(14 - patch + 1))


def place(input: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, whole: list) -> tuple[int, int]:
    """By how many columns the field was rolled whose west side the patch is, and the patch's first row in it."""
    patch = target.shape[-1]
    ((left, top),) = [
        (left, top)
        for left, field in enumerate(whole)
        for top in range(14 - patch + 1)
        if torch.equal(field.mask[0, :, top : top + patch, :patch], mask)
        and torch.allclose(field.target[0, :, top : top + patch, :patch], target, rtol=0, atol=1e-6)
        and torch.allclose(
            field.input[0, :, top : top + patch + 2 * HALO, : patch + 2 * HALO], input, rtol=0, atol=1e-6
        )
    ]
    return left, top
