"""The score of maps by spectra over time and longitude, of the SSH mapping data challenge 2020a.

The power spectral densities (PSD) of the truth and of the error, each less its mean, under a (periodic) Hann window in
time and in longitude, are averaged over latitudes; the score of a pair of wavelength and period is
1 - PSD_error / PSD_truth: 1 where everything is known, and below 0.5 what is not resolved. As in the challenge only
positive frequencies of both count (waves that travel west); wavelengths are in degrees of longitude.

lambda_x and lambda_t are, as in the challenge, the smallest wavelength and the smallest period on the first line of the
contour of 0.5, drawn over wavelength and period. Which line comes first is the drawing program's choice, and the two
belong to different points of it: a contour in two pieces may give any. The crossings depend on no such choice: see
`Spectra.crossings`.

Where the challenge's text and its code differ, the code is followed. A NaN is an error here: the challenge's libraries
drop the whole row of a NaN from the mean over latitudes without a word. An early version of its code removed linear
trends, not means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlgd.core.constants import EARTH_RADIUS_M
from dlgd.core.errors import Refusal

RESOLVED = 0.5  # the score down to which a wavelength is resolved
FEWEST = 8  # days and columns of which one makes a spectrum
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Spectra:
    """PSDs (frequency, wavenumber) of truth and error in m2 / (cycle per day x cycle per degree)."""

    frequency: np.ndarray  # (n,) cycles per day, ascending, positive
    wavenumber: np.ndarray  # (m,) cycles per degree of longitude, ascending, positive
    truth: np.ndarray
    error: np.ndarray
    km_per_degree: float  # of longitude, at the mean latitude

    @property
    def score(self) -> np.ndarray:
        """(frequency, wavenumber), at most 1."""
        return 1 - self.error / self.truth

    def contour(self) -> list[np.ndarray]:
        """The lines of score 0.5, each (points, 2): wavelengths in degrees and periods in days; empty if there are
        none."""
        from contourpy import LineType, contour_generator

        # as the challenge: over wavelengths and periods themselves, not their logarithms, with triangles at corners
        drawn = contour_generator(
            1 / self.wavenumber, 1 / self.frequency, self.score, corner_mask=True, line_type=LineType.Separate
        )
        return [np.asarray(line) for line in drawn.lines(RESOLVED)]

    def minima(self) -> tuple[float, float] | None:
        """lambda_x in degrees and lambda_t in days by the challenge's rule. Where all is resolved, the shortest of the
        spectrum; None where there is no contour because nothing is."""
        lines = self.contour()
        if lines:
            wavelength, period = lines[0].min(axis=0)
            return float(wavelength), float(period)
        if (self.score > RESOLVED).all():
            return 1 / float(self.wavenumber[-1]), 1 / float(self.frequency[-1])
        return None

    def crossings(self) -> tuple[float | None, float | None]:
        """The wavelength in degrees and the period in days such that all longer ones are resolved.

        Of PSDs summed over frequencies, or over wavenumbers (not of the mean score, which a frequency without energy
        would rule); between two wavenumbers the score is linear. None and the shortest as in `minima`.
        """
        in_space = resolved_down_to(self.wavenumber, 1 - self.error.sum(axis=0) / self.truth.sum(axis=0))
        in_time = resolved_down_to(self.frequency, 1 - self.error.sum(axis=1) / self.truth.sum(axis=1))
        return in_space, in_time


def resolved_down_to(wavenumber: np.ndarray, score: np.ndarray) -> float | None:
    """The wavelength at which the score (wavenumber,) first falls to 0.5, from long ones to short ones; the shortest
    where it never does, None where it begins there. Wavenumbers ascend, and are positive."""
    below = score <= RESOLVED
    if below[0]:
        return None
    if not below.any():
        return 1 / float(wavenumber[-1])
    after = int(below.argmax())
    before = after - 1
    share = (score[before] - RESOLVED) / (score[before] - score[after])
    return 1 / float(wavenumber[before] + share * (wavenumber[after] - wavenumber[before]))


def spectra(truth: np.ndarray, error: np.ndarray, *, time: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> Spectra:
    """Of fields (time, lat, lon) in m without NaN, at times (datetime64) and longitudes (degrees) evenly spaced.

    Raises Refusal, in a sentence, for what has no such spectrum.
    """
    step = _time_step(time)
    width = _spacing(lon)
    for name, field in (("truth", truth), ("prediction", error)):
        missing = ~np.isfinite(field)
        if missing.any():
            raise Refusal(
                f"The {name} is not finite in {missing.sum()} of the {field.size} values of which a spectrum shall be "
                f"made, {missing.any(axis=0).sum()} of {len(lat) * len(lon)} cells: choose a box without land and gaps."
            )
    frequency, wavenumber = np.fft.fftfreq(len(time), step), np.fft.fftfreq(len(lon), width)
    psd_truth, psd_error = (_psd(field, step, width)[frequency > 0][:, wavenumber > 0] for field in (truth, error))
    if not (psd_truth > 0).all():
        raise Refusal("The truth has frequencies or wavenumbers without any energy: no score can be made of them.")
    # Not KM_PER_DEGREE, which would change the last digit of the scores that runs have recorded.
    km_per_degree = np.deg2rad(1) * EARTH_RADIUS_M / 1000 * np.cos(np.deg2rad(np.mean(lat)))
    return Spectra(
        frequency=frequency[frequency > 0],
        wavenumber=wavenumber[wavenumber > 0],
        truth=psd_truth,
        error=psd_error,
        km_per_degree=float(km_per_degree),
    )


def _time_step(time: np.ndarray) -> float:
    """In days."""
    if len(time) < FEWEST:
        raise Refusal(f"A spectrum needs {FEWEST} days or more, and these are {len(time)}.")
    steps = np.diff(time)
    if (steps != steps[0]).any():
        gap = int(np.argmax(steps != np.median(steps)))
        raise Refusal(f"A spectrum needs days without a gap, and after {np.datetime_as_string(time[gap], 'D')} is one.")
    return float(steps[0] / DAY)


def _spacing(lon: np.ndarray) -> float:
    """In degrees."""
    if len(lon) < FEWEST:
        raise Refusal(f"A spectrum needs {FEWEST} longitudes or more, and these are {len(lon)}.")
    steps = np.diff(lon)
    if not np.allclose(steps, steps.mean(), rtol=1e-2):
        raise Refusal("A spectrum needs longitudes that are evenly spaced, and these are not.")
    return float(steps.mean())


def _psd(field: np.ndarray, step: float, width: float) -> np.ndarray:
    """(time, lat, lon) -> (time, lon): the mean over latitudes, one after the other to spare memory."""
    from scipy.signal.windows import hann

    times, rows, columns = field.shape
    window = hann(times, sym=False)[:, None] * hann(columns, sym=False)
    total = np.zeros((times, columns))
    for row in range(rows):
        line = field[:, row].astype(np.float64)
        total += np.abs(np.fft.fft2(window * (line - line.mean()))) ** 2
    return total / rows * step * width / (times * columns)
