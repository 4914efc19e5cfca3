"""Scores, figures and predictions of normalization coefficients gamma (m), in physical units.

The error of a sea cell is the relative error of the variance, eps = (predicted^2 - gamma^2) / gamma^2. Land does not
count. Metrics: G. Coulaud, Report on using CNNs to estimate normalization coefficients for diffusion-based correlation
operators, 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core.constants import CF_CONVENTIONS
from dlgd.core.contract import Evaluation
from dlgd.core.errors import Refusal
from dlgd.core.score import Score
from dlgd.scoring.published import published_rows

if TYPE_CHECKING:
    import xarray as xr

EXTREME = 0.9999  # eps_q is this quantile of |eps| (linear between two order statistics)
COAST_CELLS = 3  # the report finds its errors above 1 % within 3 cells of the coast
BANDS = ("within", "beyond")
DRAWN = 1440  # rows and columns of a map, at most
UNITS = {"lat": ("latitude", "degrees_north"), "lon": ("longitude", "degrees_east")}


@dataclass(frozen=True)
class ErrorByDistance:
    """|eps| of all samples in bins of distance that are one cell wide: bin n holds the distances in (n - 1, n]."""

    distance: np.ndarray  # (bin,) upper end of each bin that has a sea cell, in cells
    cells: np.ndarray  # (bin,) number of sea cells of the grid
    mean: np.ndarray  # (bin,) mean |eps|
    q99: np.ndarray  # (bin,) 99 % quantile of |eps|


class NormalizationEvaluation(Evaluation):
    """The report's scores of gamma: each is computed for each sample and then averaged over samples.

    published: rows {name, source, and some of these scores} of figures printed elsewhere, for the table only.
    """

    all_scores = (
        Score("eps_mean", "eps_mean", higher_is_better=False),
        Score("eps_q", "eps_Q", higher_is_better=False),
        Score("eps_max", "eps_max", higher_is_better=False),
        Score("rmse", "RMSE", higher_is_better=False),
        *(
            Score(
                f"{score}_{band}_{COAST_CELLS}", f"{score} {band} {COAST_CELLS} cells of the coast",
                higher_is_better=False, in_table=False,
            )
            for band in BANDS
            for score in ("eps_mean", "eps_max")
        ),
    )  # fmt: skip

    def __init__(self, *, published: Sequence[Mapping[str, Any]] = ()) -> None:
        self.published = published_rows(published, self.all_scores)

    def per_sample(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, np.ndarray]:
        """Each score for each sample, arrays (sample,): rmse, eps_mean, eps_q and eps_max over all sea cells, then
        eps_mean and eps_max within COAST_CELLS of the coast and beyond, where the grid has such cells."""
        error = np.abs(relative_error(samples, prediction))
        distance = samples["distance"].values[_sea(samples)]
        scores = {
            "rmse": np.sqrt(np.mean(error**2, axis=1)),
            "eps_mean": error.mean(axis=1),
            "eps_q": np.quantile(error, EXTREME, axis=1),
            "eps_max": error.max(axis=1),
        }
        for band, inside in zip(BANDS, (distance <= COAST_CELLS, distance > COAST_CELLS), strict=True):
            if inside.any():
                scores[f"eps_mean_{band}_{COAST_CELLS}"] = error[:, inside].mean(axis=1)
                scores[f"eps_max_{band}_{COAST_CELLS}"] = error[:, inside].max(axis=1)
        return scores

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """The means of `per_sample` over samples, without units. Raises Refusal for fields that cannot be scored."""
        return {name: float(values.mean()) for name, values in self.per_sample(samples, prediction).items()}

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """gamma_predicted (m) and, where the samples hold the truth, gamma (m) and relative_error (eps).

        Dimensions (sample, y, x), or (sample, level, y, x), float32, NaN on land; ready for `to_netcdf`.
        """
        import xarray as xr

        dims, sea = ("sample", *_dims(samples)), _sea(samples)
        units = "m" if sea.ndim == 2 else "m1.5"

        def variable(at_sea: np.ndarray, **attributes: str) -> xr.Variable:
            field = np.full((at_sea.shape[0], *sea.shape), np.nan, np.float32)
            field[:, sea] = at_sea
            return xr.Variable(dims, field, attributes, {"zlib": True, "complevel": 1})

        predicted = _predicted_at_sea(samples, prediction)
        named = "normalization coefficient"
        variables = {"gamma_predicted": variable(predicted, units=units, long_name=f"predicted {named}")}
        if "gamma" in samples:
            eps = relative_error(samples, prediction)
            variables["gamma"] = variable(_truth_at_sea(samples), units=units, long_name=named)
            variables["relative_error"] = variable(
                eps, units="1", long_name="relative error of gamma squared, (predicted^2 - gamma^2) / gamma^2"
            )
        title = "Normalization coefficients of a diffusion-based correlation operator, as predicted"
        unknown = [name for name in UNITS if name in samples.coords and samples[name].attrs.get("units") == "1"]
        dataset = xr.Dataset(variables, samples.drop_vars(unknown).coords, CF_CONVENTIONS | {"title": title})
        for name, (standard_name, units) in UNITS.items():
            if name in dataset.coords:
                dataset[name].attrs = {"standard_name": standard_name, "units": units, "long_name": standard_name}
        return dataset

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """sample.png, mean_error.png, distance.png and overview.png, of any number of methods.

        sample.png shows the first method; overview.png has maps of the first and the second one. Maps of grids of more
        than DRAWN rows or columns show means over blocks of cells.
        """
        from dlgd.plotting.style import save
        from dlgd.problems.normalization import figures as draw

        if not predictions:
            raise ValueError("There is no prediction to draw.")
        sea, count, first = _sea(samples), samples.sizes["sample"], next(iter(predictions))
        block = -(-max(sea.shape) // DRAWN)

        def drawn(at_sea: np.ndarray) -> np.ndarray:
            return _block_means(_on_grid(at_sea, sea), block)

        maps, curves, one = {}, {}, samples.isel(sample=slice(1))
        for name, prediction in predictions.items():
            error = relative_error(samples, prediction)
            np.abs(error, out=error)
            maps[name] = drawn(error.mean(axis=0))
            curves[name] = _by_distance(error, samples["distance"].values[sea])
            del error
        truth = drawn(_truth_at_sea(one)[0])
        predicted = drawn(_predicted_at_sea(one, predictions[first][:1])[0])
        signed = drawn(relative_error(one, predictions[first][:1])[0])
        save(folder / "sample.png", draw.sample(truth, predicted, signed, method=first, block=block))
        save(folder / "mean_error.png", draw.mean_error(maps, samples=count, block=block))
        save(folder / "distance.png", draw.distance(curves))
        save(folder / "overview.png", draw.overview(truth, maps, curves, samples=count, block=block))


class OceanEvaluation(NormalizationEvaluation):
    """The same scores, each over all cells of an ocean with levels, and figures of its depths."""

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """section.png, along the row where the first method errs most, and above_bottom.png, of the first sample."""
        from dlgd.plotting.style import save
        from dlgd.problems.normalization import figures3d as draw

        sea, first = _sea(samples), samples.isel(sample=[0])
        found = {name: _on_grid(np.abs(relative_error(first, each[:1]))[0], sea) for name, each in predictions.items()}
        row = int(np.argmax(np.nansum(next(iter(found.values())), axis=(0, 2))))
        truth = _on_grid(_truth_at_sea(first)[0], sea) / np.sqrt(samples.w.values)
        errors = {name: error[:, row] for name, error in found.items()}
        save(folder / "section.png", draw.section(truth[:, row], errors, depth=samples.depth, row=row))
        height = sea.sum(axis=0) - 1 - np.arange(len(sea))[:, None, None]
        cells = [sea & (height == each) for each in range(int(height[sea].max()) + 1)]
        curves = {name: np.array([error[each].mean() for each in cells]) for name, error in found.items()}
        save(folder / "above_bottom.png", draw.above_bottom(curves))


def relative_error(samples: xr.Dataset, prediction: np.ndarray) -> np.ndarray:
    """eps = (predicted^2 - gamma^2) / gamma^2 of the sea cells, float64 (sample, cell), cells row by row.

    prediction: (sample, y, x) in m. Raises Refusal where shapes differ, nothing is left to score, or
    either gamma is unusable at sea.
    """
    truth, error = _truth_at_sea(samples), _predicted_at_sea(samples, prediction)
    with np.errstate(over="ignore"):  # in place: fields may be large
        np.square(truth, out=truth)
        np.square(error, out=error)
        error -= truth
        error /= truth
    if not np.isfinite(error).all():
        raise Refusal("The relative error overflows: the prediction is far too large at some sea cell.")
    return error


def error_by_distance(samples: xr.Dataset, prediction: np.ndarray) -> ErrorByDistance:
    """|eps| against the distance to the coast, of all samples together; raises Refusal as `relative_error` does."""
    error = np.abs(relative_error(samples, prediction))
    return _by_distance(error, samples["distance"].values[_sea(samples)])


def _by_distance(error: np.ndarray, distance: np.ndarray) -> ErrorByDistance:
    """From |eps| (sample, cell) and the distance of each cell (cell,)."""
    index = np.ceil(distance).astype(np.int16)
    bins, cells = np.unique(index, return_counts=True)
    groups = (error[:, index == number] for number in bins)
    mean, q99 = zip(*((group.mean(), np.quantile(group, 0.99)) for group in groups), strict=True)
    return ErrorByDistance(distance=bins.astype(float), cells=cells, mean=np.array(mean), q99=np.array(q99))


def _dims(samples: xr.Dataset) -> tuple[str, ...]:
    """The dimensions of gamma after `sample`."""
    return ("level", "y", "x") if "level" in samples["mask"].dims else ("y", "x")


def _sea(samples: xr.Dataset) -> np.ndarray:
    """The mask (y, x) or (level, y, x). Refusal where it leaves nothing to score."""
    sea = samples["mask"].transpose(*_dims(samples)).values.astype(bool)
    if samples.sizes["sample"] == 0:
        raise Refusal("There is no sample to score: the dimension `sample` is empty.")
    if not sea.any():
        raise Refusal("There is no sea cell to score: the mask is land everywhere.")
    return sea


def _truth_at_sea(samples: xr.Dataset) -> np.ndarray:
    """gamma of the sea cells, float64 (sample, cell), m."""
    truth = (
        samples["gamma"].transpose("sample", *_dims(samples)).values[:, _sea(samples)].astype(np.float64, copy=False)
    )
    if not (np.isfinite(truth) & (truth > 0)).all():
        raise Refusal("The true gamma must be finite and positive at every sea cell, and it is not.")
    return truth


def _predicted_at_sea(samples: xr.Dataset, prediction: np.ndarray) -> np.ndarray:
    """The prediction at the sea cells, float64 (sample, cell), m."""
    sea = _sea(samples)
    expected = (samples.sizes["sample"], *sea.shape)
    if np.shape(prediction) != expected:
        raise Refusal(
            f"The prediction has shape {np.shape(prediction)} where (sample, {', '.join(_dims(samples))}) = {expected}."
        )
    predicted = np.asarray(prediction)[:, sea].astype(np.float64, copy=False)
    bad = ~np.isfinite(predicted)
    if bad.any():
        number = int(bad.any(axis=1).argmax())
        raise Refusal(f"The prediction is not finite at {bad.sum()} sea cells, first in sample {number}.")
    return predicted


def _on_grid(at_sea: np.ndarray, sea: np.ndarray) -> np.ndarray:
    """Values (cell,) back on the grid of the sea, NaN on land."""
    field = np.full(sea.shape, np.nan)
    field[sea] = at_sea
    return field


def _block_means(field: np.ndarray, block: int) -> np.ndarray:
    """Means of the known values (y, x) in blocks of so many rows and columns, NaN where there are none."""
    if block == 1:
        return field

    def total(values: np.ndarray) -> np.ndarray:
        rows, columns = (np.arange(0, size, block) for size in values.shape)
        return np.add.reduceat(np.add.reduceat(values, rows, axis=0, dtype=float), columns, axis=1)

    count = total(np.isfinite(field))
    return total(np.nan_to_num(field)) / np.where(count > 0, count, np.nan)
