"""A simulated sea: the daily height of its surface above baroclinic turbulence, with eddies like the Gulf Stream's.

Two quasi-geostrophic layers (`dlgd.physics.qg`) flow under a uniform mean shear, in a periodic square on a beta plane.
The height is that of the upper layer's eddies, eta = f psi_1 / g, without the uniform slope of the mean flow: its mean
over the square is zero every day. The streamfunction psi_2 of the lower layer's eddies comes along on request; psi_1 is
the same to the last bit either way. Measured with the defaults and seed 0 (128 x 128 points, three years after 500
days; 100 s on one core):

    standard deviation     0.32 m (each half year between 0.30 and 0.33 m), from -1.2 to 1.4 m
    surface velocity       0.57 m/s rms, 2.6 m/s at most
    correlation in time    falls to 1/2 in 12 days and to 1/e in 16; of waves of 80 to 250 km, to 1/e in 4
    correlation in space   falls to 1/2 in 99 km, to 1/e in 117 km and to 0 in 180 km
    spectrum               of SSH, falls as k^-5.8 from 200 to 50 km, and faster below 45 km, where dissipation acts
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from dlgd.core import checks
from dlgd.core.constants import (
    CF_CONVENTIONS,
    DAYS_PER_YEAR,
    EARTH_RADIUS_M,
    EARTH_RATE,
    GRAVITY,
    KM_PER_DEGREE,
    SECONDS_PER_DAY,
)
from dlgd.core.errors import Refusal
from dlgd.core.progress import progress
from dlgd.core.threads import one_torch_thread
from dlgd.physics.qg import TwoLayerFlow
from dlgd.problems.ssh.data.map_samples import SST_ATTRS
from dlgd.problems.ssh.data.simulated_sst import SSTOptions, StirredTemperature

FIRST_DAY = "2001-01-01T12"  # of the maps that are kept: heights are those of noon, in the middle of a calendar day
FIRST_SPEED = 0.3  # m/s, rms, of the noise from which the turbulence grows
FIRST_WAVELENGTH = 2 * math.pi  # deformation radii: near the fastest growing one
LOWER = {"units": "m2 s-1", "long_name": "quasi-geostrophic streamfunction of the lower layer's eddies"}
# Options that the Dataset has as attributes besides the seed, in this order.
RECORDED = (
    *("days_of_spinup", "size_km", "deformation_radius_km", "depth_ratio", "shear", "drag_days", "dissipation_hours"),
)


@dataclass(frozen=True, kw_only=True)
class SeaOptions:
    """years: how long the sea is simulated after its spinup.
    days_of_spinup: days before the first one that is kept; turbulence needs more than a year to grow out of noise.
    size_km: side of the square, at least 6 deformation radii. cells: points along it; at least one for each deformation
        radius.
    latitude, longitude: of the centre, degrees. The latitude, 10 to 70 north or south, gives f and beta.
    deformation_radius_km: the baroclinic one; eddies have a few times its size.
    depth_ratio: depth of the upper layer over that of the lower one.
    shear: eastward mean flow of the upper layer, m/s; the lower one has none. It feeds the turbulence.
    drag_days: the time in which bottom drag slows the lower layer's flow to 1/e.
    dissipation_hours: the time in which dissipation damps the smallest waves to 1/e.
    seed: of the noise from which the turbulence grows.
    device: where it is simulated, such as cpu or cuda.

    The same options make the same sea, to the last bit on one machine. Turbulence amplifies rounding: another kind of
    machine makes another sea with the same statistics.
    """

    years: float = 3.0
    days_of_spinup: int = 500
    size_km: float = 1000.0
    cells: int = 128
    latitude: float = 38.0
    longitude: float = -60.0
    deformation_radius_km: float = 40.0
    depth_ratio: float = 0.25
    shear: float = 0.2
    drag_days: float = 7.0
    dissipation_hours: float = 3.0
    seed: int = 0
    device: str = "cpu"

    @property
    def days(self) -> int:
        """Maps that are kept."""
        return max(1, round(self.years * DAYS_PER_YEAR))

    def check(self) -> None:
        """Refuse a sea that cannot be simulated, a square that the equations do not describe, or too few points."""
        for name in ("days_of_spinup", "seed"):
            checks.whole_number(f"data.sea.{name}", getattr(self, name), least=0)
        for name in ("years", "size_km", "deformation_radius_km", "depth_ratio", "drag_days", "dissipation_hours"):
            checks.number(f"data.sea.{name}", getattr(self, name), above=0)
        for name in ("longitude", "shear"):
            checks.number(f"data.sea.{name}", getattr(self, name))
        checks.number("data.sea.latitude", self.latitude)
        if not 10 <= abs(self.latitude) <= 70:
            raise Refusal(
                f"data.sea.latitude={self.latitude} allows no beta plane: choose 10 to 70 degrees north or south"
            )
        least_km = 6 * self.deformation_radius_km
        checks.number("data.sea.size_km", self.size_km, least=least_km, hint="a smaller square has no room for eddies")
        least = math.ceil(self.size_km / self.deformation_radius_km)
        hint = f"fewer do not resolve data.sea.deformation_radius_km={self.deformation_radius_km}"
        checks.whole_number("data.sea.cells", self.cells, least=least, hint=hint)


@torch.inference_mode()
def simulate(options: SeaOptions, *, lower: bool = False, sst: SSTOptions | None = None) -> xr.Dataset:
    """ssh (time, lat, lon) in m, float32, at noon of consecutive days; nothing is kept on disk here.

    lower: whether there is psi_lower (time, lat, lon) in m2/s too, the streamfunction of the lower layer.
    sst: of the temperature, which is then part of the sea: sst (time, lat, lon) in degC. Heights are the same without.

    On the CPU with one thread: Fourier transforms on several ones are rounded otherwise.
    """
    options.check()
    with one_torch_thread():
        return _simulate(options, lower, sst)


def flow_of(options: SeaOptions) -> TwoLayerFlow:
    """The equations of the sea."""
    _, beta = beta_plane(options.latitude)
    return TwoLayerFlow(
        size=1e3 * options.size_km,
        cells=options.cells,
        deformation_radius=1e3 * options.deformation_radius_km,
        depth_ratio=options.depth_ratio,
        beta=beta,
        mean_flow=(options.shear, 0.0),
        drag=1 / (options.drag_days * SECONDS_PER_DAY),
        dissipation=_dissipation(options),
        device=options.device,
    )


def _dissipation(options: SeaOptions) -> float:
    return 1 / (options.dissipation_hours * 3600)  # 1/s


def _simulate(options: SeaOptions, lower: bool, sst: SSTOptions | None) -> xr.Dataset:
    flow, f = flow_of(options), beta_plane(options.latitude)[0]
    wavelength = FIRST_WAVELENGTH * 1e3 * options.deformation_radius_km
    state = flow.random_state(speed=FIRST_SPEED, seed=options.seed, wavelength=wavelength)
    stirred = None if sst is None else StirredTemperature(flow, sst, dissipation=_dissipation(options))
    ssh = np.empty((options.days, options.cells, options.cells), np.float32)
    deep = np.empty_like(ssh) if lower else None
    temperature = None if stirred is None else np.empty_like(ssh)
    for day in progress(range(options.days_of_spinup + options.days), "simulating the sea, days"):
        if day >= options.days_of_spinup:
            psi, kept = flow.streamfunction(state), day - options.days_of_spinup
            ssh[kept] = (f / GRAVITY * flow.maps(psi[0])).cpu().numpy()
            if deep is not None:
                deep[kept] = flow.maps(psi[1]).cpu().numpy()
            if stirred is not None and temperature is not None:
                temperature[kept] = stirred.map(1e3 * options.size_km)
        state = (stirred or flow).advance(state, SECONDS_PER_DAY, flow.steps(state, SECONDS_PER_DAY))
    sea = _dataset(ssh, options)
    if deep is not None:
        sea["psi_lower"] = (sea.ssh.dims, deep, LOWER)
    if temperature is not None:
        sea["sst"] = (sea.ssh.dims, temperature, SST_ATTRS)
    return sea


def beta_plane(latitude: float) -> tuple[float, float]:
    """Return f in 1/s and beta, its derivative to the north, in 1/(m s), at a latitude in degrees."""
    phi = math.radians(latitude)
    return 2 * EARTH_RATE * math.sin(phi), 2 * EARTH_RATE * math.cos(phi) / EARTH_RADIUS_M


def _dataset(ssh: np.ndarray, options: SeaOptions) -> xr.Dataset:
    """Maps with the coordinates of a plane that touches the sphere at its centre, evenly spaced in degrees."""
    f, beta = beta_plane(options.latitude)
    offset = options.size_km * ((np.arange(options.cells) + 0.5) / options.cells - 0.5)
    north, east = offset / KM_PER_DEGREE, offset / (KM_PER_DEGREE * math.cos(math.radians(options.latitude)))
    time = np.datetime64(FIRST_DAY, "ns") + np.arange(len(ssh)) * np.timedelta64(1, "D")
    height = {"units": "m", "standard_name": "sea_surface_height_above_geoid", "long_name": "height of the eddies"}
    return xr.Dataset(
        {"ssh": (("time", "lat", "lon"), ssh, height)},
        coords={
            "time": ("time", time, {"standard_name": "time"}),
            "lat": ("lat", options.latitude + north, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": ("lon", options.longitude + east, {"standard_name": "longitude", "units": "degrees_east"}),
        },
        attrs={
            **CF_CONVENTIONS,
            "title": "Sea surface height of a two-layer quasi-geostrophic model",
            "grid_km": options.size_km / options.cells,
            **{name: getattr(options, name) for name in RECORDED},
            "coriolis": f,
            "beta": beta,
            "seed": options.seed,
        },
    )
