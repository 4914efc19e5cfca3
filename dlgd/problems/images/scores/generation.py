"""Scores, figures and files of generated images (sample, y, x), intensities in [0, 1].

The samples' labels are what was asked for; their images are real ones, of the same number and classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core.constants import CF_CONVENTIONS
from dlgd.core.contract import Coder, Evaluation
from dlgd.core.errors import Refusal
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.problems.images.scores.frechet import frechet_distance
from dlgd.problems.images.scores.images import checked, classes_of, draw_codes, image_variable

if TYPE_CHECKING:
    import xarray as xr

COMPONENTS = 30  # of the real images, for frechet_pca
COMPARED = 1000  # images at most whose nearest training images are looked for
CLOSELY = 8  # of them in the figure
PER_CLASS = 2  # images of each class in a snapshot
ROWS = 12  # snapshots at most in the figure of the progress


@dataclass(frozen=True)
class Classified:
    """The answers of a classifier for images."""

    classes: np.ndarray  # (sample,) number of the likeliest class
    features: np.ndarray  # (sample, feature)


class GenerationEvaluation(Evaluation):
    """Scores of generated images: do they resemble real ones, are they of the class asked for, and are they new?

    frechet_pca: Frechet distance between generated and real images in the space of the COMPONENTS leading principal
        components of the real ones.
    frechet_classifier: the same of the features of the classifier.
    asked_recognised: share of the generated images (%) that the classifier takes for the class that was asked for.
        A generator that ignores the class has about 100 over the number of classes.
    histogram_deviation: the largest deviation (percentage points) of a class's share, as the classifier sees it, from
        the share that was asked for.
    nearest_ratio: median distance of a generated image to the nearest training image over that of a real image that is
        new: 0 for copies, 1 is best. Only where the samples carry train_intensity (train_sample, y, x).

    classifier: a function of images (n, y, x) in [0, 1] that returns probabilities (n, class) and features (n, m). None
        leaves out the scores that need it.
    """

    all_scores = (
        Score("frechet_pca", "Frechet, PCA", higher_is_better=False),
        Score("frechet_classifier", "Frechet, classifier", higher_is_better=False),
        Score("asked_recognised", "recognised", "%", higher_is_better=True, written=decimals(2)),
        Score("histogram_deviation", "classes off by", "%", higher_is_better=False, written=decimals(2)),
        Score("nearest_ratio", "nearest / new", higher_is_better=None, written=decimals(2)),
    )
    published = ()

    def __init__(self, *, classifier: Any = None) -> None:
        self.classifier = classifier
        self._real: _Real | None = None  # of the samples that were scored last

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """See the class. Raises Refusal for what cannot be scored."""
        images, real = checked(samples, prediction), self._known(samples)
        scores = {"frechet_pca": frechet_distance(real.components(images), real.in_components)}
        if real.classified is not None:
            classified, classes = self._classified(images, samples), len(classes_of(samples))
            asked, seen = (np.bincount(each, minlength=classes) for each in (samples.label.values, classified.classes))
            scores |= {
                "frechet_classifier": frechet_distance(classified.features, real.classified.features),
                "asked_recognised": 100 * (classified.classes == samples.label.values).mean(),
                "histogram_deviation": 100 * np.abs(seen - asked).max() / len(images),
            }
        if real.distances is not None:
            _, distances = nearest(_spread(images), samples.train_intensity.values)
            scores["nearest_ratio"] = np.median(distances) / np.median(real.distances)
        return {name: float(value) for name, value in scores.items()}

    def _known(self, samples: xr.Dataset) -> _Real:
        """What is known of the real images, computed once for the same samples."""
        if self._real is None or self._real.samples is not samples:
            images = samples.intensity.values
            self._real = _Real(samples, None if self.classifier is None else self._classified(images, samples))
        return self._real

    def _classified(self, images: np.ndarray, samples: xr.Dataset) -> Classified:
        probabilities, features = self.classifier(images.astype(np.float32))
        expected = (len(images), len(classes_of(samples)))
        if probabilities.shape != expected:
            raise Refusal(
                f"evaluation.classifier has the shape {probabilities.shape} where (image, class) = {expected}."
            )
        if not np.isfinite(probabilities).all() or not np.isfinite(features).all():
            raise Refusal("evaluation.classifier gives numbers that are not finite: choose another classifier.")
        return Classified(probabilities.argmax(axis=1), features)

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """samples.png of the first method and methods.png of all; nearest.png of the first where training images are at
        hand, and classes.png of all where there is a classifier."""
        from dlgd.plotting.style import save
        from dlgd.problems.images.figures import generation as draw

        if not predictions:
            raise ValueError("There is no prediction to draw.")
        images = {name: checked(samples, prediction) for name, prediction in predictions.items()}
        (first, looked_at), names, labels = next(iter(images.items())), classes_of(samples), samples.label.values
        save(folder / "samples.png", draw.samples(by_class(looked_at, samples, draw.ROWS), names, method=first))
        compared = {"real": samples.intensity.values} | images
        two = {name: by_class(each, samples, PER_CLASS) for name, each in compared.items()}
        save(folder / "methods.png", draw.methods(two, names))
        if "train_intensity" in samples:
            shown, training = _spread(looked_at, CLOSELY), samples.train_intensity.values
            numbers, distances = nearest(shown, training, neighbours=3)
            save(folder / "nearest.png", draw.nearest(shown, training[numbers], distances, method=first))
        if self.classifier is not None:
            seen = {name: self._classified(each, samples).classes for name, each in images.items()}
            save(folder / "classes.png", draw.classes(labels, seen, names))

    def coder_figures(self, folder: Path, samples: xr.Dataset, coders: Mapping[str, Coder]) -> None:
        """Of each method's codes; see `draw_codes`."""
        draw_codes(folder, samples, coders)

    def snapshot(self, samples: xr.Dataset, prediction: np.ndarray) -> np.ndarray:
        """PER_CLASS images of each class, uint8 (PER_CLASS, class, y, x)."""
        images = by_class(checked(samples, prediction), samples, PER_CLASS)
        return np.round(255 * images.clip(0, 1)).astype(np.uint8)

    def progress(self, folder: Path, snapshots: Sequence[np.ndarray]) -> None:
        """progress.png: a row of images for each of ROWS validations at most, the first and the last among them."""
        from dlgd.plotting.style import save
        from dlgd.problems.images.figures import generation as draw

        if snapshots:
            chosen = np.unique(np.linspace(0, len(snapshots) - 1, ROWS).round().astype(int))
            save(folder / "progress.png", draw.progress({n + 1: snapshots[n] / 255 for n in chosen}, of=len(snapshots)))

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """intensity_generated (sample, y, x) and the label (sample,) that was asked for."""
        import xarray as xr

        variables = {
            "intensity_generated": image_variable(checked(samples, prediction), "generated intensity"),
            "label": ("sample", samples.label.values, {"long_name": "number of the class that was asked for"}),
        }
        attributes = CF_CONVENTIONS | {"title": "Generated images", "classes": samples.attrs["classes"]}
        return xr.Dataset(
            variables, {k: v for k, v in samples.coords.items() if "train_sample" not in v.dims}, attributes
        )


