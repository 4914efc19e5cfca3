"""The predictions of a method with coordinates and units, and with the errors that the method expects of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from dlgd.core.contract import Evaluation, Method


def dataset(evaluation: Evaluation, method: Method, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
    """Return a Dataset for a file: what the evaluation makes of a prediction, and the expected errors if it has a
    place for them and the method has some."""
    found = evaluation.dataset(samples, prediction)
    std = method.error_maps(samples) if evaluation.writes_error_std else None
    return found if std is None else evaluation.with_error_std(found, samples, std)
