"""Scores, figures and predictions of the lower layer's streamfunction that is inferred from the surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core.constants import CF_CONVENTIONS
from dlgd.core.contract import Evaluation
from dlgd.core.errors import Refusal
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.problems.ssh.data.deep_files import TRUTH
from dlgd.problems.ssh.data.periodic_windows import places
from dlgd.problems.ssh.data.region import cell_km
from dlgd.problems.ssh.data.simulated_sea import LOWER
from dlgd.problems.ssh.scores.evaluation import AXES, HEIGHT, PACKED
from dlgd.problems.ssh.scores.maps import DIMS, shaped
from dlgd.problems.ssh.scores.periodic_spectra import periodic_spectra, velocity
from dlgd.scoring.published import published_rows

if TYPE_CHECKING:
    import xarray as xr

BANDS = {  # km: from a wavelength on, to below another one
    "correlation_above_200_km": (200.0, np.inf),
    "correlation_100_to_200_km": (100.0, 200.0),
    "correlation_50_to_100_km": (50.0, 100.0),
}


class DeepEvaluation(Evaluation):
    """Scores of streamfunctions (sample, lat, lon) in m2/s of a periodic square, over all cells of all samples.

    rmse: root mean square error, m2/s.
    explained_variance: 1 - variance(error) / variance(truth).
    rmse_u: of the velocity vector that follows from the streamfunction, m/s.
    correlation: of prediction and truth. correlation_above_200_km, correlation_100_to_200_km, correlation_50_to_100_km:
        of their waves of these lengths, whatever their direction.
    resolved_wavelength: km; down to it the error has less than half of the truth's variance at each wavelength.

    What predicts no waves has no correlation, and what resolves none no wavelength.

    published: rows {name, source, and some of these scores} of figures printed elsewhere, for the table only.
    """

    all_scores = (
        Score("rmse", "RMSE", "m2/s", higher_is_better=False, written=decimals(0)),
        Score("explained_variance", "explained variance", higher_is_better=True, written=decimals(3)),
        Score("rmse_u", "RMSE of velocity", "m/s", higher_is_better=False, written=decimals(4)),
        Score("correlation", "correlation", higher_is_better=True, written=decimals(3)),
        Score("correlation_above_200_km", "> 200 km", higher_is_better=True, written=decimals(3)),
        Score("correlation_100_to_200_km", "100-200 km", higher_is_better=True, written=decimals(3)),
        Score("correlation_50_to_100_km", "50-100 km", higher_is_better=True, written=decimals(3)),
        Score("resolved_wavelength", "resolved", "km", higher_is_better=False, written=decimals(0)),
    )

    def __init__(self, *, published: Sequence[Mapping[str, Any]] = ()) -> None:
        self.published = published_rows(published, self.all_scores)

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """The scores that the class describes. Raises Refusal for what cannot be scored."""
        predicted, truth, size = shaped(samples, prediction), _truth(samples), _size_km(samples)
        if not np.isfinite(predicted).all():
            raise Refusal(f"The prediction is not finite in {(~np.isfinite(predicted)).sum()} values.")
        if truth.size == 0 or truth.var() == 0:
            raise Refusal("The true streamfunction never changes, or there is none: there is nothing to compare with.")
        error, spectra = predicted - truth, periodic_spectra(truth, predicted, size)
        scores = {
            "rmse": np.sqrt((error**2).mean()),
            "explained_variance": 1 - error.var() / truth.var(),
            "rmse_u": np.sqrt(np.mean([(velocity(one, size) ** 2).sum(0).mean() for one in error])),
            "correlation": spectra.correlation(),
        }
        for name, (shortest, longest) in BANDS.items():
            scores[name] = spectra.correlation(shortest=shortest, longest=longest)
        if (resolved := spectra.resolved) is not None:
            scores["resolved_wavelength"] = resolved
        return {name: float(value) for name, value in scores.items() if np.isfinite(value)}

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """maps.png of the day with the median error of the first method; spectra.png by wavelength. None without
        truth."""
        from dlgd.plotting.style import save
        from dlgd.problems.ssh.deep_figures import errors_by_wavelength, streamfunctions

        if TRUTH not in samples:
            return
        truth, size = _truth(samples), _size_km(samples)
        first = shaped(samples, next(iter(predictions.values())))
        day = int(np.argsort(((first - truth) ** 2).mean((1, 2)))[len(truth) // 2])
        answers = {name: shaped(samples, each)[day] for name, each in predictions.items()}
        save(folder / "maps.png", streamfunctions(samples.isel(sample=[day]), truth[day], answers))
        found = {name: periodic_spectra(truth, shaped(samples, each), size) for name, each in predictions.items()}
        save(folder / "spectra.png", errors_by_wavelength(found))

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """psi_lower (time, lat, lon), m2/s, as predicted, and its currents u_lower and v_lower, m/s; ssh, the map that
        was seen of the same day, m; psi_lower_truth where it is known."""
        import xarray as xr

        predicted = shaped(samples, prediction)
        currents = [velocity(one, _size_km(samples)) for one in predicted]
        fields = {
            TRUTH: (predicted, LOWER | {"long_name": f"{LOWER['long_name']}, as inferred from the surface"}),
            "ssh": (samples.ssh.values[places(samples)], HEIGHT | {"long_name": "map of the surface that was seen"}),
        }
        for number, (name, direction) in enumerate((("u_lower", "eastward"), ("v_lower", "northward"))):
            about = {"units": "m s-1", "long_name": f"{direction} velocity of the lower layer's eddies"}
            fields[name] = np.stack([one[number] for one in currents]), about
        if TRUTH in samples:
            fields[f"{TRUTH}_truth"] = samples[TRUTH].values, LOWER
        dims = ("time", "lat", "lon")
        encodings = {"time": {"units": "days since 1950-01-01", "dtype": "float64"}}
        coordinates = {name: xr.Variable(name, samples[name].values, AXES[name], encodings.get(name)) for name in dims}
        numbers = {name: value for name, value in samples.attrs.items() if isinstance(value, int | float | str)}
        variables = {name: xr.Variable(dims, values, attrs, PACKED) for name, (values, attrs) in fields.items()}
        title = "Streamfunction below, inferred from maps of the sea surface"
        return xr.Dataset(variables, coordinates, numbers | CF_CONVENTIONS | {"title": title})


def _truth(samples: xr.Dataset) -> np.ndarray:
    return samples[TRUTH].transpose(*DIMS).values.astype(np.float64)


def _size_km(samples: xr.Dataset) -> float:
    """The side of the square."""
    return samples.sizes["lat"] * cell_km(samples.lat.values, samples.lon.values)
