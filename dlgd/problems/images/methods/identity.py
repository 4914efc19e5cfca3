"""The input itself as the answer: every method that denoises or fills in must beat it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dlgd.core.contract import Method
from dlgd.core.errors import Refusal


class Identity(Method):
    """Answers with `given`: the noisy image, or the image whose hidden pixels are 0."""

    name = "given"

    def fit(self, train: xr.Dataset) -> None:
        """Nothing to learn."""

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return the given images (sample, ...)."""
        if "given" not in samples:
            raise Refusal(
                "baseline=given needs samples whose input is not the truth: type data.task=denoise or inpaint"
            )
        return samples.given.values
