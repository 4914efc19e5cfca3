"""Scores, figures and predictions of the classes of images. A prediction holds probabilities (sample, class)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core.constants import CF_CONVENTIONS
from dlgd.core.contract import Evaluation
from dlgd.core.errors import Refusal
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.plotting.style import file_name
from dlgd.problems.images.scores.images import classes_of
from dlgd.scoring.published import published_rows

if TYPE_CHECKING:
    import xarray as xr

BINS = 15  # of the calibration error, as in Guo et al. 2017
SUM_TOLERANCE = 1e-3  # of the probabilities of a sample
LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)  # a softmax in single precision gives no smaller one: 87 nats


@dataclass(frozen=True)
class Reliability:
    """Samples in BINS equal intervals of confidence (the highest probability); empty intervals are left out."""

    count: np.ndarray  # (bin,) samples
    confidence: np.ndarray  # (bin,) mean
    accuracy: np.ndarray  # (bin,) share of samples whose class is right

    @property
    def error(self) -> float:
        """Expected calibration error, in [0, 1] (Guo et al. 2017, On calibration of modern neural networks, eq. 3)."""
        return float((self.count * np.abs(self.accuracy - self.confidence)).sum() / self.count.sum())


class ClassificationEvaluation(Evaluation):
    """Scores over all samples: accuracy, error and calibration_error (%), cross_entropy (nats), and accuracy_of_<class>
    (%) of every class that the samples have.

    published: rows {name, source, and some of these scores} of figures printed elsewhere, for the table only.
    """

    all_scores = (
        Score("accuracy", "accuracy", "%", higher_is_better=True, written=decimals(2)),
        Score("cross_entropy", "cross-entropy", "nats", higher_is_better=False),
        Score("calibration_error", "calibration error", "%", higher_is_better=False, written=decimals(2)),
        Score("error", "error", "%", higher_is_better=False, in_table=False),
        Score("accuracy_of_*", "accuracy of a class", "%", higher_is_better=True, in_table=False),
    )

    def __init__(self, *, published: Sequence[Mapping[str, Any]] = ()) -> None:
        self.published = published_rows(published, self.all_scores)

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """See the class. Raises Refusal where the prediction holds no probabilities."""
        probabilities, labels = checked_probabilities(samples, prediction), samples.label.values
        right = probabilities.argmax(axis=1) == labels
        of_true_class = np.maximum(probabilities[np.arange(len(labels)), labels], LEAST_PROBABILITY)
        overall = {
            "error": 100 * (1 - right.mean()),
            "cross_entropy": -np.log(of_true_class).mean(),
            "calibration_error": 100 * reliability(probabilities, labels).error,
            "accuracy": 100 * right.mean(),
        }
        return {name: float(value) for name, value in overall.items()} | {
            f"accuracy_of_{file_name(name)}": value for name, value in accuracy_by_class(samples, probabilities).items()
        }

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """confusion.png and wrong.png of the first method, reliability.png and accuracy_by_class.png of all."""
        from dlgd.plotting.style import save
        from dlgd.problems.images.figures import classification as draw

        if not predictions:
            raise ValueError("There is no prediction to draw.")
        probabilities = {name: checked_probabilities(samples, prediction) for name, prediction in predictions.items()}
        (first, looked_at), names, labels = next(iter(probabilities.items())), classes_of(samples), samples.label.values
        save(folder / "confusion.png", draw.confusion(confusion(labels, looked_at), names, method=first))
        wrong = draw.wrong(samples.intensity.values, labels, looked_at, names, method=first)
        save(folder / "wrong.png", wrong)
        save(
            folder / "reliability.png", draw.reliability({n: reliability(c, labels) for n, c in probabilities.items()})
        )
        by_class = {name: accuracy_by_class(samples, each) for name, each in probabilities.items()}
        save(folder / "accuracy_by_class.png", draw.accuracy_by_class(by_class))

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """probability (sample, class), label_predicted (sample,) and, where the samples hold the truth, label
        (sample,).
        """
        import xarray as xr

        probabilities = checked_probabilities(samples, prediction)
        variables = {
            "probability": (
                ("sample", "class"),
                probabilities.astype(np.float32),
                {"long_name": "probability of the class", "units": "1"},
            ),
            "label_predicted": ("sample", probabilities.argmax(axis=1), {"long_name": "number of the likeliest class"}),
        }
        if "label" in samples:
            variables["label"] = ("sample", samples.label.values, {"long_name": "number of the class"})
        coordinates = {
            name: coordinate for name, coordinate in samples.coords.items() if set(coordinate.dims) <= {"sample"}
        }
        title = {"title": "Classes of images, as predicted"}
        return xr.Dataset(variables, coordinates | {"class": classes_of(samples)}, CF_CONVENTIONS | title)


def checked_probabilities(samples: xr.Dataset, prediction: np.ndarray) -> np.ndarray:
    """The probabilities, float64 (sample, class). Raises Refusal where they are none."""
    expected = (samples.sizes["sample"], len(classes_of(samples)))
    if expected[0] == 0:
        raise Refusal("There is no sample to score: the dimension `sample` is empty.")
    if np.shape(prediction) != expected:
        raise Refusal(f"The prediction has shape {np.shape(prediction)} where (sample, class) = {expected}.")
    probabilities = np.asarray(prediction, np.float64)
    bad = ~np.isfinite(probabilities).all(axis=1)
    if bad.any():
        raise Refusal(f"The probabilities of {bad.sum()} samples are not finite, first of sample {bad.argmax()}.")
    bad = (probabilities < 0).any(axis=1) | (np.abs(probabilities.sum(axis=1) - 1) > SUM_TOLERANCE)
    if bad.any():
        number = int(bad.argmax())
        raise Refusal(
            f"{bad.sum()} rows of the prediction are no probabilities: those of sample {number} sum to "
            f"{probabilities[number].sum():.4g} and the lowest is {probabilities[number].min():.4g}."
        )
    return probabilities


def confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Numbers of samples (true class, predicted class)."""
    classes = probabilities.shape[1]
    pairs = labels * classes + probabilities.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def accuracy_by_class(samples: xr.Dataset, probabilities: np.ndarray) -> dict[str, float]:
    """Return the share of recognized samples (%) of each class, by its name."""
    counts = confusion(samples.label.values, probabilities)
    return {
        name: float(100 * row[number] / row.sum())
        for number, (name, row) in enumerate(zip(classes_of(samples), counts, strict=True))
        if row.sum()
    }


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> Reliability:
    """Return the reliability in intervals (n / BINS, (n + 1) / BINS] of the confidence."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    filled = count > 0
    sums = [np.bincount(place, weights=each, minlength=BINS)[filled] for each in (confidence, right)]
    return Reliability(count[filled], *(each / count[filled] for each in sums))
