"""Which variable of a NetCDF file is the sea surface height, which are the axes, and in what units they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal

# By role: names in common use, then CF standard names, both from the likeliest to the least likely.
COMMON = {
    "lat": ("lat", "latitude", "nav_lat"),
    "lon": ("lon", "longitude", "nav_lon"),
    "time": ("time", "time_counter"),
    # of models and maps: 4dvarnet-starter, CMEMS, NEMO, and what methods of the data challenges call their answers
    "target": ("ssh", "tgt", "adt", "sossheig", "zos", "gssh", "ssh_mod", "rec_ssh", "sla", "out"),
    # gridded observations of 4dvarnet-starter and of the data challenges, with noise before without
    "observations": (
        *("nadir_obs", "five_nadirs", "four_nadirs", "swot_nadirs_no_noise", "ssh_obs", "obs", "observations"),
        *("input", "inp"),
    ),
    # along the track of a satellite; where DUACS gives the parts of which the height is made, their sum
    "track": (
        *("ssh_obs", "ssh_karin", "ssh_model", "sla_unfiltered+mdt-lwe", "sla_unfiltered+mdt", "ssh", "adt"),
        *("sla_unfiltered", "sla_filtered", "sla"),
    ),
}
HEIGHTS = ("sea_surface_height_above_geoid", "sea_surface_height_above_sea_level", "sea_surface_height")
STANDARD = {
    "lat": ("latitude",),
    "lon": ("longitude",),
    "time": ("time",),
    "target": HEIGHTS,
    "observations": HEIGHTS,
    "track": HEIGHTS,
}
UNITS = {
    "lat": re.compile(r"degrees?_?n(orth)?$"),
    "lon": re.compile(r"degrees?_?e(ast)?$"),
    "time": re.compile("since"),
}
METRES = {"m": 1.0, "meter": 1.0, "metre": 1.0, "cm": 0.01, "centimeter": 0.01, "centimetre": 0.01}
METRES |= {"mm": 0.001, "millimeter": 0.001, "millimetre": 0.001}
HIGHEST = 200.0  # m: the geoid itself stays within 110 m of the ellipsoid


@contextmanager
def opened(path: Path) -> Iterator[xr.Dataset]:
    """The file, its times not decoded, nothing read yet; Refusal where it, or what is then read of it, is no NetCDF."""
    if not path.is_file():
        raise Refusal(f"there is no file {path}")
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_times=False, cache=False) as dataset:
            yield dataset
    except Refusal:
        raise
    except (OSError, ValueError, RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refusal(f"{path} cannot be read, perhaps because it is not whole: {reason}") from error


def find(dataset: xr.Dataset, role: str, given: str | None, where: Path) -> str:
    """The name, or the sum of names such as sla+mdt, that plays the role; `given` is what the person typed."""
    option = "data.target" if role == "target" else f"data.names.{'observations' if role == 'track' else role}"
    if given is not None:
        missing = [name for _, name in summands(dataset, given) if name not in dataset.variables]
        if missing:
            raise Refusal(f"{where} has no {missing[0]}: choose {option} among {listed(dataset)}")
        return given
    common = recognized(dataset, role)
    if common is not None:
        return common
    for standard in STANDARD[role]:
        found = [str(name) for name, field in dataset.variables.items() if field.attrs.get("standard_name") == standard]
        if len(found) > 1:
            raise Refusal(f"{where} has several variables that could be meant: type {option}=" + " or ".join(found))
        if found:
            return found[0]
    if role in UNITS:
        for name, field in dataset.variables.items():
            if UNITS[role].search(str(field.attrs.get("units", "")).strip().lower()):
                return str(name)
    raise Refusal(f"no {role} is recognized in {where}: type {option}= and one of {listed(dataset)}")


def recognized(dataset: xr.Dataset, role: str) -> str | None:
    """The likeliest name in common use that the file has."""
    return next((name for name in COMMON[role] if has(dataset, name)), None)


def has(dataset: xr.Dataset, name: str) -> bool:
    """Whether it has the variable, or all of a sum."""
    return all(part in dataset.variables for _, part in summands(dataset, name))


def listed(dataset: xr.Dataset) -> str:
    """The names in a file."""
    return ", ".join(map(str, dataset.variables)) or "nothing"


def summands(dataset: xr.Dataset, name: str) -> list[tuple[float, str]]:
    """(sign, variable) of a sum such as sla_unfiltered+mdt-lwe; a name that the file has stands for itself."""
    if name in dataset.variables:
        return [(1.0, name)]
    parts = re.findall(r"([+-]?)\s*([^\s+-]+)", name)
    return [(-1.0 if sign == "-" else 1.0, part) for sign, part in parts]


def factor(field: xr.Variable, where: Path) -> float:
    """What turns its values into metres; a field without units stands in metres."""
    units = str(field.attrs.get("units", "")).strip().lower()
    if not units:
        return 1.0
    for unit in (units, units.removesuffix("s")):
        if unit in METRES:
            return METRES[unit]
    raise Refusal(f"a height in {where} is in {units!r}, which is none of m, cm and mm: choose another variable")


def in_metres(dataset: xr.Dataset, name: str, index: Mapping[str, object], where: Path) -> xr.DataArray:
    """The (sum of) variables at an index by dimension, read and in m, float32; NaN where missing or infinite.

    What has fewer dimensions (a mean dynamic topography) is repeated along the others.
    """
    terms: list[xr.DataArray] = []
    for sign, part in summands(dataset, name):
        field = dataset[part]
        if field.dtype.kind not in "iuf":
            raise Refusal(f"{part} in {where} must hold numbers, not {field.dtype}")
        chosen = field.isel({dim: at for dim, at in index.items() if dim in field.dims}).squeeze(
            [dim for dim in field.dims if field.sizes[dim] == 1 and dim not in index]
        )
        with np.errstate(over="ignore"):  # of undeclared fill values, which are infinite then
            values = chosen.astype(np.float32) * np.float32(sign * factor(field.variable, where))
        terms.append(values.drop_vars(list(values.coords)))  # whose labels would be aligned
    total = sum(terms[1:], start=terms[0])
    total = total.where(np.isfinite(total))
    highest = float(np.max(np.abs(total.values), initial=0.0, where=np.isfinite(total.values)))
    if highest > HIGHEST:
        raise Refusal(
            f"{name} in {where} reaches {highest:.3g} m, which no sea surface does: correct its units, or set its "
            "attribute _FillValue if such values mean that there are none"
        )
    return total
