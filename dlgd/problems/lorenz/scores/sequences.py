"""What evaluations of sequences share: truths and predictions (sample, time or lead, variable), and their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlgd.core.constants import CF_CONVENTIONS
from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    import xarray as xr

FAR = 10.0  # climatological standard deviations from the mean: a forecast that goes further has exploded


def truth_of(samples: xr.Dataset, along: str) -> np.ndarray:
    """Return the true states (sample, along, variable), float64, in units of `in_scale`. Refusal of no sample."""
    if samples.sizes["sample"] == 0:
        raise Refusal("There is no sample to score: the dimension `sample` is empty.")
    return in_scale(samples, samples.state.transpose("sample", along, "variable").values.astype(np.float64))


def in_scale(samples: xr.Dataset, values: np.ndarray) -> np.ndarray:
    """Return values (..., variable) over the attribute `scale` of samples, the standard deviation of each variable: so
    errors of variables with different units can be added. Samples of one unit have no such attribute."""
    return values / np.atleast_1d(samples.attrs["scale"]) if "scale" in samples.attrs else values


def labels(samples: xr.Dataset) -> list[str]:
    """Return the names of the variables for figures of values in units of `in_scale`."""
    return [f"{name} / std" if "scale" in samples.attrs else str(name) for name in samples.variable.values]


def shaped(samples: xr.Dataset, prediction: np.ndarray, along: str) -> np.ndarray:
    """Return a prediction as float64, (sample, along, variable). Raises Refusal where it has another shape.

    Samples of which only the beginning is known, to be forecast, leave the number of steps to the prediction.
    """
    sizes = {along: np.shape(prediction)[1]} | dict(samples.sizes)
    expected = tuple(sizes[name] for name in ("sample", along, "variable"))
    if np.shape(prediction) != expected:
        raise Refusal(
            f"The prediction has shape {np.shape(prediction)} where (sample, {along}, variable) = {expected}."
        )
    return np.asarray(prediction, np.float64)


def finite(prediction: np.ndarray) -> np.ndarray:
    """Return the prediction (sample, step, variable) itself. Raises Refusal where a value is not finite."""
    bad = ~np.isfinite(prediction)
    if bad.any():
        number = int(bad.any(axis=(1, 2)).argmax())
        raise Refusal(f"The prediction is not finite in {bad.sum()} values, first in sample {number}.")
    return prediction


@dataclass(frozen=True)
class Climate:
    """Mean and standard deviation of each variable, (variable,)."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, states: np.ndarray) -> Climate:
        """Return the climate of states (sample, step, variable). Raises Refusal where nothing moves."""
        std = states.std(axis=(0, 1))
        if not std.any():
            raise Refusal("The truth does not change: there is no climate to compare with. Choose other samples.")
        return cls(states.mean(axis=(0, 1)), std)

    @property
    def spread(self) -> float:
        """The root of the mean variance of the variables: the error of a climatological forecast."""
        return float(np.sqrt((self.std**2).mean()))

    def held(self, forecast: np.ndarray) -> tuple[np.ndarray, float]:
        """Return a forecast (sample, lead, variable) cut to FAR standard deviations from the mean, and a share (%).

        They are those of the variable, or the spread of all where it does not change.
        The share is that of the samples that went further, or out of the range of numbers. A method that explodes has
        bad scores, but does not stop a comparison. Raises Refusal where the very first step is not finite: that is no
        explosion.
        """
        finite(forecast[:, :1])
        far = FAR * np.where(self.std > 1e-9 * self.spread, self.std, self.spread)
        low, high = self.mean - far, self.mean + far
        inside = (forecast >= low) & (forecast <= high)
        exploded = 100 * float((~inside.all(axis=(1, 2))).mean())
        return np.where(np.isnan(forecast), high, np.clip(forecast, low, high)), exploded


def with_prediction(
    samples: xr.Dataset, prediction: np.ndarray, along: str, known: Mapping[str, str], title: str
) -> xr.Dataset:
    """Return state_predicted (sample, along, variable) beside the samples' fields that are `known`, for a file.

    known: the description of each field by name.
    """
    import xarray as xr

    dims, packed = ("sample", along, "variable"), {"zlib": True, "complevel": 1}
    attributes = {"units": "1", "long_name": "predicted state"}
    fields = {"state_predicted": xr.Variable(dims, shaped(samples, prediction, along), attributes, packed)}
    for name, text in known.items():
        if name in samples:
            field = samples[name]
            fields[name] = xr.Variable(field.dims, field.values, {"units": "1", "long_name": text}, packed)
    steps = {} if along in samples.sizes else {along: np.arange(1, fields["state_predicted"].shape[1] + 1)}
    numbers = {name: value for name, value in samples.attrs.items() if isinstance(value, int | float | str)}
    return xr.Dataset(fields, {**samples.coords, **steps}, numbers | CF_CONVENTIONS | {"title": title})


def held_forecast(samples: xr.Dataset, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return truth, forecast (sample, lead, variable) cut by `Climate.held`, and the share of samples (%) cut."""
    truth = truth_of(samples, "lead")
    return truth, *Climate.of(truth).held(in_scale(samples, shaped(samples, prediction, "lead")))
