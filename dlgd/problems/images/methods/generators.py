"""Generators of images that need no network: the floor and the ceiling of those that are trained."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal


class _Generator(Method):
    """Learns from `intensity` (sample, y, x) and `label` (sample,) of the training split; the same draws for the same
    samples and seed."""

    learns = True
    choice: str  # as typed in baseline=...

    def __init__(self, *, seed: int) -> None:
        checks.whole_number("baseline.seed", seed, least=0)
        self.seed = seed
        self._labels: set[int] = set()

    def fit(self, train: xr.Dataset) -> None:
        """Raises Refusal where new images are not what the data ask for."""
        if train.attrs.get("task", "generate") != "generate" or not {"intensity", "label"} <= set(train):
            raise Refusal(f"baseline={self.choice} makes new images: type data.task=generate")
        self._labels = set(train.label.values.tolist())
        self._learn(train.intensity.values, train.label.values)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """An image (y, x) of each label that the samples have, (sample, y, x) in [0, 1]."""
        asked = samples.label.values
        unknown = sorted(set(asked.tolist()) - self._labels)
        if unknown:
            raise Refusal(f"The training samples have no image of class {unknown[0]}.")
        rng = np.random.default_rng(self.seed)
        images = np.empty(samples.intensity.shape, np.float32)
        for label in np.unique(asked):
            images[asked == label] = self._draw(label, int((asked == label).sum()), rng)
        return images

    @abstractmethod
    def _learn(self, images: np.ndarray, labels: np.ndarray) -> None:
        """From (sample, y, x) and (sample,)."""

    @abstractmethod
    def _draw(self, label: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, y, x) of one class."""


class Gaussian(_Generator):
    """Draws from a Gaussian per class in the space of the leading principal components, cut to [0, 1]."""

    choice = "gaussian"

    def __init__(self, *, modes: int, seed: int) -> None:
        super().__init__(seed=seed)
        checks.whole_number("baseline.modes", modes, least=1)
        self.modes, self.name = modes, f"Gaussian {modes}"

    def _learn(self, images: np.ndarray, labels: np.ndarray) -> None:
        from sklearn.decomposition import PCA

        pixels = images.reshape(len(images), -1)
        most = min(pixels.shape)
        if self.modes > most:
            raise Refusal(f"baseline.modes={self.modes} is more than these training samples have: at most {most}")
        solver = (
            "covariance_eigh" if pixels.shape[1] <= min(1000, len(pixels)) else "full"
        )  # both exact: the shorter way
        self._components = PCA(self.modes, svd_solver=solver).fit(pixels)
        codes = self._components.transform(pixels)
        self._shape = images.shape[1:]
        self._means = {label: codes[labels == label].mean(axis=0) for label in np.unique(labels)}
        self._spreads = {label: _root_of_covariance(codes[labels == label]) for label in np.unique(labels)}

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


def _root_of_covariance(codes: np.ndarray) -> np.ndarray:
    """A matrix R (rows, modes) with R^T R = the covariance of codes (member, modes); 0 for a single member.

    A vector of as many standard normal numbers as R has rows, times R, has this covariance.
    """
    deviations = codes - codes.mean(axis=0)
    return np.linalg.qr(deviations / np.sqrt(max(len(codes) - 1, 1)), mode="r")
