"""Scores, figures and predictions of images that are reconstructed, denoised or filled in; intensities in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core.constants import CF_CONVENTIONS
from dlgd.core.contract import Coder, Evaluation
from dlgd.core.errors import Refusal
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.problems.images.scores.images import checked, classes_of, draw_codes, image_variable, of_all_classes
from dlgd.scoring.published import published_rows

if TYPE_CHECKING:
    import xarray as xr

SHOWN = 10  # images in the figure of reconstructions


class ReconstructionEvaluation(Evaluation):
    """Scores over all pixels of all samples: mse, explained_variance (%), and, where pixels are hidden, mse_hidden and
    mse_observed.

    explained_variance is 100 (1 - mse / variance), with one variance of all pixels of all samples about their common
    mean, not a variance of each pixel: the mean image alone explains part of it.
    published: rows {name, source, and some of these scores} of figures printed elsewhere, for the table only.
    """

    all_scores = (
        Score("explained_variance", "explained variance", "%", higher_is_better=True, written=decimals(2)),
        Score("mse", "MSE", higher_is_better=False),
        Score("mse_hidden", "MSE, hidden", higher_is_better=False),
        Score("mse_observed", "MSE, observed", higher_is_better=False),
    )

    def __init__(self, *, published: Sequence[Mapping[str, Any]] = ()) -> None:
        self.published = published_rows(published, self.all_scores)

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """See the class. Raises Refusal for what cannot be scored."""
        truth = samples.intensity.values.astype(np.float64)
        squares, variance = (checked(samples, prediction) - truth) ** 2, truth.var()
        if variance == 0:
            raise Refusal(
                "The true images have one grey level only: there is no variance to explain. Choose other samples."
            )
        scores = {"mse": squares.mean()}
        if "observed" in samples:
            seen = samples.observed.values.astype(bool)
            regions = {"mse_hidden": squares[~seen], "mse_observed": squares[seen]}
            scores |= {name: region.mean() for name, region in regions.items() if region.size}
        scores["explained_variance"] = 100 * (1 - scores["mse"] / variance)
        return {name: float(value) for name, value in scores.items()}

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """reconstructions.png: some samples, what was given of them, and what every method makes of it."""
        from dlgd.plotting.mosaics import grid
        from dlgd.plotting.style import save

        if not predictions:
            raise ValueError("There is no prediction to draw.")
        chosen = of_all_classes(samples, SHOWN)
        rows = {"truth": samples.intensity.values[chosen]}
        if "given" in samples:
            rows["given"] = samples.given.values[chosen]
        rows |= {name: each[chosen] for name, each in predictions.items() if name != "given"}
        columns = [classes_of(samples)[label] for label in samples.label.values[chosen]] if "label" in samples else []
        title = f"{len(chosen)} of {samples.sizes['sample']} images, and what is made of them"
        save(
            folder / "reconstructions.png",
            grid(np.stack(list(rows.values())), title=title, rows=list(rows), columns=columns),
        )

    def coder_figures(self, folder: Path, samples: xr.Dataset, coders: Mapping[str, Coder]) -> None:
        """Draw the codes of each method; see `draw_codes`."""
        draw_codes(folder, samples, coders)

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """intensity_predicted (sample, y, x) and, where the samples have them, intensity and given."""
        import xarray as xr

        known = {"intensity": "intensity", "given": "what the method was given of the intensity"}
        variables = {
            name: image_variable(samples[name].values, text) for name, text in known.items() if name in samples
        }
        reference = "intensity" if "intensity" in samples else "given"
        predicted = image_variable(checked(samples, prediction, reference), "predicted intensity")
        title = {"title": "Images, as predicted"}
        return xr.Dataset({"intensity_predicted": predicted} | variables, samples.coords, CF_CONVENTIONS | title)
