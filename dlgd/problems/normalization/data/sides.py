"""What lies beyond the sides of a grid of a person's file: what options or attributes say, or what its fields show.

Nothing is assumed: where sea touches a side of which nothing is known, the file is refused.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics.grids import great_circle_m, unit_vectors
from dlgd.physics.halo import Topology
from dlgd.problems.normalization.data.layout import SOUTH_NORTH, WEST_EAST, Layout

log = logging.getLogger(__name__)

NEIGHBOURS = 2.0  # centres at most so many usual distances apart are those of neighbours
ROWS = 200  # of a large grid that are looked at, at least
JUMP = 3.0  # a seam over which alpha changes so many times more than elsewhere is none within the sea
OPTIONS = {"west_east": WEST_EAST, "south_north": SOUTH_NORTH}


@dataclass(frozen=True)
class Fields:
    """sea (ny, nx) bool; alpha_i (sample, ny + 1 or ny, nx) and alpha_j (sample, ny, nx); place: lat and lon (ny, nx),
    degrees, None where the file has none."""

    sea: np.ndarray
    alpha_i: np.ndarray
    alpha_j: np.ndarray
    place: tuple[np.ndarray, np.ndarray] | None

    @property
    def goes_around(self) -> bool | None:
        """Whether the last column is a neighbour of the first one; None where places are not known."""
        if self.place is None or self.sea.shape[1] < 3:
            return None
        lat, lon = self.place
        points = unit_vectors(some(lat), some(lon))
        return _neighbours(points[:, -1], points[:, 0], usual=(points[:, :-1], points[:, 1:]))

    @property
    def folds(self) -> bool | None:
        """Whether the last row is a neighbour of itself in reverse; None where places are not known."""
        if self.place is None or self.sea.shape[0] < 2:
            return None
        lat, lon = self.place
        below, last = unit_vectors(lat[-2:], lon[-2:])
        return _neighbours(last, last[::-1], usual=(below, last))


def some(rows: np.ndarray) -> np.ndarray:
    """Every so many of the rows, all of them where there are few: enough for what is usual."""
    return rows[:: max(1, len(rows) // ROWS)]


def of_file(dataset: xr.Dataset, layout: Layout, path: Path, *, located: bool) -> Topology:
    """Return the topology of a NetCDF file with named dimensions. Refusal where sea touches a side that is not known.

    located: whether its lat and lon are degrees.
    """
    place = (dataset.lat.values, dataset.lon.values) if located else None
    fields = Fields(dataset.mask.values == 1, dataset.alpha_i.values, dataset.alpha_j.values, place)
    said = {name: _said(name, dataset, layout, path) for name in OPTIONS}
    shown = []
    if said["west_east"] is None:
        if said["south_north"] == "fold":
            said["west_east"] = "periodic"
        else:
            said["west_east"], why = _west_east(fields, path)
            shown.append(f"west_east={said['west_east']}, as {why}")
    if said["south_north"] is None:
        said["south_north"], why = _south_north(fields, path, periodic=said["west_east"] == "periodic")
        shown.append(f"south_north={said['south_north']}, as {why}")
    if shown:
        log.info("%s does not say what lies beyond its sides and is read with %s", path, "; ".join(shown))
    try:
        return Topology(**said)  # pyright: ignore[reportArgumentType]
    except Refusal as error:
        raise Refusal(f"{path} has attributes that do not fit: {error}") from error


def _said(name: str, dataset: xr.Dataset, layout: Layout, path: Path) -> str | None:
    """Return what the option says, or else the attribute; None where neither says anything."""
    attribute, option = dataset.attrs.get(name), cast("str | None", getattr(layout, name))
    if attribute is not None and not (isinstance(attribute, str) and attribute in OPTIONS[name]):
        raise Refusal(
            f"{path} has attributes that do not fit: {name}={attribute} must be one of {', '.join(OPTIONS[name])}"
        )
    if option is not None and attribute not in (None, option):
        log.warning("data.%s=%s counts, and not the attribute %s of %s", name, option, attribute, path)
    return option or attribute


def _west_east(fields: Fields, path: Path) -> tuple[str, str]:
    """Return the kind of the west and the east side, and why."""
    seam = fields.sea[:, 0] & fields.sea[:, -1]
    around = fields.goes_around
    if not seam.any():
        return ("periodic", "its longitudes go around") if around else ("closed", "no row has sea at both of its ends")
    west = _clean(fields.alpha_j[:, seam, 0])
    if not (west > 0).any():
        return "closed", "alpha_j is 0 on the west side"
    rows = f"sea touches the west and the east side in {int(seam.sum())} rows"
    advice = "type data.west_east=closed or periodic, or give the file the attribute west_east"
    if around is False:
        raise Refusal(f"{rows} of {path}, where alpha_j is above 0, but its longitudes do not go around: {advice}")
    if around is None and not _continues(fields.alpha_j, seam):
        raise Refusal(f"{rows} of {path}, and nothing says what lies beyond: {advice}")
    why = "its longitudes go around" if around else "alpha_j goes on steadily from the east side to the west side"
    return "periodic", why


def _south_north(fields: Fields, path: Path, *, periodic: bool) -> tuple[str, str]:
    """Return the kind of the south and the north side, and why. periodic: whether the others are."""
    sea, alpha_i = fields.sea, fields.alpha_i
    south, has_north = _clean(alpha_i[:, 0]), alpha_i.shape[1] > sea.shape[0]
    advice = "type data.south_north=closed, periodic or fold, or give the file the attribute south_north"
    if (south[:, sea[0]] > 0).any():
        both = sea[0] & sea[-1]
        if has_north and both.any() and np.allclose(south[:, both], _clean(alpha_i[:, -1, both])):
            return "periodic", "alpha_i is the same on its south and its north side"
        raise Refusal(
            f"sea touches the south side of {path} in {int(sea[0].sum())} columns, where alpha_i is above 0, and "
            f"nothing says what lies beyond: {advice}"
        )
    if not sea[-1].any():
        return "closed", "no sea touches the north side" + (" and alpha_i is 0 on the south side" * bool(sea[0].any()))
    north = _clean(alpha_i[:, -1])
    if has_north and not (north[:, sea[-1]] > 0).any():
        return "closed", "alpha_i is 0 on the north side"
    cells = f"sea touches the north side of {path} in {int(sea[-1].sum())} columns"
    if not has_north:
        raise Refusal(f"{cells}, and alpha_i has no row for that side: {advice}")
    symmetric = periodic and np.allclose(north, north[:, ::-1])
    if symmetric and (fields.folds or (fields.folds is None and np.ptp(north[:, sea[-1]]) > 0)):
        return "fold", "alpha_i is symmetric about the middle of the north side"
    raise Refusal(f"{cells}, where alpha_i is above 0, and nothing says what lies beyond: {advice}")


def refuse_contradicted(samples: xr.Dataset, layout: Layout, where: str, *, located: bool) -> None:
    """Refuse the usual topology of data.grid for a folder whose coordinates show another one, where sea is concerned.

    where: the source of the samples, for messages. located: whether lat and lon are degrees.
    """
    if not located:
        return
    sea = samples.mask.values
    place = samples.lat.values, samples.lon.values
    fields = Fields(sea, samples.alpha_i.values, samples.alpha_j.values, place)
    topology = layout.topology
    if topology.south_north == "fold" and layout.south_north is None and sea[-1].any() and fields.folds is False:
        raise Refusal(
            f"data.grid={layout.grid} folds in the north, but the coordinates of {where} do not: the cells that would "
            "be neighbours lie apart; type data.grid=mercator (closed in the north), data.padding.rows=... where rows "
            "beyond the fold are to be cut off, or data.south_north=fold"
        )
    open_seam = (fields.sea[:, 0] & fields.sea[:, -1]).any()
    if topology.west_east == "periodic" and layout.west_east is None and open_seam and fields.goes_around is False:
        raise Refusal(
            f"the longitudes of {where} do not go around, and sea touches its west and its east side: type "
            "data.west_east=closed, data.padding.columns=... where columns are to be cut off, or "
            "data.west_east=periodic"
        )


def _neighbours(a: np.ndarray, b: np.ndarray, *, usual: tuple[np.ndarray, np.ndarray]) -> bool:
    """Return whether places a and b are as near to each other as neighbours usually are."""
    return bool(np.median(great_circle_m(a, b)) <= NEIGHBOURS * np.median(great_circle_m(*usual)))


def _clean(alpha: np.ndarray) -> np.ndarray:
    """Return diffusivities, 0 where they are no number."""
    return np.nan_to_num(alpha, posinf=0.0, neginf=0.0)


def _continues(alpha_j: np.ndarray, seam: np.ndarray) -> bool:
    """Return whether alpha_j changes over the seam as it does elsewhere; False where it is the same everywhere."""
    found = _clean(alpha_j[:, some(np.flatnonzero(seam))])
    logs = np.log(np.where(found > 0, found, np.nan))
    steps = np.abs(np.diff(logs, axis=-1))
    over = np.abs(logs[..., 0] - logs[..., -1])
    inner, outer = steps[np.isfinite(steps)], over[np.isfinite(over)]
    usual = float(np.median(inner)) if inner.size else 0.0
    return usual > 0 and outer.size > 0 and float(np.median(outer)) <= JUMP * usual
