"""Scores, figures and predictions of the classes of images. A prediction holds chances (sample, class)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core.contract import Evaluation
from dlgd.problems.images.scores.images import CONVENTIONS, classes_of, file_name, published_rows, two_decimals
from dlgd.scoring.table import Column, scientific, seconds

if TYPE_CHECKING:
    import xarray as xr

BINS = 15  # of the calibration error, as in Guo et al. 2017
SUM_TOLERANCE = 1e-3  # of the chances of a sample
LEAST_CHANCE = float(np.finfo(np.float32).tiny)  # what a softmax in single precision cannot tell from zero: 87 nats


@dataclass(frozen=True)
class Reliability:
    """Samples in BINS equal intervals of confidence (the highest chance); empty intervals are left out."""

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

    names = ("error", "cross_entropy", "calibration_error")  # lower is better; the accuracies come besides
    columns = (
        Column("accuracy", "accuracy (%)", two_decimals, higher=True),
        Column("cross_entropy", "cross-entropy", scientific),
        Column("calibration_error", "calibration error (%)", two_decimals),
        Column("seconds_per_sample", "s/sample", seconds),
    )

    def __init__(self, *, published: Sequence[Mapping[str, Any]] = ()) -> None:
        self.published = published_rows(published, ("accuracy", *self.names))

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """See the class. Raises ValueError where the prediction holds no chances."""
        chances, labels = checked_chances(samples, prediction), samples.label.values
        right = chances.argmax(axis=1) == labels
        given_to_truth = np.maximum(chances[np.arange(len(labels)), labels], LEAST_CHANCE)
        overall = {
            "error": 100 * (1 - right.mean()),
            "cross_entropy": -np.log(given_to_truth).mean(),
            "calibration_error": 100 * reliability(chances, labels).error,
            "accuracy": 100 * right.mean(),
        }
        return {name: float(value) for name, value in overall.items()} | {
            f"accuracy_of_{file_name(name)}": value for name, value in accuracy_by_class(samples, chances).items()
        }

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """confusion.png and wrong.png of the first method, reliability.png and accuracy_by_class.png of all."""
        from dlgd.plotting.style import save
        from dlgd.problems.images.figures import classification as draw

        if not predictions:
            raise ValueError("There is no prediction to draw.")
        chances = {name: checked_chances(samples, prediction) for name, prediction in predictions.items()}
        (first, looked_at), names, labels = next(iter(chances.items())), classes_of(samples), samples.label.values
        save(folder / "confusion.png", draw.confusion(confusion(labels, looked_at), names, method=first))
        wrong = draw.wrong(samples.intensity.values, labels, looked_at, names, method=first)
        save(folder / "wrong.png", wrong)
        save(folder / "reliability.png", draw.reliability({n: reliability(c, labels) for n, c in chances.items()}))
        by_class = {name: accuracy_by_class(samples, each) for name, each in chances.items()}
        save(folder / "accuracy_by_class.png", draw.accuracy_by_class(by_class))

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """chance (sample, class), label_predicted (sample,) and, where the samples hold the truth, label (sample,)."""
        import xarray as xr

        chances = checked_chances(samples, prediction)
        variables = {
            "chance": (
                ("sample", "class"),
                chances.astype(np.float32),
                {"long_name": "chance of the class", "units": "1"},
            ),
            "label_predicted": ("sample", chances.argmax(axis=1), {"long_name": "number of the likeliest class"}),
        }
        if "label" in samples:
            variables["label"] = ("sample", samples.label.values, {"long_name": "number of the class"})
        coordinates = {name: one for name, one in samples.coords.items() if set(one.dims) <= {"sample"}}
        title = {"title": "Classes of images, as predicted"}
        return xr.Dataset(variables, coordinates | {"class": classes_of(samples)}, CONVENTIONS | title)


def checked_chances(samples: xr.Dataset, prediction: np.ndarray) -> np.ndarray:
    """The chances, float64 (sample, class). Raises ValueError where they are none."""
    expected = (samples.sizes["sample"], len(classes_of(samples)))
    if expected[0] == 0:
        raise ValueError("There is no sample to score: the dimension `sample` is empty.")
    if np.shape(prediction) != expected:
        raise ValueError(f"The prediction has shape {np.shape(prediction)} where (sample, class) = {expected}.")
    chances = np.asarray(prediction, np.float64)
    bad = ~np.isfinite(chances).all(axis=1)
    if bad.any():
        raise ValueError(f"The chances of {bad.sum()} samples are not finite, first of sample {bad.argmax()}.")
    bad = (chances < 0).any(axis=1) | (np.abs(chances.sum(axis=1) - 1) > SUM_TOLERANCE)
    if bad.any():
        number = int(bad.argmax())
        raise ValueError(
            f"{bad.sum()} rows of the prediction are no chances: those of sample {number} sum to "
            f"{chances[number].sum():.4g} and the lowest is {chances[number].min():.4g}."
        )
    return chances


def confusion(labels: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Numbers of samples (true class, predicted class)."""
    classes = chances.shape[1]
    pairs = labels * classes + chances.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def accuracy_by_class(samples: xr.Dataset, chances: np.ndarray) -> dict[str, float]:
    """Of the samples of each class, by its name, how many are told (%)."""
    counts = confusion(samples.label.values, chances)
    return {
        name: float(100 * row[number] / row.sum())
        for number, (name, row) in enumerate(zip(classes_of(samples), counts, strict=True))
        if row.sum()
    }


def reliability(chances: np.ndarray, labels: np.ndarray) -> Reliability:
    """How often a class is right that was given a chance, intervals (n / BINS, (n + 1) / BINS] of it."""
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    filled = count > 0
    sums = [np.bincount(place, weights=each, minlength=BINS)[filled] for each in (confidence, right)]
    return Reliability(count[filled], *(each / count[filled] for each in sums))
