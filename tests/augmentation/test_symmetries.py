"""What a network sees of a turned batch is what it would see of the turned sea, exact coefficients included."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from dlgd.augmentation.symmetries import Symmetries, group
from dlgd.core.contract import Batch, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import Staggered, StaggeredGridSpec
from dlgd.physics.halo import pad_cells, pad_south_faces, pad_west_faces
from dlgd.problems.normalization.data import features, fields
from dlgd.problems.normalization.data.closed_forms import CLOSED_FORMS
from dlgd.problems.normalization.data.simulated import NormalizationCoefficients
from tests.augmentation.turned_operators import (
    CHANNEL,
    CLOSED,
    FOLD,
    TORUS,
    data_set,
    exact_gamma,
    rough_operator,
    samples,
    turned,
    turned_field,
)

ALL = [tuple(map(bool, one)) for one in group(west_east=True, south_north=True, quarter_turns=True)]
NOTHING = (False, False, False)
FLIPS = [one for one in ALL if not one[0]]
SQUARE, OBLONG = (12, 12), (9, 14)
OPERATORS = {  # and what maps such a grid to one that can be written down
    "closed": (rough_operator(CLOSED, SQUARE, 1), ALL),
    "torus": (rough_operator(TORUS, SQUARE, 2), ALL),
    "channel, to be turned": (rough_operator(CHANNEL, SQUARE, 3), ALL),
    "channel": (rough_operator(CHANNEL, OBLONG, 4), FLIPS),
    "fold": (rough_operator(FOLD, OBLONG, 5), [one for one in FLIPS if not one[1]]),
}
CASES = [(name, one) for name, (_, ones) in OPERATORS.items() for one in ones]
FEATURES = [("dimensionless", form, "sea", "none") for form in CLOSED_FORMS] + [
    ("standardized", "separable", over, distance)
    for over, distance in product(("sea", "image"), ("none", "manhattan", "euclidean"))
]
CELLS = Spec(name="plain", kind="field", input_channels=("a",), output_channels=("a",), grid=(5, 7))


@functools.cache
def physical(name: str, one: tuple[bool, bool, bool], kind: tuple[str, str, str, str]):
    seen = features.choose(kind[0], closed_form=kind[1], area_step=0.05, standardize_over=kind[2], distance=kind[3])
    return samples(turned(OPERATORS[name][0], *one), seen)


def chosen(kind: tuple[str, str, str, str], name: str) -> NormalizationCoefficients:
    """A data set with these features, their statistics from the operator."""
    source = data_set(features=kind[0], closed_form=kind[1], standardize_over=kind[2], distance=kind[3])
    before = physical(name, NOTHING, kind)
    source.features.learn(fields.as_cells(before), before.mask.values)
    return source


def spec_of(source: NormalizationCoefficients) -> Spec:
    kept = source.features
    return replace(
        source.spec,
        staggered=kept.staggered,
        directional=kept.directional,
        zeroed_on_land=kept.zeroed_on_land,
    )


def symmetries(spec: Spec, **changes: bool) -> Symmetries:
    return Symmetries(spec=spec, **({"west_east": True, "south_north": True, "quarter_turns": True} | changes))


def plain(input: torch.Tensor) -> Batch:
    """Nothing but an input."""
    return Batch(input=input, target=input[:, :1], mask=torch.ones_like(input[:, :1], dtype=bool))


def assert_close(one: Batch, other: Batch, tolerance: float) -> None:
    for key in ("input", "target"):
        np.testing.assert_allclose(getattr(one, key), getattr(other, key), rtol=0, atol=tolerance)
    assert torch.equal(one.mask, other.mask)


# --- the physics ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "one"), CASES)
def test_exact_coefficients_of_a_turned_sea_are_the_turned_coefficients(name, one):
    operator = OPERATORS[name][0]
    assert 0.5 < operator.sea.mean() < 0.9, "there are coasts"
    answer = exact_gamma(turned(operator, *one))
    np.testing.assert_allclose(answer, turned_field(exact_gamma(operator), *one), rtol=1e-10)


@pytest.mark.parametrize("kind", FEATURES, ids="-".join)
@pytest.mark.parametrize(("name", "one"), CASES)
def test_a_turned_batch_is_the_batch_of_the_turned_sea(kind, name, one):
    """Input with context, target from exact coefficients of the turned operator, and mask; coasts included."""
    source, context = chosen(kind, name), 3
    augmentation = symmetries(spec_of(source))
    (before,) = source.encode(physical(name, NOTHING, kind), halo=context + 1, device="cpu")
    (wanted,) = source.encode(physical(name, one, kind), halo=context, device="cpu")
    assert_close(augmentation.changed(before, np.array([one])), wanted, 1e-6)


@pytest.mark.parametrize("kind", FEATURES, ids="-".join)
@pytest.mark.parametrize("one", ALL)
def test_patches_across_the_fold(kind, one):
    """No whole folded grid can be turned; a square of 12 x 12 cells, padded with all sides of its faces, can."""
    operator, source = OPERATORS["fold"][0], chosen(kind, "fold")
    before = physical("fold", NOTHING, kind).isel(sample=0)
    padded = (
        pad_south_faces(operator.alpha_i, 5, FOLD)[7:, :12],
        pad_west_faces(operator.alpha_j, 5, FOLD)[7:, :13],
        pad_cells(operator.area, 5, FOLD, "nearest")[7:, :12],
        pad_cells(operator.sea, 5, FOLD)[7:, :12],
        pad_cells(before.distance.values, 5, FOLD, "nearest")[7:, :12],
    )
    form = source.features.closed_form
    known = {name: pad_cells(before[name].values, 5, FOLD)[7:, :12] for name in (form.channels if form else ())}
    south, west, *cells = (turned_field(field, *one) for field in padded)
    after = (west, south, *cells) if one[0] else (south, west, *cells)
    known_after = {name: turned_field(field, *one) for name, field in known.items()}
    for along_i, along_j in source.features.directional if one[0] else ():
        known_after[along_i], known_after[along_j] = known_after[along_j], known_after[along_i]
    pairs = ((padded, known), (after, known_after))
    input, wanted = (torch.as_tensor(source.features.input(features.Padded(*f, known=k)))[None] for f, k in pairs)
    answer = symmetries(spec_of(source)).changed(plain(input), np.array([one]))
    np.testing.assert_allclose(answer.input, wanted[..., 1:-1, 1:-1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", FEATURES, ids="-".join)
def test_the_data_set_says_what_its_channels_are(kind):
    source = chosen(kind, "closed")
    assert len(source.features.staggered) >= 1
    assert source.spec == spec_of(source)


@pytest.mark.parametrize("kind", FEATURES, ids="-".join)
def test_four_quarter_turns_are_none(kind):
    """Inside; each takes a margin of one cell. A batch that is left as it is comes back to the last bit."""
    source = chosen(kind, "torus")
    augmentation = symmetries(spec_of(source))
    (before,) = source.encode(physical("torus", NOTHING, kind), halo=4, device="cpu")
    after = before
    for _ in range(4):
        after = augmentation.changed(after, np.array([(True, True, False)]))
    assert_close(after, replace(before, input=before.input[..., 4:-4, 4:-4]), 2e-6)
    same = augmentation.changed(before, np.array([NOTHING]))
    assert torch.equal(same.input, before.input[..., 1:-1, 1:-1])
    assert torch.equal(same.target, before.target)


# --- the draw ------------------------------------------------------------------------------------------------


def seen(**options: bool) -> Counter[tuple[float, ...]]:
    """How often each position of a patch was drawn, (1, 2) north of (3, 4) being the one it came in."""
    batch = plain(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]).expand(4000, 1, 2, 2))
    turned_batch = symmetries(CELLS, **options)(batch, np.random.default_rng(0))
    return Counter(tuple(row) for row in turned_batch.input.flatten(1).int().tolist())


ASIS, MIRRORED_J, MIRRORED_I, HALF_TURN = (1, 2, 3, 4), (2, 1, 4, 3), (3, 4, 1, 2), (4, 3, 2, 1)
TURNED = {(3, 1, 4, 2), (2, 4, 1, 3)}  # by 90 and 270 degrees
TRANSPOSED = {(1, 3, 2, 4), (4, 2, 3, 1)}  # along either diagonal
EIGHT = {ASIS, MIRRORED_J, MIRRORED_I, HALF_TURN} | TURNED | TRANSPOSED


@pytest.mark.parametrize(
    ("west_east", "south_north", "quarter_turns", "expected"),
    [
        (True, False, False, {ASIS, MIRRORED_J}),
        (False, True, False, {ASIS, MIRRORED_I}),
        (True, True, False, {ASIS, MIRRORED_J, MIRRORED_I, HALF_TURN}),
        (False, False, True, {ASIS, HALF_TURN} | TURNED),
        (True, False, True, EIGHT),
        (False, True, True, EIGHT),
        (True, True, True, EIGHT),
    ],
)
def test_all_that_were_asked_for_are_equally_likely(west_east, south_north, quarter_turns, expected):
    """And each sample of a batch is drawn on its own."""
    counts = seen(west_east=west_east, south_north=south_north, quarter_turns=quarter_turns)
    assert set(counts) == expected
    each = 4000 / len(expected)
    assert all(abs(count - each) < 5 * np.sqrt(each) for count in counts.values())


# --- other data ----------------------------------------------------------------------------------------------


def test_fields_without_faces_are_flipped_as_they_are():
    """And need no context; what was observed goes with them."""
    augmentation = symmetries(CELLS, quarter_turns=False)
    assert augmentation.halo == 0
    input = torch.randn(4, 1, 5, 7, generator=torch.Generator().manual_seed(0))
    batch = Batch(input=input, target=2 * input, mask=input > 0, observed=input > 1)
    answer = augmentation.changed(batch, np.array(FLIPS))
    for number, (_, *mirrored) in enumerate(FLIPS):
        axes = [axis for axis, yes in zip((-2, -1), mirrored, strict=True) if yes]
        assert torch.equal(answer.input[number], input[number].flip(axes))
    assert torch.equal(answer.target, 2 * answer.input)
    assert torch.equal(answer.mask, answer.input > 0)
    assert torch.equal(answer.observed, answer.input > 1)


def test_a_staggered_field_needs_a_cell_of_context():
    known = {"name": "currents", "input_channels": ("u", "v"), "output_channels": ("a",), "grid": (5, 7)}
    assert symmetries(StaggeredGridSpec(**known, staggered=(Staggered("v", "u"),))).halo == 1
    assert symmetries(StaggeredGridSpec(**known)).halo == 0


# --- what is refused -----------------------------------------------------------------------------------------


def test_oblong_patches_are_not_turned():
    batch = plain(torch.zeros(2, 1, 4, 6))
    with pytest.raises(Refusal, match="patches of 4 x 6 cells cannot be turned"):
        symmetries(CELLS)(batch, np.random.default_rng(0))
    assert symmetries(CELLS, quarter_turns=False)(batch, np.random.default_rng(0)).input.shape == (2, 1, 4, 6)


def test_other_data_than_fields():
    with pytest.raises(Refusal, match="data=digits gives labels: type augmentation=none"):
        symmetries(replace(CELLS, name="digits", kind="label"))


def test_no_symmetry_at_all():
    with pytest.raises(Refusal, match="neither flips nor turns"):
        symmetries(CELLS, west_east=False, south_north=False, quarter_turns=False)
