"""Classical generators: the moments of what they draw, and copies that are copies."""

import hydra
import numpy as np
import pytest
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.problems.images.methods.generators import Gaussian, TrainCopy


def part(labels, seed=0):
    """Images of 4 x 3 pixels about 0.5, far from 0 and 1: of each class its own Gaussian of three dimensions."""
    rng, labels = np.random.default_rng(seed), np.asarray(labels)
    patterns = np.linalg.qr(np.random.default_rng(9).normal(size=(12, 3)))[0].T
    weights = rng.normal(0, 1, (len(labels), 3)) * (1 + labels[:, None]) * [0.03, 0.02, 0.01] + 0.05 * labels[:, None]
    variables = {
        "intensity": (("sample", "y", "x"), (0.5 + weights @ patterns).reshape(-1, 4, 3).astype(np.float32)),
        "label": ("sample", labels),
    }
    return xr.Dataset(variables, attrs={"classes": "cat,dog", "task": "generate"})


TRAIN, TEST = np.arange(3000) % 2, (np.arange(20_000) % 3 > 0).astype(int)


def fitted(method, train=None):
    method.fit(part(TRAIN) if train is None else train)
    return method


def test_draws_have_the_mean_and_the_covariance_of_their_class():
    train, test = part(TRAIN), part(TEST, seed=1)
    drawn = fitted(Gaussian(modes=3, seed=0)).predict(test)
    assert drawn.shape == test.intensity.shape
    for label in (0, 1):
        ours = drawn[label == TEST].reshape(-1, 12).astype(np.float64)
        members = train.intensity.values[label == TRAIN].reshape(-1, 12).astype(np.float64)
        np.testing.assert_allclose(ours.mean(axis=0), members.mean(axis=0), atol=2e-3)
        wanted = np.cov(members, rowvar=False)
        np.testing.assert_allclose(np.cov(ours, rowvar=False), wanted, atol=0.05 * wanted.max())


def test_fewer_modes_vary_less():
    train = part(TRAIN)
    spread = [fitted(Gaussian(modes=modes, seed=0)).predict(train).var(axis=0).sum() for modes in (1, 3)]
    assert 0 < spread[0] < 0.95 * spread[1]


def test_images_are_cut_to_the_range_of_intensities():
    wide = part(TRAIN)
    wide["intensity"] = 0.5 + 20 * (wide.intensity - 0.5)
    drawn = fitted(Gaussian(modes=3, seed=0), wide).predict(wide)
    assert (drawn.min(), drawn.max()) == (0, 1)


def test_a_class_of_one_image_is_that_image():
    train = part([0, 0, 0, 0, 1])
    drawn = fitted(Gaussian(modes=3, seed=0), train).predict(part([1, 0, 1]))
    np.testing.assert_allclose(drawn[[0, 2]], train.intensity.values[[4, 4]], atol=1e-5)


def test_copies_are_training_images_of_the_class_that_is_asked_for():
    train, asked = part(TRAIN), part(TEST[:100], seed=1)
    drawn = fitted(TrainCopy(seed=0)).predict(asked)
    known = {image.tobytes(): label for image, label in zip(train.intensity.values, TRAIN, strict=True)}
    assert [known[image.tobytes()] for image in drawn] == TEST[:100].tolist()
    assert len({image.tobytes() for image in drawn}) > 80


@pytest.mark.parametrize("make", [lambda seed: Gaussian(modes=2, seed=seed), lambda seed: TrainCopy(seed=seed)])
def test_draws_come_from_the_seed_and_the_truth_is_not_looked_at(make):
    asked = part(TEST[:50], seed=1)
    first = fitted(make(0)).predict(asked)
    np.testing.assert_array_equal(fitted(make(0)).predict(asked.assign(intensity=0 * asked.intensity)), first)
    assert (fitted(make(1)).predict(asked) != first).any()
    assert make(0).learns


@pytest.mark.parametrize("name", ["gaussian", "train_copy"])
def test_the_yaml_files_build(name):
    assert hydra.utils.instantiate(OmegaConf.load(CONF / "baseline" / f"{name}.yaml")).choice == name


def test_few_training_images_have_fewer_modes_than_asked_for(caplog):
    method = fitted(Gaussian(modes=13, seed=0))
    assert method.name == "Gaussian 12"
    assert "baseline.modes=13 is more than these training samples have: 12 are taken" in caplog.text


def test_what_does_not_fit_is_refused():
    with pytest.raises(Refusal, match=r"baseline=gaussian makes new images: type data.task=generate"):
        fitted(Gaussian(modes=2, seed=0), part(TRAIN).assign_attrs(task="classify"))
    with pytest.raises(ValueError, match=r"baseline.modes=0"):
        Gaussian(modes=0, seed=0)
    with pytest.raises(ValueError, match=r"baseline.seed=-1"):
        TrainCopy(seed=-1)
    with pytest.raises(ValueError, match="no image of class 1"):
        fitted(TrainCopy(seed=0), part([0, 0])).predict(part([0, 1]))
