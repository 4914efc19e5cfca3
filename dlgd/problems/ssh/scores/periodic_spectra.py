"""Spectra of maps of a periodic square, by wavelength: sums over all waves that are about as long, whatever their
direction.

On such a square the discrete Fourier transform is exact, so that there is no window and no trend to remove. The mean of
a map does not count: it is the wave of infinite length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlgd.problems.ssh.scores.spectra import resolved_down_to

ROUNDING = 1e-12  # of the variance: waves with less are not there


def wavenumbers(cells: int, size_km: float) -> tuple[np.ndarray, np.ndarray]:
    """West-east and south-north wavenumbers of `np.fft.rfft2`, cycles per km: (1, cells // 2 + 1) and (cells, 1)."""
    spacing = size_km / cells
    return np.fft.rfftfreq(cells, spacing)[None], np.fft.fftfreq(cells, spacing)[:, None]


def velocity(psi: np.ndarray, size_km: float) -> np.ndarray:
    """u = -d psi / dy and v = d psi / dx, m/s, (2, ..., y, x), of streamfunctions (..., y, x) in m2/s."""
    cells = psi.shape[-1]
    # the shortest wave has no derivative that the grid can hold
    kx, ky = (np.where(abs(k) < cells / 2 / size_km, k, 0.0) for k in wavenumbers(cells, size_km))
    slope = 2j * np.pi / 1000 * np.fft.rfft2(psi)
    return np.stack([np.fft.irfft2(sign * k * slope, s=psi.shape[-2:]) for sign, k in ((-1, ky), (1, kx))])


@dataclass(frozen=True)
class PeriodicSpectra:
    """Means over days of squares and products of a truth and a prediction, in their unit squared, by wavenumber.

    wavenumber: (n,) cycles per km, ascending: whole numbers of waves along a side.
    truth, predicted: variances. product: the real part of their cross-spectrum. All (n,); their sums are the variances
    and the covariance of the maps.
    """

    wavenumber: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    product: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """The variance of the error."""
        return self.truth + self.predicted - 2 * self.product

    @property
    def wavelength(self) -> np.ndarray:
        """km, descending."""
        return 1 / self.wavenumber

    @property
    def correlations(self) -> np.ndarray:
        """The correlation at each wavenumber, NaN where a prediction has nothing."""
        return _ratio(self.product, self.truth, self.predicted)

    def correlation(self, *, shortest: float = 0.0, longest: float = np.inf) -> float:
        """The correlation of waves from `shortest` to below `longest`, km; NaN where a prediction has none."""
        some = (self.wavelength >= shortest) & (self.wavelength < longest)
        return float(_ratio(*(part[some].sum() for part in (self.product, self.truth, self.predicted))))

    @property
    def resolved(self) -> float | None:
        """The wavelength down to which the error has less than half of the truth's variance, km; None if not even the
        longest waves are resolved."""
        known = self.truth > ROUNDING * self.truth.sum()
        return resolved_down_to(self.wavenumber[known], 1 - self.error[known] / self.truth[known])


def _ratio(product: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return product / np.sqrt(first * second)


def periodic_spectra(truth: np.ndarray, predicted: np.ndarray, size_km: float) -> PeriodicSpectra:
    """The spectra of maps (day, n, n) of a square of `size_km`."""
    cells = truth.shape[-1]
    kx, ky = wavenumbers(cells, size_km)
    number = np.rint(np.hypot(kx, ky) * size_km).astype(int)
    # each column but the first, and the last of an even number, stands for two waves
    twice = np.where((kx == 0) | (kx == cells / 2 / size_km), 1, 2)
    sums = np.zeros((3, number.max() + 1))
    for one, other in zip(truth, predicted, strict=True):  # day by day, to save memory
        first, second = np.fft.rfft2(one), np.fft.rfft2(other)
        for total, values in zip(sums, (abs(first) ** 2, abs(second) ** 2, (first * second.conj()).real), strict=True):
            total += np.bincount(number.ravel(), (twice * values).ravel())
    sums = sums[:, 1:] / len(truth) / cells**4
    return PeriodicSpectra(np.arange(1, number.max() + 1) / size_km, *sums)