class _Real:
    """Features and distances of the real images, which do not depend on what is generated."""

    def __init__(self, samples: xr.Dataset, classified: Classified | None) -> None:
        self.samples, self.classified = samples, classified
        pixels = samples.intensity.values.reshape(samples.sizes["sample"], -1).astype(np.float64)
        if len(pixels) < 2:
            raise Refusal("Generated images need at least two real ones to be compared with: choose more samples.")
        self._mean = pixels.mean(axis=0)
        _, vectors = np.linalg.eigh(np.cov(pixels, rowvar=False))  # in ascending order
        self._vectors = vectors[:, ::-1][:, :COMPONENTS]
        self.in_components = self.components(pixels)
        self.distances: np.ndarray | None = None  # to the nearest training images
        if "train_intensity" in samples:
            _, self.distances = nearest(_spread(samples.intensity.values), samples.train_intensity.values)

    def components(self, images: np.ndarray) -> np.ndarray:
        """(n, ...) -> (n, component)."""
        return (images.reshape(len(images), -1) - self._mean) @ self._vectors


def nearest(images: np.ndarray, training: np.ndarray, neighbours: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the nearest training images (n, neighbours), and their Euclidean distances."""
    near = images.reshape(len(images), -1).astype(np.float32)
    far = training.reshape(len(training), -1).astype(np.float32)
    squares = (far**2).sum(axis=1) - 2 * near @ far.T  # less what is the same for all of them
    candidates = np.argpartition(squares, min(neighbours, len(far) - 1), axis=1)[:, :neighbours]
    exact = np.sqrt(((near[:, None] - far[candidates]) ** 2).sum(axis=2))
    order = exact.argsort(axis=1, kind="stable")
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(exact, order, axis=1)


def by_class(images: np.ndarray, samples: xr.Dataset, rows: int) -> np.ndarray:
    """The first images (row, class, y, x) of each class, 0 where there are not as many."""
    table = np.zeros((rows, len(classes_of(samples)), *images.shape[1:]))
    for number in range(table.shape[1]):
        members = images[samples.label.values == number][:rows]
        table[: len(members), number] = members
    return table


def _spread(images: np.ndarray, count: int = COMPARED) -> np.ndarray:
    """Return `count` of the images at most, evenly spread from first to last."""
    return images[np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))]
