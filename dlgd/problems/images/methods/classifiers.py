"""Classical classifiers of images: the probabilities of the classes from the pixels themselves."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal

# The part of one vote that all classes share, so that no probability is zero. This value has the least cross-entropy
# for 3 and 5 neighbours on mnist_5k.
SHARED = 0.1


class _Classifier(Method):
    """Learns from `intensity` (sample, ...) and `label` (sample,) of the training split."""

    learns = True
    choice: str  # as typed in baseline=...
    classes: int = 0  # known after fit

    def fit(self, train: xr.Dataset) -> None:
        """Learn from the training split. Raises Refusal for data whose task is not classification."""
        if train.attrs.get("task", "classify") != "classify" or not {"intensity", "label"} <= set(train):
            raise Refusal(
                f"baseline={self.choice} gives labels, which these data do not ask for: type data.task=classify"
            )
        self.classes = len(train.attrs["classes"].split(","))
        self._learn(_pixels(train), train.label.values)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Probabilities (sample, class), float64."""
        if not self.classes:
            raise ValueError(f"{self.name} answers only after fit")
        return self._probabilities(_pixels(samples))

    @abstractmethod
    def _learn(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        """Learn from pixels (sample, pixel) and labels (sample,)."""

    @abstractmethod
    def _probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return the probabilities (sample, class) from (sample, pixel)."""


class NearestNeighbours(_Classifier):
    """The share of each class among the nearest training images, by the distance of their pixels.

    neighbours: number of training images that vote, at least 1. All classes share SHARED of a vote besides.
    """

    choice = "nearest_neighbours"

    def __init__(self, *, neighbours: int) -> None:
        checks.whole_number("baseline.neighbours", neighbours, least=1)
        self.neighbours, self.name = neighbours, f"nearest neighbours {neighbours}"

    def _learn(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        from sklearn.neighbors import NearestNeighbors

        if self.neighbours > len(pixels):
            raise Refusal(f"baseline.neighbours={self.neighbours} is more than the {len(pixels)} training samples")
        self._search = NearestNeighbors(n_neighbors=self.neighbours, algorithm="brute").fit(pixels)
        self._labels = labels

    def _probabilities(self, pixels: np.ndarray) -> np.ndarray:
        nearest = self._labels[self._search.kneighbors(pixels, return_distance=False)]
        votes = (nearest[:, :, None] == np.arange(self.classes)).sum(axis=1)
        return (votes + SHARED / self.classes) / (self.neighbours + SHARED)


class NearestCentroid(_Classifier):
    """The softmax of minus the squared distances to the mean images of the classes, times one number.

    This number, the sharpness, has the highest likelihood on the training split.
    """

    choice, name = "nearest_centroid", "nearest centroid"

    def _learn(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        from scipy.optimize import minimize_scalar
        from scipy.special import log_softmax

        self._present = np.unique(labels)
        self._centroids = np.stack([pixels[labels == label].mean(axis=0) for label in self._present])
        distances, place = self._distances(pixels), np.searchsorted(self._present, labels)

        def loss(log_sharpness: float) -> float:
            return -log_softmax(-np.exp(log_sharpness) * distances, axis=1)[np.arange(len(place)), place].mean()

        unit = -np.log(distances.mean())
        found: Any = minimize_scalar(loss, bounds=(unit - 3, unit + 7), method="bounded")  # untyped in SciPy
        self._sharpness = np.exp(found.x)

    def _distances(self, pixels: np.ndarray) -> np.ndarray:
        """Squared distances (sample, class that has training samples)."""
        from scipy.spatial.distance import cdist

        return cdist(pixels, self._centroids, "sqeuclidean")

    def _probabilities(self, pixels: np.ndarray) -> np.ndarray:
        from scipy.special import softmax

        probabilities = np.zeros((len(pixels), self.classes))
        probabilities[:, self._present] = softmax(-self._sharpness * self._distances(pixels), axis=1)
        return probabilities


class Logistic(_Classifier):
    """Multinomial logistic regression: what a network without hidden layers would learn.

    penalty: factor, above 0, of half the sum of the squared weights, which is added to the sum of the cross-entropies
        of the training samples.
    """

    choice, name = "logistic", "logistic regression"

    def __init__(self, *, penalty: float) -> None:
        checks.number("baseline.penalty", penalty, above=0)
        self.penalty = penalty

    def _learn(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        from sklearn.linear_model import LogisticRegression

        self._regression = LogisticRegression(C=1 / self.penalty, max_iter=5000).fit(pixels, labels)

    def _probabilities(self, pixels: np.ndarray) -> np.ndarray:
        probabilities = np.zeros((len(pixels), self.classes))
        probabilities[:, self._regression.classes_] = self._regression.predict_proba(pixels)
        return probabilities / probabilities.sum(axis=1, keepdims=True)  # in double precision they sum to 1


def _pixels(samples: xr.Dataset) -> np.ndarray:
    """(sample, pixel)."""
    return samples.intensity.values.reshape(samples.sizes["sample"], -1)
