"""What evaluations of images share: predictions that can be read, figures printed elsewhere, and NetCDF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.settings import Refusal

if TYPE_CHECKING:
    import xarray as xr

CONVENTIONS = {"Conventions": "CF-1.11"}


def classes_of(samples: xr.Dataset) -> list[str]:
    """The names of the classes."""
    return samples.attrs["classes"].split(",")


def checked(samples: xr.Dataset, prediction: np.ndarray, variable: str = "intensity") -> np.ndarray:
    """A prediction of images (sample, y, x), float64, like the samples' own. Raises ValueError where it is not."""
    truth = samples[variable]
    if truth.sizes["sample"] == 0:
        raise ValueError("There is no sample to score: the dimension `sample` is empty.")
    if np.shape(prediction) != truth.shape:
        raise ValueError(f"The prediction has shape {np.shape(prediction)} where (sample, y, x) = {truth.shape}.")
    predicted = np.asarray(prediction, np.float64)
    bad = ~np.isfinite(predicted)
    if bad.any():
        number = int(bad.any(axis=(1, 2)).argmax())
        raise ValueError(f"The prediction is not finite in {bad.sum()} pixels, first in sample {number}.")
    return predicted


def published_rows(rows: Sequence[Mapping[str, Any]], scores: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a table from rows {name, source, some of scores} of a YAML file; Refusal where one cannot be read."""
    read = []
    for row in rows:
        if set(row) - {"name", "source", *scores} or not row.get("name") or not row.get("source"):
            raise Refusal(
                f"A published row needs name and source and may have {', '.join(scores)}; this one has {dict(row)}."
            )
        figures = {key: float(row[key]) for key in scores if row.get(key) is not None}
        read.append({"method": row["name"], "source": row["source"], **figures})
    return read


def image_variable(values: np.ndarray, long_name: str) -> xr.Variable:
    """Images (sample, y, x) as they are written in a file."""
    import xarray as xr

    attributes = {"units": "1", "long_name": long_name}
    return xr.Variable(("sample", "y", "x"), values.astype(np.float32), attributes, {"zlib": True, "complevel": 1})


def file_name(text: str) -> str:
    """A method's or a class's name without what neither files nor trackers take."""
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in text)
