"""Global ocean grids with their metric terms from great-circle geometry.

Positions are given by a function of continuous (row, column) indices: corners at integers, centres at
halves. That keeps centres, faces, corners and coastline sampling consistent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dlgd.core.constants import EARTH_RADIUS_M
from dlgd.core.errors import Refusal
from dlgd.physics.halo import Topology

Position = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Grid:
    """A structured grid of ny x nx cells on the sphere; float64 throughout.

    Face arrays: `south_*` (ny + 1, nx), its last row the north side; `west_*` (ny, nx).
    """

    lat: np.ndarray  # (ny, nx) degrees north, cell centres
    lon: np.ndarray  # (ny, nx) degrees east in [-180, 180)
    area: np.ndarray  # (ny, nx) m2
    south_length: np.ndarray  # m, length of the face
    west_length: np.ndarray
    south_distance: np.ndarray  # m, between the two centres on either side of the face
    west_distance: np.ndarray
    south_position: np.ndarray  # (ny + 1, nx, 3) unit vectors at the middle of the face
    west_position: np.ndarray  # (ny, nx, 3)
    topology: Topology
    position: Position  # (row, column) -> (lat, lon) in degrees

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.area.shape  # type: ignore[return-value]

    @property
    def position_of_centres(self) -> np.ndarray:
        """(ny, nx, 3) unit vectors."""
        return unit_vectors(self.lat, self.lon)


def unit_vectors(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Degrees -> (..., 3) unit vectors."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def great_circle_m(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Great-circle distance in m between unit vectors (..., 3); accurate for small and large angles."""
    return EARTH_RADIUS_M * np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))


def _triangle_sr(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Solid angle of spherical triangles (Van Oosterom and Strackee 1983, eq. 8)."""
    volume = np.abs(np.sum(a * np.cross(b, c), axis=-1))
    return 2 * np.arctan2(volume, 1 + np.sum(a * b, axis=-1) + np.sum(b * c, axis=-1) + np.sum(c * a, axis=-1))


def build(rows: int, columns: int, position: Position, topology: Topology) -> Grid:
    """Return the grid of a position function. Closed sides get a centre distance of NaN: nothing crosses them."""

    def vectors(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        return unit_vectors(*position(*np.meshgrid(row, column, indexing="ij")))

    corner_rows, corner_columns = np.arange(rows + 1.0), np.arange(columns + 1.0)
    corner = vectors(corner_rows, corner_columns)
    centre = vectors(corner_rows[:-1] + 0.5, corner_columns[:-1] + 0.5)
    sw, se, nw, ne = corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]
    area = EARTH_RADIUS_M**2 * (_triangle_sr(sw, se, ne) + _triangle_sr(sw, ne, nw))

    south_distance = np.full((rows + 1, columns), np.nan)
    south_distance[1:-1] = great_circle_m(centre[:-1], centre[1:])
    if topology.south_north == "fold":
        south_distance[-1] = great_circle_m(centre[-1], centre[-1, ::-1])
    west_distance = great_circle_m(centre, np.roll(centre, 1, axis=1))
    lat, lon = position(*np.meshgrid(corner_rows[:-1] + 0.5, corner_columns[:-1] + 0.5, indexing="ij"))
    return Grid(
        lat=lat,
        lon=lon,
        area=area,
        south_length=great_circle_m(corner[:, :-1], corner[:, 1:]),
        west_length=great_circle_m(corner[:-1], corner[1:])[:, :-1],
        south_distance=south_distance,
        west_distance=west_distance,
        south_position=vectors(corner_rows, corner_columns[:-1] + 0.5),
        west_position=vectors(corner_rows[:-1] + 0.5, corner_columns[:-1]),
        topology=topology,
        position=position,
    )


def _wrap(lon: np.ndarray) -> np.ndarray:
    return (lon + 180.0) % 360.0 - 180.0


def mercator(rows: int = 180, columns: int = 360) -> Grid:
    """Mercator grid, regular in longitude, square cells, symmetric about the equator.

    Periodic west-east, closed north and south. With 180 x 360 cells it reaches 66.5 degrees: there the
    Mercator ordinate ln tan(pi/4 + lat/2) is pi/2.
    """
    step = 2 * np.pi / columns

    def position(row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lat = np.rad2deg(np.arctan(np.sinh((row - rows / 2) * step)))
        return lat, _wrap(-180.0 + column * 360.0 / columns)

    return build(rows, columns, position, Topology("periodic", "closed"))


def latlon(rows: int = 180, columns: int = 360) -> Grid:
    """Return a grid that is regular in longitude and latitude, from pole to pole; periodic west-east.

    Cells become ever narrower towards the poles, which must stand on land: see `coastline.without_polar_caps`.
    """

    def position(row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 180.0 * row / rows - 90.0, _wrap(-180.0 + column * 360.0 / columns)

    return build(rows, columns, position, Topology("periodic", "closed"))


def regional(
    rows: int, columns: int, *, lat: tuple[float, float], lon: tuple[float, float], stretching: float = 0.0
) -> Grid:
    """Return a grid of a part of the globe, along longitudes and latitudes, with closed sides.

    lat, lon: the southern and northern, and the western and eastern sides, degrees; lat within -89 to 89.
    stretching: from 0 to 0.9. The spacing along each axis is (1 + stretching) times its mean at the sides and
        (1 - stretching) times it in the middle.
    """
    if not (-89 <= lat[0] < lat[1] <= 89 and lon[0] < lon[1] < lon[0] + 360):
        raise Refusal(f"lat={list(lat)} and lon={list(lon)} must be [south, north] and [west, east] of a region")
    if not 0 <= stretching <= 0.9:
        raise Refusal(f"stretching={stretching} must lie between 0 and 0.9")

    def along(index: np.ndarray, count: int, sides: tuple[float, float]) -> np.ndarray:
        share = index / count
        return sides[0] + (sides[1] - sides[0]) * (share + stretching * np.sin(2 * np.pi * share) / (2 * np.pi))

    def position(row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return along(row, rows, lat), _wrap(along(column, columns, lon))

    return build(rows, columns, position, Topology("closed", "closed"))


JOINT_LAT = 65.0  # degrees: both poles of the cap stand here, in Siberia and in Nunavut
POLE_LON = 80.0  # degrees east; the other pole is 180 degrees away


def _mercator_rows(step: float, refinement: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Latitude (degrees) and rows south of the joint, for Mercator rows refined towards the equator.

    The meridional step is step * cos(lat) * (1 - (1 - refinement) exp(-(lat / width)^2)).
    """
    lat = np.linspace(-89.0, JOINT_LAT, 40001)
    spacing = step * np.cos(np.deg2rad(lat)) * (1 - (1 - refinement) * np.exp(-((lat / width) ** 2)))
    density = 1 / spacing
    counted = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(lat))])
    return lat, counted - counted[-1]


