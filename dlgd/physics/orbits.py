"""Ground tracks of satellites on circular repeat orbits, and the swath beside them.

A repeat orbit comes back to the same places after a whole number of revolutions and of nodal days. A nodal day is a
turn of the Earth under the orbit's plane, which itself turns slowly. With the argument of latitude u, which grows
evenly,

    lat = asin(sin(inclination) sin(u)),   lon = node + atan2(cos(inclination) sin(u), cos(u)) - rotation t,

on a spherical Earth (Vallado 2013, Fundamentals of Astrodynamics, ch. 11). Times are in s, angles in degrees unless a
name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlgd.core.constants import EARTH_RADIUS_KM, SECONDS_PER_DAY


@dataclass(frozen=True, kw_only=True)
class RepeatOrbit:
    """inclination_deg above 90 is retrograde; cycle_days are solar days."""

    inclination_deg: float
    revolutions: int
    nodal_days: int
    cycle_days: float

    @property
    def cycle_s(self) -> float:
        """Time after which the ground track repeats itself."""
        return self.cycle_days * SECONDS_PER_DAY

    @property
    def motion(self) -> float:
        """Rate of the argument of latitude, rad/s."""
        return 2 * np.pi * self.revolutions / self.cycle_s

    @property
    def rotation(self) -> float:
        """Rate at which the Earth turns under the orbit's plane, rad/s."""
        return 2 * np.pi * self.nodal_days / self.cycle_s

    @property
    def speed_km_s(self) -> float:
        """Speed of the point below the satellite, over an Earth that does not turn."""
        return EARTH_RADIUS_KM * self.motion

    def positions(self, time_s: np.ndarray, node_deg: float = 0.0) -> np.ndarray:
        """Unit vectors (..., 3) to the points below the satellite, which crosses the equator northward at node_deg at
        time 0; axes turn with the Earth, the first one through (0 N, 0 E), the third through the north pole."""
        u, inclination = self.motion * time_s, np.deg2rad(self.inclination_deg)
        turned = np.deg2rad(node_deg) - self.rotation * time_s
        ahead, aside = np.cos(u), np.cos(inclination) * np.sin(u)
        x = ahead * np.cos(turned) - aside * np.sin(turned)
        y = ahead * np.sin(turned) + aside * np.cos(turned)
        return np.stack([x, y, np.sin(inclination) * np.sin(u)], axis=-1)

    def beside(self, time_s: np.ndarray, across_km: np.ndarray, node_deg: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """lat, lon of points at across_km (n,) to the right of the track, at right angles to it: (time, n)."""
        below = self.positions(time_s, node_deg)
        step = 1.0  # s; the course changes by some 0.1 degree meanwhile
        course = self.positions(time_s + step, node_deg) - self.positions(time_s - step, node_deg)
        right = np.cross(course, below)
        right /= np.linalg.norm(right, axis=-1, keepdims=True)
        angle = np.asarray(across_km)[:, None] / EARTH_RADIUS_KM
        return latitude_longitude(below[..., None, :] * np.cos(angle) + right[..., None, :] * np.sin(angle))


def latitude_longitude(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return latitudes and longitudes, -180 to 180, of unit vectors (..., 3)."""
    x, y, z = np.moveaxis(positions, -1, 0)
    return np.rad2deg(np.arcsin(np.clip(z, -1, 1))), np.rad2deg(np.arctan2(y, x))


@dataclass(frozen=True, kw_only=True)
class Satellite:
    """An orbit, and the distances from the track at which it measures: (low, high) km on both sides, or only 0."""

    orbit: RepeatOrbit
    swath_km: tuple[float, float] | None = None

    def across_km(self, spacing_km: float) -> np.ndarray:
        """Distances to the right of the track at which it measures, ascending."""
        if self.swath_km is None:
            return np.zeros(1)
        low, high = self.swath_km
        right = np.linspace(low, high, 1 + round((high - low) / spacing_km))
        return np.concatenate([-right[::-1], right])


# Inclination, revolutions and cycle as their operators give them (CNES, ESA, US Navy, NSOAS handbooks).
SATELLITES = {
    # Topex/Poseidon, Jason-1 to -3
    "jason": Satellite(
        orbit=RepeatOrbit(inclination_deg=66.04, revolutions=127, nodal_days=10, cycle_days=9.9156),
    ),
    # Geosat, Geosat Follow-On
    "geosat": Satellite(
        orbit=RepeatOrbit(inclination_deg=108.04, revolutions=244, nodal_days=17, cycle_days=17.0505),
    ),
    "sentinel3": Satellite(
        orbit=RepeatOrbit(inclination_deg=98.65, revolutions=385, nodal_days=27, cycle_days=27.0),
    ),
    # ERS, Envisat, SARAL
    "envisat": Satellite(
        orbit=RepeatOrbit(inclination_deg=98.55, revolutions=501, nodal_days=35, cycle_days=35.0),
    ),
    "hy2a": Satellite(
        orbit=RepeatOrbit(inclination_deg=99.34, revolutions=193, nodal_days=14, cycle_days=14.0),
    ),
    # its two swaths of 50 km, 20 km apart, without its nadir altimeter
    "swot": Satellite(
        orbit=RepeatOrbit(inclination_deg=77.6, revolutions=292, nodal_days=21, cycle_days=20.86455),
        swath_km=(10.0, 60.0),
    ),
}


@dataclass(frozen=True)
class Box:
    """A region on the sphere in degrees; `west` to `east` in any convention, `east` being the larger."""

    south: float
    north: float
    west: float
    east: float

    def place(self, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Longitudes in the box's convention, and whether the points are inside."""
        lon = self.west + (lon - self.west) % 360.0
        return lon, (lat >= self.south) & (lat <= self.north) & (lon <= self.east)

    def wider(self, km: float) -> Box:
        """Return a box with at least so many km around this one."""
        degrees = np.rad2deg(km / EARTH_RADIUS_KM)
        poleward = min(max(abs(self.south), abs(self.north)) + degrees, 89.0)
        aside = min(degrees / np.cos(np.deg2rad(poleward)), (360.0 - (self.east - self.west)) / 2)
        return Box(self.south - degrees, self.north + degrees, self.west - aside, self.east + aside)


@dataclass(frozen=True)
class Points:
    """The points in a box that a satellite measures, in order of time: arrays (points,). across_km is the distance to
    the right of the track."""

    time_s: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    across_km: np.ndarray


def points_over(
    box: Box, satellite: Satellite, *, duration_s: float, spacing_km: float, node_deg: float, start_s: float
) -> Points:
    """Return the points of a satellite over a box from time 0 to duration_s, about spacing_km from one another.

    At time 0 it is start_s after its northward crossing of the equator at node_deg. One cycle is computed, near the box
    alone, and repeated.
    """
    orbit, across = satellite.orbit, satellite.across_km(spacing_km)
    step, together = spacing_km / orbit.speed_km_s, 32
    beginnings = np.arange(0.0, orbit.cycle_s, together * step)
    near = box.wider(together * spacing_km + np.abs(across).max())
    _, close = near.place(*latitude_longitude(orbit.positions(beginnings, node_deg)))
    within = (beginnings[close, None] + step * np.arange(together)).ravel()
    within = within[within < orbit.cycle_s]
    lat, lon = orbit.beside(within, across, node_deg)
    lon, inside = box.place(lat, lon)
    lines, columns = np.nonzero(inside)
    first, last = np.floor(start_s / orbit.cycle_s), np.floor((start_s + duration_s) / orbit.cycle_s)
    cycles = orbit.cycle_s * np.arange(first, last + 1) - start_s
    time = (cycles[:, None] + within[lines]).ravel()
    chosen = np.flatnonzero((time >= 0) & (time <= duration_s))
    one = chosen % len(lines) if len(lines) else chosen
    return Points(time[chosen], lat[lines, columns][one], lon[lines, columns][one], across[columns][one])
