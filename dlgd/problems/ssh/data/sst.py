"""The temperature of the sea's surface, a second input of networks: its scaling, and maps of it from files.

Maps of files are brought to the cells of the heights: means over cells where those of the file are narrower, linear
interpolation where they are wider. What is missing in the file is missing in the maps: clouds, land, ice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.core.options import of_group
from dlgd.problems.ssh.data import map_files, map_names, other_grids
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.map_files import Opened, Reading
from dlgd.problems.ssh.data.map_samples import SST_ATTRS

if TYPE_CHECKING:
    from dlgd.problems.ssh.data.options import MapOptions

log = logging.getLogger(__name__)

NAME, MEAN, STD = "sst", "sst_mean", "sst_std"  # of the variable; among the statistics of a training, degC
FREEZING = 273.15  # K
KELVIN = {"k", "kelvin", "kelvins", "deg_k", "degk", "degree_kelvin", "degrees_kelvin"}
CELSIUS = {"degc", "deg_c", "c", "celsius", "degree_c", "degrees_c", "degree_celsius", "degrees_celsius", "degreec"}
LOWEST, HIGHEST = -5.0, 50.0  # degC: no sea is colder or warmer
AROUND = 1.0  # degrees around the maps that are read: the cells of the coarsest files are as wide


@dataclass(frozen=True, kw_only=True)
class SSTFiles:
    """path: files with maps of the temperature, co-located with the heights, on any grid: a file, a folder, a pattern
        such as "sst/*.nc", or a list of these; None: networks see no temperature.
    name: of the temperature in them; None: it is recognized (analysed_sst, sst, thetao, tos and standard names). Its
        units, K or degC, are read from the file.
    """

    path: str | Sequence[str] | None = None
    name: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> SSTFiles:
        """From data.sst. Refusal of an option that does not exist."""
        found = of_group(cls, "data.sst", given)
        if found.name is not None:
            checks.of_kind("data.sst.name", found.name, str)
            if found.path is None:
                raise Refusal(f"data.sst.name={found.name} names a variable of no file: type data.sst.path=, too")
        return found


def statistics(record: xr.Dataset, days: slice) -> dict[str, float]:
    """The mean and standard deviation of the temperatures that are known on some days of a record; none without."""
    if NAME not in record:
        return {}
    known = record[NAME].values[days]
    known = known[np.isfinite(known)]
    if not known.size or not known.std(dtype=float) > 0:
        raise Refusal("data.sst has no temperature in the training split, or one alone: choose other files or days")
    return {MEAN: float(known.mean(dtype=float)), STD: float(known.std(dtype=float))}


def added(found: xr.Dataset, options: MapOptions, *, own: Path | None = None) -> xr.Dataset:
    """A record or samples with the temperatures that networks see, if they see any, from the files of the options.

    own: the file of the record or samples, which is asked where the options name none.
    """
    if not options.sees_sst or NAME in found:
        return found
    files = SSTFiles(path=options.sst.get("path"), name=options.sst.get("name"))
    axis = "day" if "day" in found.dims else "time"
    paths = [] if files.path is None else map_files.files("data.sst.path", files.path)
    if own is not None and not paths:
        with map_names.opened(own) as dataset:
            if not map_names.is_there(dataset, NAME):
                raise Refusal(
                    f"the network sees the temperature of the sea's surface, and {own} has none, but "
                    f"{map_names.listed(dataset)}: put it there as sst, or type data=ssh_netcdf data.sst.path="
                )
        paths = [own]
    maps = read(paths, files.name, days=found[axis].values, lat=found.lat.values, lon=found.lon.values)
    return found.assign({NAME: ((axis, "lat", "lon"), maps, SST_ATTRS)})


def read(paths: Sequence[Path], name: str | None, *, days: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Temperatures (days, lat, lon), float32 degC, NaN where the files have none.

    days: ascending datetime64; days that the files lack are NaN. Refusal of files of other days or another region, and
    of what are no temperatures.
    """
    wanted = days.astype("datetime64[D]")
    axis = np.arange(wanted[0], wanted[-1] + 1)
    opened = [_look(path, name, axis, lat, lon) for path in paths]
    there = np.unique(np.concatenate([file.days for file in opened]))
    missing = len(wanted) - np.isin(wanted, there).sum()
    if missing == len(wanted):
        raise Refusal(
            f"data.sst.path: {paths[0]} has no map between {axis[0]} and {axis[-1]}, the days of the heights, but days "
            f"from {min(file.span[0] for file in opened)} to {max(file.span[1] for file in opened)}: choose others"
        )
    if missing:
        log.info("%s: %d of %d days have no temperature", paths[0], missing, len(wanted))
    maps = map_files.maps(opened, axis)[(wanted - axis[0]).astype(int)]
    if not np.isfinite(maps).any():
        raise Refusal(f"{opened[0].variable} in {paths[0]} is missing everywhere in the maps of heights: choose others")
    return maps


