"""A sea made here: daily height of the surface of baroclinic turbulence, with eddies in the scale of the Gulf Stream.

Two quasi-geostrophic layers (`dlgd.physics.qg`) under a uniform mean shear, in a periodic square on a beta plane; the
height is that of the upper layer's eddies, eta = f psi_1 / g, without the uniform slope of the mean flow, so that its
mean over the square is zero every day. Measured with the defaults and seed 0 (128 x 128 points, three years after 500
days; 100 s on one core):

    standard deviation     0.32 m (each half year between 0.30 and 0.33 m), from -1.2 to 1.4 m
    surface velocity       0.57 m/s rms, 2.6 m/s at most
    correlation in time    falls to 1/2 in 12 days and to 1/e in 16; of waves of 80 to 250 km, to 1/e in 4
    correlation in space   falls to 1/2 in 99 km, to 1/e in 117 km and to 0 in 180 km
    spectrum               of SSH, falls as k^-5.8 from 200 to 50 km, and faster below 45 km, where dissipation acts
"""

from __future__ import annotations

import math

import numpy as np
import torch
import xarray as xr

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
from dlgd.physics.qg import TwoLayerFlow

FIRST_DAY = "2001-01-01T12"  # of what is kept: heights are those of noon, in the middle of a calendar day
FIRST_SPEED = 0.3  # m/s, rms, of the noise from which the turbulence grows
FIRST_WAVELENGTH = 2 * math.pi  # deformation radii: near the fastest growing one


@torch.inference_mode()
def simulate(
    *,
    years: float = 3.0,
    days_of_spinup: int = 500,
    size_km: float = 1000.0,
    cells: int = 128,
    latitude: float = 38.0,
    longitude: float = -60.0,
    deformation_radius_km: float = 40.0,
    depth_ratio: float = 0.25,
    shear: float = 0.2,
    drag_days: float = 7.0,
    dissipation_hours: float = 3.0,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> xr.Dataset:
    """ssh (time, lat, lon) in m, float32, at noon of consecutive days; nothing is kept on disk here.

    years: how long, after days_of_spinup that are not kept. size_km, cells: the side of the square, and points along
    it. latitude, longitude: degrees, of its centre; they give f and beta. deformation_radius_km: baroclinic.
    depth_ratio: upper over lower depth. shear: eastward mean flow of the upper layer, m/s; the lower has none.
    drag_days: e-folding time of the lower layer's flow by bottom drag. dissipation_hours: that of the smallest waves.
    The same options make the same sea, to the last bit on one machine; in turbulence, another kind of machine or
    number of threads makes another sea of the same statistics.
    """
    _check(latitude=latitude, size_km=size_km, cells=cells, deformation_radius_km=deformation_radius_km)
    positive = {"years": years, "depth_ratio": depth_ratio, "drag_days": drag_days}
    for name, value in (positive | {"dissipation_hours": dissipation_hours}).items():
        if not 0 < value < math.inf:
            raise Refusal(f"{name}={value} must be a positive number")
    if days_of_spinup < 0:
        raise Refusal(f"days_of_spinup={days_of_spinup} must not be negative")
    f, beta = beta_plane(latitude)
    flow = TwoLayerFlow(
        size=1e3 * size_km,
        cells=cells,
        deformation_radius=1e3 * deformation_radius_km,
        depth_ratio=depth_ratio,
        beta=beta,
        mean_flow=(shear, 0.0),
        drag=1 / (drag_days * SECONDS_PER_DAY),
        dissipation=1 / (dissipation_hours * 3600),
        device=device,
    )
    wavelength = FIRST_WAVELENGTH * 1e3 * deformation_radius_km
    state = flow.random_state(speed=FIRST_SPEED, seed=seed, wavelength=wavelength)
    kept = max(1, round(years * DAYS_PER_YEAR))
    ssh = np.empty((kept, cells, cells), np.float32)
    for day in progress(range(days_of_spinup + kept), "simulating the sea, days"):
        if day >= days_of_spinup:
            psi = flow.maps(flow.streamfunction(state)[0])
            ssh[day - days_of_spinup] = (f / GRAVITY * psi).cpu().numpy()
        state = flow.advance(state, SECONDS_PER_DAY, flow.steps(state, SECONDS_PER_DAY))
    attributes = {
        "days_of_spinup": days_of_spinup,
        "size_km": size_km,
        "deformation_radius_km": deformation_radius_km,
        "depth_ratio": depth_ratio,
        "shear": shear,
        "drag_days": drag_days,
        "dissipation_hours": dissipation_hours,
        "coriolis": f,
        "beta": beta,
        "seed": seed,
    }
    return _dataset(ssh, latitude=latitude, longitude=longitude, size_km=size_km, attributes=attributes)


def beta_plane(latitude: float) -> tuple[float, float]:
    """f in 1/s, and its derivative to the north in 1/(m s), at a latitude in degrees."""
    phi = math.radians(latitude)
    return 2 * EARTH_RATE * math.sin(phi), 2 * EARTH_RATE * math.cos(phi) / EARTH_RADIUS_M


def _check(*, latitude: float, size_km: float, cells: int, deformation_radius_km: float) -> None:
    """Refuse a square that the equations do not describe or the points do not resolve."""
    if not 10 <= abs(latitude) <= 70:
        raise Refusal(f"latitude={latitude} allows no beta plane: take 10 to 70 degrees north or south")
    if not (size_km > 0 and deformation_radius_km > 0):
        raise Refusal(f"size_km={size_km} and deformation_radius_km={deformation_radius_km} must be positive")
    if size_km < 6 * deformation_radius_km:
        raise Refusal(
            f"a square of size_km={size_km} is too small for eddies: take {6 * deformation_radius_km:g} or more"
        )
    if cells < (least := math.ceil(size_km / deformation_radius_km)):
        raise Refusal(
            f"cells={cells} do not resolve deformation_radius_km={deformation_radius_km}: take {least} or more"
        )


def _dataset(
    ssh: np.ndarray, *, latitude: float, longitude: float, size_km: float, attributes: dict[str, float]
) -> xr.Dataset:
    """With the coordinates of a plane that touches the sphere at its centre, regular in degrees."""
    count, cells, _ = ssh.shape
    offset = size_km * ((np.arange(cells) + 0.5) / cells - 0.5)
    time = np.datetime64(FIRST_DAY, "ns") + np.arange(count) * np.timedelta64(1, "D")
    north, east = {"standard_name": "latitude", "units": "degrees_north"}, {"standard_name": "longitude"}
    return xr.Dataset(
        {
            "ssh": (
                ("time", "lat", "lon"),
                ssh,
                {"units": "m", "standard_name": "sea_surface_height_above_geoid", "long_name": "height of the eddies"},
            )
        },
        coords={
            "time": ("time", time, {"standard_name": "time"}),
            "lat": ("lat", latitude + offset / KM_PER_DEGREE, north),
            "lon": (
                "lon",
                longitude + offset / (KM_PER_DEGREE * math.cos(math.radians(latitude))),
                east | {"units": "degrees_east"},
            ),
        },
        attrs=CF_CONVENTIONS
        | {
            "title": "Sea surface height of a two-layer quasi-geostrophic model",
            "grid_km": size_km / cells,
            **attributes,
        },
    )
