"""Principal components of the training split (empirical orthogonal functions, EOFs): the linear auto-encoder."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.contract import Coder, Method
from dlgd.core.errors import Refusal

log = logging.getLogger(__name__)

LEAST_NOISE = 1e-6  # of the variance of a cell: it keeps least squares solvable where the modes explain everything
MAX_BATCH_ELEMENTS = 256  # samples whose normal equations are solved at once


class PCA(Method):
    """Answers with the sum of the mean and the leading modes that is nearest to the input.

    The input is the variable itself, or `given` where the samples have it. Noisy images are projected on the modes.
    Hidden pixels are filled in from those that are `observed`. Answers are not cut to the variable's bounds, so that
    the error is that of the textbook.

    variable: name of a field of the samples. modes: number of principal components, at least 1; where the training
        samples have fewer, as many as these have.
    """

    learns = True

    def __init__(self, *, variable: str, modes: int) -> None:
        checks.whole_number("baseline.modes", modes, least=1)
        self.variable, self.modes, self.name = variable, modes, f"PCA {modes}"
        self._modes: Modes | None = None

    def fit(self, train: xr.Dataset) -> None:
        """Mean and modes of the variable (sample, ...) over the cells that are finite in every sample."""
        self._refuse(train)
        finite = np.isfinite(train[self.variable].values).all(axis=0).sum()
        modes = at_most(self.modes, min(train.sizes["sample"] - 1, int(finite)))
        self._modes, self.name = Modes(train[self.variable], modes), f"PCA {modes}"

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, ...) in the units of the variable, NaN where the training samples were not finite."""
        modes = self.coder()
        answer = modes.decode(modes.encode(samples))
        if "observed" in samples:
            answer = np.where(samples.observed.values, samples.given.values, answer)
        return answer

    def coder(self) -> Modes:
        """Return the coder between samples and the amplitudes of the modes."""
        if self._modes is None:
            raise ValueError("PCA answers only after fit")
        return self._modes

    def _refuse(self, train: xr.Dataset) -> None:
        task, name = train.attrs.get("task"), train.attrs.get("name")
        if task in ("classify", "generate"):
            raise Refusal(
                f"baseline=pca gives fields, which data={name} data.task={task} does not ask for: type "
                "data.task=reconstruct"
            )
        if self.variable not in train:
            known = ", ".join(str(key) for key, field in train.items() if field.dims[0] == "sample" and field.ndim > 1)
            raise Refusal(f"baseline.variable={self.variable} is not among the fields of these samples: try {known}")


def at_most(modes: int, available: int) -> int:
    """Return the number of modes that there are of those asked for; says so where they are fewer."""
    if modes > available:
        log.warning("baseline.modes=%d is more than these training samples have: %d are taken", modes, available)
    return min(modes, available)


class Modes(Coder):
    """Mean, orthonormal modes and their variances. A code holds the amplitudes of the modes, in units of the field."""

    def __init__(self, fields: xr.DataArray, size: int) -> None:
        """fields: (sample, ...), the training samples."""
        from sklearn import decomposition

        values = fields.values.reshape(fields.shape[0], -1)
        self.size, self.variable, self._shape = size, str(fields.name), fields.shape[1:]
        self._cells = np.isfinite(values).all(axis=0)
        values = values[:, self._cells]
        few = values.shape[1] <= min(1000, values.shape[0])  # cells: then the covariance is faster, and exact too
        fitted: Any = decomposition.PCA(size, svd_solver="covariance_eigh" if few else "full").fit(values)
        self._mean, self._modes, self._variances = fitted.mean_, fitted.components_, fitted.explained_variance_
        self.explained = fitted.explained_variance_ratio_  # (mode,), share of the training samples' variance
        total = values.var(axis=0, ddof=1, dtype=np.float64).sum()
        rest = max(total - self._variances.sum(), 0.0) / values.shape[1]
        self._noise = max(rest, LEAST_NOISE * total / values.shape[1])  # variance of a cell beyond the modes

    def encode(self, samples: xr.Dataset) -> np.ndarray:
        """Return the amplitudes (sample, mode) of the samples' input."""
        fields = samples["given" if "given" in samples else self.variable].values
        if fields.shape[1:] != self._shape:
            raise Refusal(
                f"Samples of shape {fields.shape[1:]} do not fit the training samples, which have {self._shape} cells."
            )
        anomalies = fields.reshape(len(fields), -1)[:, self._cells] - self._mean
        if not np.isfinite(anomalies).all():
            raise Refusal(f"{self.variable} is not finite in cells where the training samples are finite.")
        if "observed" not in samples:
            return anomalies @ self._modes.T
        observed = samples.observed.values.reshape(len(fields), -1)[:, self._cells]
        starts = range(0, len(fields), MAX_BATCH_ELEMENTS)
        return np.concatenate(
            [self._fill(anomalies[n : n + MAX_BATCH_ELEMENTS], observed[n : n + MAX_BATCH_ELEMENTS]) for n in starts]
        )

    def _fill(self, anomalies: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """Amplitudes (sample, mode) from the observed cells (sample, cell) alone.

        Least squares as in gappy EOFs (Everson and Sirovich 1995, J. Opt. Soc. Am. A 12, 1657), with the variances of
        the modes as prior: the mean of a Gaussian given what was observed, with the neglected modes as white noise.
        """
        scaled = np.sqrt(self._variances)[:, None] * self._modes  # (mode, cell): amplitudes of unit variance
        products = (scaled[:, None] * scaled).reshape(self.size**2, -1)
        normal = (observed.astype(scaled.dtype) @ products.T).reshape(-1, self.size, self.size)
        right = np.where(observed, anomalies, 0) @ scaled.T
        units = np.linalg.solve(normal + self._noise * np.eye(self.size), right[..., None])[..., 0]
        return units * np.sqrt(self._variances)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, mode) -> (n, ...), NaN outside of the cells that were finite in every training sample."""
        fields = np.full((len(codes), self._cells.size), np.nan, self._mean.dtype)
        fields[:, self._cells] = self._mean + codes @ self._modes
        return fields.reshape(len(codes), *self._shape)
