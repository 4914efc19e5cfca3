"""Recognize the variables of a NetCDF file: which one is the height or the temperature of the sea's surface, which are
the axes, in what units."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import csv_points, products

# By role: names in common use, then CF standard names, both from the likeliest to the least likely. Capitals do not
# count: SSH is ssh.
COMMON = {
    "lat": ("lat", "latitude", "nav_lat", "lat_rho", "tlat", "gphit"),
    "lon": ("lon", "longitude", "nav_lon", "lon_rho", "tlong", "tlon", "glamt"),
    "time": ("time", "time_counter", "ocean_time"),
    # of models and maps: names of 4dvarnet-starter, CMEMS, NEMO and ROMS, and of the answers to the data challenges
    "target": (*("ssh", "tgt", "adt", "sossheig", "zos", "zeta", "gssh", "ssh_mod", "rec_ssh", "sla", "ssha", "out"),),
    # gridded observations of 4dvarnet-starter and of the data challenges; those with noise come first
    "observations": (
        *("nadir_obs", "five_nadirs", "four_nadirs", "swot_nadirs_no_noise", "ssh_obs", "obs", "observations"),
        *("input", "inp"),
    ),
    # along the track of a satellite; where DUACS or SWOT give the terms of the height, their sum
    "track": (
        *("ssh_obs", *products.KARIN, *products.LEVEL_3, *products.NADIR, "ssh_karin_2", "ssh_karin", "ssh_model"),
        *("sla_unfiltered+mdt-lwe", "sla_unfiltered+mdt", "ssh", "adt"),
        *("sla_unfiltered", "sla_filtered", "sla", "ssha"),
    ),
    # of analyses of satellites (OSTIA and MUR, OISST) and of models (CMEMS, CMIP, NEMO)
    "sst": ("analysed_sst", "sst", "sea_surface_temperature", "tos", "sosstsst", "thetao", "votemper"),
}
HEIGHTS = ("sea_surface_height_above_geoid", "sea_surface_height_above_sea_level", "sea_surface_height")
STANDARD = {
    "lat": ("latitude",),
    "lon": ("longitude",),
    "time": ("time",),
    "target": HEIGHTS,
    "observations": HEIGHTS,
    "track": HEIGHTS,
    "sst": (
        *("sea_surface_foundation_temperature", "sea_surface_temperature", "sea_surface_subskin_temperature"),
        *("sea_surface_skin_temperature", "sea_water_potential_temperature", "sea_water_temperature"),
    ),
}
UNITS = {
    "lat": re.compile(r"degrees?_?n(orth)?$"),
    "lon": re.compile(r"degrees?_?e(ast)?$"),
    "time": re.compile("since"),
}
METRES = {"m": 1.0, "meter": 1.0, "metre": 1.0, "cm": 0.01, "centimeter": 0.01, "centimetre": 0.01}
METRES |= {"mm": 0.001, "millimeter": 0.001, "millimetre": 0.001}


def groups(path: Path) -> tuple[str | None, ...]:
    """The groups of a file that are read one after the other; (None,) where there is one alone. Refusal of a file that
    cannot be read."""
    netcdf.refuse_none(path)
    if csv_points.is_csv(path):
        return (None,)
    netcdf.refuse_damaged(path)
    try:
        return products.groups(path)
    except (OSError, ValueError, RuntimeError) as error:
        raise netcdf.unreadable(path, error) from error


@contextmanager
def opened(path: Path, group: str | None = None) -> Iterator[xr.Dataset]:
    """Open a file; times are not decoded, values not read yet. Refusal where reading fails, also while it is open.

    group: of `groups(path)`; None is the first of them.
    """
    netcdf.refuse_none(path)
    if csv_points.is_csv(path):
        yield csv_points.read(path)
        return
    netcdf.refuse_damaged(path)
    try:
        group = products.groups(path)[0] if group is None else group
        with ExitStack() as files:
            found = [
                files.enter_context(xr.open_dataset(path, group=one, engine="netcdf4", decode_times=False, cache=False))
                for one in dict.fromkeys((None, group, products.band(path, group)))
            ]
            whole, *parts = found if group is not None else found[:1]
            if parts:
                variables = {name: field for part in reversed(parts) for name, field in part.variables.items()}
                yield xr.Dataset(variables, attrs={**whole.attrs, **parts[0].attrs})
            else:
                yield whole
    except Refusal:
        raise
    except (OSError, ValueError, RuntimeError, IndexError) as error:
        raise netcdf.unreadable(path, error) from error


def find(dataset: xr.Dataset, role: str, given: str | None, where: Path) -> str:
    """Return the name, or the sum of names such as sla+mdt, of the variable in this role.

    role: a key of COMMON. given: the name that was typed; None: it is recognized, or refused where it is not.
    """
    options = {"target": "data.target", "sst": "data.sst.name", "track": "data.names.observations"}
    option = options.get(role, f"data.names.{role}")
    if given is not None:
        missing = [name for _, name in summands(dataset, given) if name not in dataset.variables]
        if missing:
            raise Refusal(f"{where} has no {missing[0]}: choose {option} among {listed(dataset)}")
        return given
    found = _candidates(dataset, role)
    if len(found) > 1:
        raise Refusal(f"{where} has several variables that could be meant: type {option}=" + " or ".join(found))
    if found:
        if role in ("lat", "lon") and str(dataset[found[0]].attrs.get("units", "")).lower().startswith("rad"):
            raise Refusal(f"{found[0]} in {where} is in radians: degrees are needed")
        return found[0]
    raise Refusal(f"no {role} is recognized in {where}: type {option}= and one of {listed(dataset)}")


def is_there(dataset: xr.Dataset, role: str) -> bool:
    """Whether a variable in this role is recognized."""
    return len(_candidates(dataset, role)) > 0


def _candidates(dataset: xr.Dataset, role: str) -> list[str]:
    """The variables that may be in this role; several where only a standard name tells, which they share."""
    common = recognized(dataset, role)
    if common is not None:
        return [common]
    for standard in STANDARD[role]:
        found = [str(name) for name, field in dataset.variables.items() if field.attrs.get("standard_name") == standard]
        if found:
            return found
    of_units = UNITS.get(role)
    units = {str(name): str(field.attrs.get("units", "")).strip().lower() for name, field in dataset.variables.items()}
    return [name for name, unit in units.items() if of_units is not None and of_units.search(unit)][:1]


def recognized(dataset: xr.Dataset, role: str) -> str | None:
    """The likeliest name in common use, or sum of names, as the file writes it; None where it has none."""
    written = {str(name).lower(): str(name) for name in reversed(list(dataset.variables))}
    for name in COMMON[role]:
        if has(dataset, name):
            return name
        if name in written:  # ADT, SSH, Latitude
            return written[name]
    return None


def has(dataset: xr.Dataset, name: str) -> bool:
    """Whether the file has the variable, or all variables of a sum."""
    return all(term in dataset.variables for _, term in summands(dataset, name))


def listed(dataset: xr.Dataset) -> str:
    """The names in a file, for a message."""
    return ", ".join(map(str, dataset.variables)) or "nothing"


def summands(dataset: xr.Dataset, name: str) -> list[tuple[float, str]]:
    """(sign, variable) of a sum such as sla_unfiltered+mdt-lwe; a name that the file has is one summand."""
    if name in dataset.variables:
        return [(1.0, name)]
    terms = re.findall(r"([+-]?)\s*([^\s+-]+)", name)
    return [(-1.0 if sign == "-" else 1.0, term) for sign, term in terms]


def factor(field: xr.Variable, where: Path) -> float:
    """The factor that turns a field's values into metres; a field without units counts as metres."""
    units = str(field.attrs.get("units", "")).strip().lower()
    if not units:
        return 1.0
    for unit in (units, units.removesuffix("s")):
        if unit in METRES:
            return METRES[unit]
    raise Refusal(f"a height in {where} is in {units!r}, which is none of m, cm and mm: choose another variable")


