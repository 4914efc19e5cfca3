"""Scores of maps by spectra over time and longitude, as in the SSH mapping data challenge 2020a.

The power spectral densities (PSD) of the truth and of the error, each without its mean and under a (periodic) Hann
window in time and in longitude, are averaged over latitudes. The score of a pair of wavelength and period is
1 - PSD_error / PSD_truth: 1 where the maps are perfect, and below 0.5 where they do not resolve the waves. As in the
challenge, only positive frequencies and wavenumbers count (waves that travel west); wavelengths are in degrees of
longitude.

As in the challenge, lambda_x and lambda_t are the smallest wavelength and the smallest period on the first line of the
contour of 0.5, drawn over wavelength and period. The drawing program decides which line comes first, and the two values
belong to different points of it: a contour in two pieces may give either piece's. `Spectra.crossings` has no such
choice.

Where the challenge's text and its code differ, this module follows the code. It refuses NaN: the challenge's libraries
leave a row with a NaN out of the mean over latitudes without a warning. An early version of the challenge's code
removed linear trends and not means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlgd.core.constants import EARTH_RADIUS_M
from dlgd.core.errors import Refusal
from dlgd.problems.ssh.days import DAY

RESOLVED = 0.5  # the score down to which a wavelength is resolved
FEWEST = 8  # days, and columns, of a spectrum


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
        """1 - PSD of error / PSD of truth, (frequency, wavenumber): at most 1."""
        return 1 - self.error / self.truth

    def contour(self) -> list[np.ndarray]:
        """The lines of score 0.5, each (point, 2): wavelengths in degrees and periods in days. Empty without such a
        line."""
        from contourpy import LineType, contour_generator

        # as in the challenge: over wavelengths and periods themselves, not their logarithms, with triangles at corners
        drawn = contour_generator(
            1 / self.wavenumber, 1 / self.frequency, self.score, corner_mask=True, line_type=LineType.Separate
        )
        return [np.asarray(line) for line in drawn.lines(RESOLVED)]

    def minima(self) -> tuple[float, float] | None:
        """lambda_x in degrees and lambda_t in days by the challenge's rule. Where everything is resolved, the shortest
        wavelength and period of the spectrum; where nothing is, None."""
        lines = self.contour()
        if lines:
            wavelength, period = lines[0].min(axis=0)
            return float(wavelength), float(period)
        if (self.score > RESOLVED).all():
            return 1 / float(self.wavenumber[-1]), 1 / float(self.frequency[-1])
        return None

    def crossings(self) -> tuple[float | None, float | None]:
        """The wavelength in degrees and the period in days such that all longer ones are resolved.

        The score is that of PSDs summed over frequencies, or over wavenumbers, because frequencies without energy would
        dominate a mean of scores; it is linear between two wavenumbers. Where everything or nothing is resolved, as in
        `minima`.
        """
        in_space = resolved_down_to(self.wavenumber, 1 - self.error.sum(axis=0) / self.truth.sum(axis=0))
        in_time = resolved_down_to(self.frequency, 1 - self.error.sum(axis=1) / self.truth.sum(axis=1))
        return in_space, in_time


def resolved_down_to(wavenumber: np.ndarray, score: np.ndarray) -> float | None:
    """The longest wavelength at which the score (wavenumber,) falls to 0.5. Where it never falls so low, the shortest
    wavelength; where it begins so low, None. Wavenumbers are positive and ascend."""
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
    """The spectra of fields (time, lat, lon) in m without NaN, at evenly spaced times (datetime64) and longitudes
    (degrees). Raises Refusal for fields without such a spectrum.
    """
    step = _time_step(time)
    width = _spacing(lon)
    for name, field in (("truth", truth), ("prediction", error)):
        missing = ~np.isfinite(field)
        if missing.any():
            raise Refusal(
                f"The {name} is not finite in {missing.sum()} of the {field.size} values of the spectrum, in "
                f"{missing.any(axis=0).sum()} of {len(lat) * len(lon)} cells: choose a box without land and gaps."
            )
    frequency, wavenumber = np.fft.fftfreq(len(time), step), np.fft.fftfreq(len(lon), width)
    psd_truth, psd_error = (_psd(field, step, width)[frequency > 0][:, wavenumber > 0] for field in (truth, error))
    if not (psd_truth > 0).all():
        raise Refusal("The truth has frequencies or wavenumbers without any energy: they have no score.")
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
    """The time between two maps, in days."""
    if len(time) < FEWEST:
        raise Refusal(f"A spectrum needs {FEWEST} days or more, and these are {len(time)}.")
    steps = np.diff(time)
    if (steps != steps[0]).any():
        gap = int(np.argmax(steps != np.median(steps)))
        day = np.datetime_as_string(time[gap], "D")
        raise Refusal(f"A spectrum needs days without a gap, and there is a gap after {day}.")
    return float(steps[0] / DAY)


def _spacing(lon: np.ndarray) -> float:
    """The distance between two longitudes, in degrees."""
    if len(lon) < FEWEST:
        raise Refusal(f"A spectrum needs {FEWEST} longitudes or more, and these are {len(lon)}.")
    steps = np.diff(lon)
    if not np.allclose(steps, steps.mean(), rtol=1e-2):
        raise Refusal("A spectrum needs longitudes that are evenly spaced, which these are not.")
    return float(steps.mean())


def _psd(field: np.ndarray, step: float, width: float) -> np.ndarray:
    """PSD of a field (time, lat, lon), its mean over latitudes (time, lon); row by row, to save memory."""
    from scipy.signal.windows import hann

    times, rows, columns = field.shape
    window = hann(times, sym=False)[:, None] * hann(columns, sym=False)
    total = np.zeros((times, columns))
    for row in range(rows):
        line = field[:, row].astype(np.float64)
        total += np.abs(np.fft.fft2(window * (line - line.mean()))) ** 2
    return total / rows * step * width / (times * columns)