@dataclass(frozen=True, kw_only=True)
class _Temperatures(Opened):
    """A file whose maps are read on other cells, those of `lat` and `lon`. own: its own latitudes and longitudes."""

    own: tuple[np.ndarray, np.ndarray]

    def read(self, chosen: np.ndarray) -> np.ndarray:
        """(maps, lat, lon) float32 degC."""
        values = self.regular(self._read(chosen))
        return other_grids.brought(values, *self.own, {"lat": self.lat, "lon": self.lon})

    def _values(self, dataset: xr.Dataset, index: Mapping[str, object]) -> xr.DataArray:
        field = map_names.numbers(dataset, self.variable, index, self.path)
        units = str(dataset[self.variable].attrs.get("units", "")).strip().lower().replace(" ", "_")
        if not units:  # no sea is as warm as 200 degC, nor as cold as 200 K
            units = "k" if float(field.median()) > 200 else "degc"
        if units not in KELVIN | CELSIUS:
            raise Refusal(
                f"{self.variable} in {self.path} is in {units!r}, which is none of K and degC: choose another"
            )
        if units in KELVIN:
            field = field - np.float32(FREEZING)
        low, high = float(field.min()), float(field.max())
        if low < LOWEST or high > HIGHEST:
            raise Refusal(
                f"{self.variable} in {self.path} goes from {low:.4g} to {high:.4g} degC, which no sea has: correct its "
                "units, or declare what stands for missing values as its _FillValue"
            )
        return field


def _look(path: Path, name: str | None, days: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> _Temperatures:
    """Read the axes of a file. Refusal where its region does not hold the maps."""
    south, north = max(-90.0, float(lat[0]) - AROUND), min(90.0, float(lat[-1]) + AROUND)
    box = Box(south, north, *_reach(lon))
    maps = f"the maps of heights, which go from {lat[0]:.4g} to {lat[-1]:.4g} N and {lon[0]:.4g} to {lon[-1]:.4g} E"
    try:
        file = map_files.look(path, NAME, name, Reading({}, None, box, (days[0], days[-1])))
    except Refusal as error:
        if "data.box" in str(error):
            raise Refusal(f"data.sst.path: {path} has no cells on {maps}: choose files of this region") from error
        raise
    own = file.lon + 360 * np.round((lon.mean() - file.lon.mean()) / 360)  # counted as those of the maps
    for axis, mine in ((lat, file.lat), (lon, own)):
        wide = max(mine[1] - mine[0], axis[1] - axis[0]) * 1.01
        if mine[0] > axis[0] + wide or mine[-1] < axis[-1] - wide:
            raise Refusal(
                f"data.sst.path: {path} goes from {file.lat[0]:.4g} to {file.lat[-1]:.4g} N and {own[0]:.4g} to "
                f"{own[-1]:.4g} E, less than {maps}: choose files of the whole region, or a smaller data.box"
            )
    known = {field.name: getattr(file, field.name) for field in fields(file)}
    return _Temperatures(**known | {"lat": lat, "lon": lon, "labelled": True}, own=(file.lat, own))


def _reach(lon: np.ndarray) -> tuple[float | None, float | None]:
    """The western and eastern limit of what is read; none where the maps go around the globe."""
    if lon[-1] - lon[0] + 2 * AROUND >= 360:
        return None, None
    return float(lon[0]) - AROUND, float(lon[-1]) + AROUND
