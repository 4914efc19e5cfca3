"""The lower layer's streamfunction from maps of the surface, without a network: `data/deep_currents.py` describes
the samples.

All maps are of a periodic square, where a linear estimate that is the same everywhere is one number for each wave: its
transfer function.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data.deep_files import TRUTH
from dlgd.problems.ssh.data.periodic_windows import places

RIDGE = 1e-12  # of the variance: keeps waves that are not there from dividing by 0


class NoCurrents(Method):
    """psi = 0, its mean: the floor."""

    name = "no currents"

    def fit(self, train: xr.Dataset) -> None:
        """Nothing to learn."""

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, lat, lon), m2/s."""
        return np.zeros(_shape(samples, "no_currents"))


class FixedMode(Method):
    """psi = a ssh, with one factor a, which has the least error on the training split: as if the water column moved in
    one vertical mode."""

    name = "one vertical mode"
    learns = True

    def __init__(self) -> None:
        self._factor: float | None = None  # m2/s over m

    def fit(self, train: xr.Dataset) -> None:
        """Compute the factor."""
        _shape(train, "fixed_mode")
        ssh, psi = train.ssh.values[places(train)].astype(float), train[TRUTH].values.astype(float)
        self._factor = float((ssh * psi).sum() / (ssh**2).sum())

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, lat, lon), m2/s."""
        if self._factor is None:
            raise ValueError(f"{self.name} answers only after fit")
        _shape(samples, "fixed_mode")
        return self._factor * samples.ssh.values[places(samples)].astype(float)


class WavenumberRegression(Method):
    """Each wave of psi is a sum over days of the same wave of the maps, times complex factors fitted to the training
    split by least squares.

    That is the best linear estimate that is the same everywhere, on the training days. The factors of
    the waves (kx, ky) and (kx, -ky) are the same, because a sea and its south-north mirror image with the sign changed
    are alike (`physics/mirrors.py`): each day of training counts twice.

    days: days of maps that are used, an odd number, centred on the day of the currents; at most data.days.
    """

    learns = True

    def __init__(self, *, days: int) -> None:
        checks.odd_number("baseline.days", days, least=1)
        self.name = f"regression, {days} day{'s' if days > 1 else ''}"
        self.days = days
        self._factors: np.ndarray | None = None  # (ky, kx, day), m2/s over m

    def fit(self, train: xr.Dataset) -> None:
        """Solve the normal equations of each wave."""
        maps, centres = self._waves(train)
        psi = np.fft.rfft2(train[TRUTH].values.astype(float))
        ny, nx, days = *psi.shape[1:], self.days
        gram, right = np.zeros((ny, nx, days, days), complex), np.zeros((ny, nx, days), complex)
        for sample, centre in enumerate(centres):
            window = np.moveaxis(maps[centre - days // 2 : centre + days // 2 + 1], 0, -1)
            gram += window.conj()[..., :, None] * window[..., None, :]
            right += window.conj() * psi[sample][..., None]
        mirrored = -np.arange(ny) % ny  # the rows of -ky
        gram, right = gram + gram[mirrored], right + right[mirrored]
        power = np.trace(gram, axis1=-2, axis2=-1).real / days
        added = RIDGE * (power + power.max())
        self._factors = np.linalg.solve(gram + added[..., None, None] * np.eye(days), right[..., None])[..., 0]

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, lat, lon), m2/s."""
        if self._factors is None:
            raise ValueError(f"{self.name} answers only after fit")
        maps, centres = self._waves(samples)
        if maps.shape[1:] != self._factors.shape[:2]:
            fitted = self._factors.shape[0]
            raise Refusal(
                f"baseline=wavenumber_regression was fitted to maps of {fitted} x {fitted} cells, and these are of "
                f"{samples.sizes['lat']} x {samples.sizes['lon']}: give maps of the training's square"
            )
        answer = np.empty(_shape(samples, "wavenumber_regression"))
        for sample, centre in enumerate(centres):
            window = maps[centre - self.days // 2 : centre + self.days // 2 + 1]
            answer[sample] = np.fft.irfft2((window * np.moveaxis(self._factors, -1, 0)).sum(0), s=answer.shape[1:])
        return answer

    def _waves(self, samples: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        """The transforms of the maps of all days, and the places of the samples' days among them."""
        _shape(samples, "wavenumber_regression")
        centres, half = places(samples), self.days // 2
        if centres.min() < half or centres.max() + half >= samples.sizes["day"]:
            raise Refusal(
                f"baseline.days={self.days} needs maps of {half} days before and after each day, which data.days does "
                "not give: choose fewer, or a larger data.days"
            )
        return np.fft.rfft2(samples.ssh.values.astype(float)), centres


def _shape(samples: xr.Dataset, baseline: str) -> tuple[int, ...]:
    """(sample, lat, lon) of an answer. Refusal of other data."""
    if "ssh" not in samples or samples.ssh.dims != ("day", "lat", "lon"):
        name = samples.attrs.get("name", "...")
        raise Refusal(
            f"baseline={baseline} infers deep currents from maps of the surface, which data={name} does not ask for: "
            "type data=deep_currents"
        )
    return tuple(samples.sizes[name] for name in ("sample", "lat", "lon"))