def tripolar(rows: int = 292, columns: int = 360, refinement: float = 1 / 3, width: float = 8.0) -> Grid:
    """Tripolar grid: Mercator rows refined towards the equator, and a bipolar cap north of 65 degrees.

    The cap follows Murray 1996 (J. Comput. Phys. 126, 251-273): in the stereographic plane, rows are
    circles through both poles of the cap and columns the circles orthogonal to them. Periodic west-east,
    folded along the great circle between the two poles, closed in the south (about 78 degrees south for
    292 x 360).

    refinement: the meridional step at the equator over that of Mercator. width: the extent of this refinement, degrees.
    """
    if columns % 2:
        raise Refusal(f"a tripolar grid needs an even number of columns, not {columns}")
    step = 360.0 / columns
    cap = 90.0 - JOINT_LAT
    cap_rows = round(cap / (step * np.cos(np.deg2rad(JOINT_LAT))))
    below = rows - cap_rows
    lat_table, row_table = _mercator_rows(step, refinement, width)
    if below < 1 or -below < row_table[0]:
        raise Refusal(f"a tripolar grid of {columns} columns cannot have {rows} rows")
    joint_radius = np.tan(np.deg2rad(cap) / 2)  # radius of the joint circle in the stereographic plane

    def position(row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        psi = np.deg2rad(column * step)
        colatitude = np.deg2rad(cap) * np.clip((rows - row) / cap_rows, 0.0, 1.0)
        eta = 2 * np.arctan(np.tan(colatitude / 2) / joint_radius)
        # bipolar coordinates: z = tanh((tau + i eta) / 2) with tau = ln cot(psi / 2)
        z = (np.cos(psi) + 1j * np.sin(eta) * np.sin(psi)) / (1 + np.cos(eta) * np.abs(np.sin(psi)))
        in_cap = row > below
        lat = np.interp(row - below, row_table, lat_table)
        lat = np.where(in_cap, 90.0 - 2 * np.rad2deg(np.arctan(joint_radius * np.abs(z))), lat)
        lon = np.where(in_cap, np.rad2deg(np.angle(z)), np.rad2deg(psi))
        return lat, _wrap(lon + POLE_LON)

    return build(rows, columns, position, Topology("periodic", "fold"))


def uniform(rows: int, columns: int, spacing_m: float = 1e5) -> Grid:
    """Return a doubly periodic plane grid of square cells, where closed forms are exact. Positions have no meaning."""
    shape = (rows, columns)
    edge, edge_north = np.full(shape, spacing_m), np.full((rows + 1, columns), spacing_m)
    lat, lon = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    positions = unit_vectors(lat, lon)
    return Grid(
        lat=lat,
        lon=lon,
        area=np.full(shape, spacing_m**2),
        south_length=edge_north,
        west_length=edge,
        south_distance=edge_north,
        west_distance=edge,
        south_position=np.concatenate([positions, positions[:1]]),
        west_position=positions,
        topology=Topology("periodic", "periodic"),
        position=lambda row, column: (row, column),
    )
