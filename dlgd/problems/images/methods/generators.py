"""Generators of images without a network: the floor and the ceiling for trained generators."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.problems.images.covariance import covariance_root
from dlgd.problems.images.methods.pca import at_most


class _Generator(Method):
    """Learns from `intensity` (sample, y, x) and `label` (sample,) of the training split.

    seed: of the random draws; the same samples and seed give the same images.
    """

    learns = True
    choice: str  # as typed in baseline=...

    def __init__(self, *, seed: int) -> None:
        checks.whole_number("baseline.seed", seed, least=0)
        self.seed = seed
        self._labels: set[int] = set()

    def fit(self, train: xr.Dataset) -> None:
        """Learn from the training split. Raises Refusal for data whose task is not to generate images."""
        if train.attrs.get("task", "generate") != "generate" or not {"intensity", "label"} <= set(train):
            raise Refusal(f"baseline={self.choice} makes new images: type data.task=generate")
        self._labels = set(train.label.values.tolist())
        self._learn(train.intensity.values, train.label.values)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return an image for each label of the samples, (sample, y, x) in [0, 1]."""
        asked = samples.label.values
        unknown = sorted(set(asked.tolist()) - self._labels)
        if unknown:
            raise Refusal(
                f"The training samples have no image of class {unknown[0]}: choose samples whose classes they all have."
            )
        rng = np.random.default_rng(self.seed)
        images = np.empty(samples.intensity.shape, np.float32)
        for label in np.unique(asked):
            images[asked == label] = self._draw(label, int((asked == label).sum()), rng)
        return images

    @abstractmethod
    def _learn(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Learn from images (sample, y, x) and labels (sample,)."""

    @abstractmethod
    def _draw(self, label: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return new images (count, y, x) of one class."""


class Gaussian(_Generator):
    """Draws from a Gaussian per class in the space of the leading principal components, cut to [0, 1].

    modes: number of principal components, at least 1; where training samples or pixels are fewer, as many.
    """

    choice = "gaussian"

    def __init__(self, *, modes: int, seed: int) -> None:
        super().__init__(seed=seed)
        checks.whole_number("baseline.modes", modes, least=1)
        self.modes, self.name = modes, f"Gaussian {modes}"

    def _learn(self, images: np.ndarray, labels: np.ndarray) -> None:
        from sklearn.decomposition import PCA

        pixels = images.reshape(len(images), -1)
        modes = at_most(self.modes, min(pixels.shape))
        self.name = f"Gaussian {modes}"
        # both are exact; this is the faster one
        solver = "covariance_eigh" if pixels.shape[1] <= min(1000, len(pixels)) else "full"
        self._components = PCA(modes, svd_solver=solver).fit(pixels)
        codes = self._components.transform(pixels)
        self._shape = images.shape[1:]
        self._means = {label: codes[labels == label].mean(axis=0) for label in np.unique(labels)}
        self._spreads = {
            label: covariance_root(codes[labels == label] - self._means[label]) for label in np.unique(labels)
        }

    def _draw(self, label: int, count: int, rng: np.random.Generator) -> np.ndarray:
        spread = self._spreads[label]
        codes = self._means[label] + rng.standard_normal((count, len(spread))) @ spread
        return self._components.inverse_transform(codes).clip(0, 1).reshape(count, *self._shape)


class TrainCopy(_Generator):
    """Draws training images of the class asked for: nothing resembles the data more, and nothing is less new."""

    choice, name = "train_copy", "training images"

    def _learn(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._images = {label: images[labels == label] for label in np.unique(labels)}

    def _draw(self, label: int, count: int, rng: np.random.Generator) -> np.ndarray:
        return rng.choice(self._images[label], count)