def in_metres(dataset: xr.Dataset, name: str, index: Mapping[str, object], where: Path) -> xr.DataArray:
    """Read heights in m, see `numbers`."""
    return numbers(dataset, name, index, where, factor)


def numbers(
    dataset: xr.Dataset,
    name: str,
    index: Mapping[str, object],
    where: Path,
    times: Callable[[xr.Variable, Path], float] = lambda field, where: 1.0,
) -> xr.DataArray:
    """Read a variable, or a sum of variables, float32; NaN where a value is missing or infinite.

    times: by which factor each is multiplied. index: which values to read along a dimension. A variable with fewer
    dimensions than others of a sum (a mean dynamic topography) is repeated along theirs.
    """
    terms: list[xr.DataArray] = []
    for sign, term in summands(dataset, name):
        field = dataset[term]
        if field.dtype.kind not in "iuf":
            raise Refusal(f"{term} in {where} must hold numbers, not {field.dtype}")
        chosen = field.isel({dim: at for dim, at in index.items() if dim in field.dims}).squeeze(
            [dim for dim in field.dims if field.sizes[dim] == 1 and dim not in index]
        )
        with np.errstate(over="ignore"):  # undeclared fill values become infinite
            values = chosen.astype(np.float32) * np.float32(sign * times(field.variable, where))
        terms.append(values.drop_vars(list(values.coords)))  # so that the sum does not align labels
    total = sum(terms[1:], start=terms[0])
    return total.where(np.isfinite(total))
