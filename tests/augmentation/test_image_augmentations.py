"""Changes of pictures: their draws, noise and erasing, what moves together, and the data that they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlgd.augmentation.images import ImageChanges, smooth_fields
from dlgd.core.contract import Batch, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import ImageSpec, SequenceSpec, Staggered, StaggeredGridSpec
from tests.augmentation.pictures import CHANNELS, EVERYTHING, NOTHING, SIZE, field, labelled, make, pictures, rng, spec

# --- what is drawn -----------------------------------------------------------------------------------------


def matrices(count: int = 20_000, **changes) -> np.ndarray:
    batch = labelled(torch.zeros(count, 1, *SIZE, dtype=torch.float64))
    return make(**changes).drawn_warp(batch, rng(1)).matrix.numpy()


def test_translations_are_uniform():
    drawn = matrices(translation=3.0)[:, :, 2]
    assert np.abs(drawn).max() <= 3
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(drawn.var(axis=0), 3.0, rtol=0.03)  # (2 * 3)^2 / 12
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.03


def test_rotations():
    drawn = matrices(rotation=90.0)
    degrees = np.degrees(np.arctan2(drawn[:, 1, 0], drawn[:, 0, 0]))
    assert 89 < degrees.max() <= 90
    assert -90 <= degrees.min() < -89
    np.testing.assert_allclose(np.linalg.det(drawn[:, :, :2]), 1, atol=1e-12)
    assert (drawn[:, :, 2] == 0).all()


def test_scalings():
    factor = np.sqrt(np.linalg.det(matrices(scaling=0.25)[:, :, :2]))
    assert factor.max() == pytest.approx(1.25, rel=1e-3)
    assert factor.min() == pytest.approx(0.8, rel=1e-3)


def test_shears():
    slope = matrices(shear=45.0)[:, 0, 1]
    assert np.abs(slope).max() == pytest.approx(1, rel=1e-2)
    assert np.median(np.abs(slope)) == pytest.approx(np.tan(np.radians(22.5)), rel=0.05)


def test_half_of_the_pictures_are_mirrored():
    images = pictures(400)
    changed = make(flip=True)(labelled(images), rng(0)).input
    mirrored = [torch.allclose(one, other.flip(-1), atol=1e-5) for one, other in zip(changed, images, strict=True)]
    same = [torch.allclose(one, other, atol=1e-5) for one, other in zip(changed, images, strict=True)]
    assert sum(mirrored) + sum(same) == 400
    assert 150 < sum(mirrored) < 250


def test_elastic_displacements():
    """Gaussian of the variance asked for everywhere, and of the correlation of white noise smoothed by a Gaussian."""
    scale = 3.0
    fields = smooth_fields(4000, (20, 24), scale, rng(0), torch.zeros((), dtype=torch.float64)).numpy()
    np.testing.assert_allclose(fields.std(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(np.abs(fields).mean(), np.sqrt(2 / np.pi), rtol=0.01)
    assert abs(np.mean(fields[:, 0] * fields[:, 1])) < 0.01, "x and y have nothing to do with one another"
    for dy, dx in ((0, 2), (3, 0), (2, 3), (0, 6)):
        product = fields[:, :, : 20 - dy, : 24 - dx] * fields[:, :, dy:, dx:]
        assert product.mean() == pytest.approx(np.exp(-(dy**2 + dx**2) / (4 * scale**2)), abs=0.02)
    warp = make(elastic=1.5).drawn_warp(labelled(pictures(2000)), rng(0))
    assert float(warp.displacement.abs().mean()) == pytest.approx(1.5 * np.sqrt(2 / np.pi), rel=0.03)


def test_each_picture_is_changed_on_its_own():
    images = pictures(1).expand(5, 1, *SIZE).clone()
    augmentation = make(**EVERYTHING, noise=0.1, erasing=0.5)
    changed = augmentation(labelled(images), rng(0)).input
    for number in range(1, 5):
        assert not torch.allclose(changed[0], changed[number], atol=0.05), "draws of its own"
    warped = make(**EVERYTHING)
    other = images.clone()
    other[0] = pictures(1, seed=9)[0]
    one, two = (warped(labelled(some), rng(0)).input for some in (images, other))
    assert torch.equal(one[1:], two[1:])
    assert not torch.equal(one[0], two[0])


def test_the_generator_tells_all():
    augmentation, batch = make(**EVERYTHING, noise=0.1, erasing=0.5), labelled(pictures())
    torch.manual_seed(0)
    first = augmentation(batch, rng(7)).input
    torch.manual_seed(1)
    assert torch.equal(augmentation(batch, rng(7)).input, first)
    assert not torch.equal(augmentation(batch, rng(8)).input, first)


# --- noise and erasing -------------------------------------------------------------------------------------


def test_noise():
    images = pictures(50)
    change = make(noise=0.2)(labelled(images), rng(0)).input - images
    assert float(change.std()) == pytest.approx(0.2, rel=0.02)
    assert abs(float(change.mean())) < 0.005


def test_erased_rectangles():
    images = 0.4 + 0.1 * pictures(2000)  # what is filled in lies between the least and the largest value
    changed = make(erasing=0.5)(labelled(images), rng(0)).input
    erased = (changed != images)[:, 0]
    touched = erased.any(dim=2).any(dim=1)
    assert float(touched.float().mean()) == pytest.approx(0.5, abs=0.04)
    shares = []
    for one in erased[touched]:
        rows, columns = one.any(dim=1).nonzero(), one.any(dim=0).nonzero()
        inside = one[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert inside.float().mean() > 0.99, "a rectangle: all of it, but for values drawn as they were"
        shares.append(inside.numel() / 784)
    assert 0.01 < min(shares) < max(shares) < 0.43
    assert np.mean(shares) == pytest.approx(0.21, abs=0.02)  # uniform from 0.02 to 0.4
    assert images.min() <= changed.min() <= changed.max() <= images.max()
    assert float(changed[:, 0][erased].std()) == pytest.approx(0.1 / np.sqrt(12), rel=0.05)


@pytest.mark.parametrize("changes", [{"noise": 0.1}, {"erasing": 1.0}])
@pytest.mark.parametrize("task", CHANNELS)
def test_the_truth_is_not_disturbed(task, changes):
    batch = field(task, halo=2)
    changed = make(task, **changes)(batch, rng(0))
    assert torch.equal(changed.target, batch.target)
    assert not torch.equal(changed.input[:, :1], batch.input[:, :1])
    assert torch.equal(changed.input[:, 1:], batch.input[:, 1:]), "where pixels are observed"
    margin = torch.ones(32, 32, dtype=bool)
    margin[2:-2, 2:-2] = False
    assert torch.equal(changed.input[..., margin], batch.input[..., margin]), "the halo"


# --- what moves with what ----------------------------------------------------------------------------------


@pytest.mark.parametrize("halo", [0, 3])
@pytest.mark.parametrize("task", CHANNELS)
def test_fields_move_with_what_shows_them(task, halo):
    """The input is what would have been given of the moved truth; the halo stays 0."""
    batch, augmentation = field(task, halo=halo), make(task, **EVERYTHING)
    changed = augmentation(batch, rng(0))
    warp = augmentation.drawn_warp(batch, rng(0))
    torch.testing.assert_close(changed.target, warp(batch.target))
    assert (changed.target - batch.target).abs().mean() > 0.05
    assert 0 <= changed.target.min() <= changed.target.max() <= 1
    inner = slice(halo, 28 + halo)
    before, after = batch.input[..., inner, inner], changed.input[..., inner, inner]
    if task == "inpaint":
        assert torch.equal(after[:, 1], before[:, 1])
        torch.testing.assert_close(after[:, :1], changed.target * before[:, 1:])
        assert torch.equal(changed.observed, batch.observed)
    else:
        torch.testing.assert_close(after - changed.target, before - batch.target, rtol=0, atol=1e-6)
    assert float(changed.input.abs().sum()) == pytest.approx(float(after.abs().sum()))


def test_new_pictures_are_moved_and_their_class_is_not():
    images = pictures(6)
    one_hot = torch.eye(2)[torch.tensor([0, 1, 0, 1, 0, 1])]
    batch = Batch(input=one_hot, target=images, mask=torch.ones_like(images, dtype=bool))
    augmentation = make("generate", **EVERYTHING)
    changed = augmentation(batch, rng(0))
    assert torch.equal(changed.input, one_hot)
    torch.testing.assert_close(changed.target, augmentation.drawn_warp(batch, rng(0))(images))
    assert 0 <= changed.target.min() <= changed.target.max() <= 1


def test_pictures_to_be_classified_may_have_a_halo():
    images, augmentation = pictures(3), make(**EVERYTHING)
    padded = torch.nn.functional.pad(images, (2,) * 4, value=-0.5)
    changed = augmentation(labelled(padded), rng(0)).input
    torch.testing.assert_close(changed[..., 2:-2, 2:-2], augmentation(labelled(images), rng(0)).input)
    changed[..., 2:-2, 2:-2] = -0.5
    assert (changed == -0.5).all()


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "augmentation changes nothing.*type augmentation=none"),
        ({"translation": -1.0}, "augmentation.translation=-1.0 must be a number from 0 to 28"),
        ({"rotation": 200.0}, "augmentation.rotation=200.0 must be a number from 0 to 180"),
        ({"scaling": 1.0}, "augmentation.scaling=1.0 must be a number from 0 to 0.9"),
        ({"shear": 90.0}, "augmentation.shear=90.0 must be a number from 0 to 80"),
        ({"elastic": -0.1}, "augmentation.elastic=-0.1 must be a number from 0 to 28"),
        ({"elastic": 1.0, "elastic_scale": 0.0}, "augmentation.elastic_scale=0.0 must be a number from 0.5 to 28"),
        ({"noise": -0.1}, "augmentation.noise=-0.1 must be a number of at least 0"),
        ({"erasing": 1.5}, "augmentation.erasing=1.5 must be a number from 0 to 1"),
        ({"erasing": 1.0, "erased_share": 0.0}, "augmentation.erased_share=0.0 must be a number from 0.02 to 1"),
    ],
)
def test_impossible_values(changes, words):
    with pytest.raises(Refusal, match=words):
        make(**changes)


@pytest.mark.parametrize("task", ["classify", "reconstruct", "generate"])
def test_pictures_that_mean_something_else_are_not_mirrored(task):
    digits = spec(task, content="digits", mirror_symmetric=False)
    with pytest.raises(Refusal, match=r"mirrored digits are no digits: .*augmentation\.flip=false with data=clothes"):
        ImageChanges(spec=digits, **(NOTHING | {"flip": True}))
    ImageChanges(spec=digits, **(NOTHING | {"rotation": 5.0}))


@pytest.mark.parametrize("changes", [{"noise": 0.1}, {"erasing": 0.1}])
def test_a_class_has_no_noise(changes):
    with pytest.raises(Refusal, match=r"only a class: type augmentation\.noise=0 augmentation\.erasing=0"):
        make("generate", **changes)


@pytest.mark.parametrize(
    "data",
    [
        Spec(name="currents", kind="field", input_channels=("u", "h"), output_channels=("h",), grid=(8, 8)),
        StaggeredGridSpec(
            name="currents",
            input_channels=("v", "u"),
            output_channels=("h",),
            grid=(8, 8),
            whole=True,
            staggered=(Staggered("v", "u"),),
        ),
        SequenceSpec(
            name="currents", input_channels=("x",), output_channels=("x",), grid=(50, 1), context_steps=1, dt=1.0
        ),
        Spec(name="currents", kind="label", input_channels=("x",), output_channels=("a",), grid=(50,), whole=True),
        ImageSpec(
            name="currents",
            kind="field",
            input_channels=("x",),
            output_channels=("x",),
            grid=(8, 8),
            whole=False,
            shown="x",
        ),
    ],
)
def test_other_data(data):
    with pytest.raises(Refusal, match="whole pictures, which data=currents does not give: type augmentation=none"):
        ImageChanges(spec=data, **(NOTHING | {"rotation": 5.0}))
