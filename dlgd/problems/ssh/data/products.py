"""Products of altimetry as agencies distribute them: in which groups of a file the points are, and which of its heights
are meant.

SWOT's level 2 has heights above the ellipsoid, ssh_karin, and anomalies, ssha_karin; `height_cor_xover`, by which
crossovers calibrate the roll, is to be added to both (SWOT Product Description Document L2_LR_SSH, JPL D-56407). Its
unsmoothed files have the groups left and right. Sentinel-6 and Jason-3 have one point a second in the group data_01,
and what the Ku band measured in data_01/ku (Sentinel-6 Product Format Specification; Jason-3 Products Handbook,
GDR-F).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal

ONE_HERTZ, BAND = "data_01", "ku"  # data_20 has the same points twenty times a second
LATITUDES = {"lat", "latitude"}
CROSSOVER, MDT = "height_cor_xover", "mean_dynamic_topography"
# Heights of KaRIn and of Sentinel-6, from the likeliest to the least likely. Those with _2 have a modelled correction
# for water vapour, which reaches all of the swath. mdt makes heights above the geoid of anomalies.
KARIN = tuple(
    name + more
    for name in ("ssha_karin_2", "ssha_karin")
    for more in (f"+{CROSSOVER}+{MDT}", f"+{MDT}", f"+{CROSSOVER}", "")
)
LEVEL_3 = tuple(
    name + more
    for more in ("+mdt", "")
    for name in ("ssha_filtered", "ssha_noiseless", "ssha_unfiltered", "ssha_unedited")
)
NADIR = (f"ssha+{MDT}", "ssha+mdt")
HIGH = 10.0  # m: no median of a dynamic topography
ABOVE_ELLIPSOID = "sea_surface_height_above_reference_ellipsoid"
LEVELS = (
    "geoid",
    "mean_sea_surface_cnescls",
    "mean_sea_surface_dtu",
    "mean_sea_surface_sol1",
    "mean_sea_surface",
    "mss",
)
# What anomalies of level 2 are free of, and heights above the ellipsoid are not; the first that a file has of each.
MOVING = (
    ("solid_earth_tide",),
    ("ocean_tide_fes", "ocean_tide_sol1"),
    ("internal_tide_hret", "internal_tide"),
    ("pole_tide",),
    ("dac",),
)


def groups(path: Path) -> tuple[str | None, ...]:
    """The groups that have points along tracks; (None,) for a file that has them, or maps, in none."""
    with netCDF4.Dataset(path) as file:
        if not file.groups or LATITUDES & {name.lower() for name in file.variables}:
            return (None,)
        found = [name for name, group in file.groups.items() if LATITUDES & {each.lower() for each in group.variables}]
    return (ONE_HERTZ,) if ONE_HERTZ in found else tuple(found) or (None,)


def band(path: Path, group: str | None) -> str | None:
    """The group below a group whose variables belong to the same points; None where there is none."""
    if group is None:
        return None
    with netCDF4.Dataset(path) as file:
        return f"{group}/{BAND}" if BAND in file.groups[group].groups else None


def above_level(dataset: xr.Dataset, terms: Sequence[tuple[float, str]], *, typed: bool, where: Path) -> str | None:
    """The sum that counts heights above the ellipsoid from the geoid or the mean sea surface of the file, without
    tides; None where heights are no such ones, or are already reduced.

    terms: (sign, variable) of the height. typed: whether a person has chosen it, who is then told the sum. Raises
    Refusal then, and where the file has neither a geoid nor a mean sea surface.
    """
    high = [name for sign, name in terms if sign > 0 and _above_ellipsoid(dataset, name)]
    if not high or any(sign < 0 and name in LEVELS for sign, name in terms):
        return None
    level = next((name for name in LEVELS if name in dataset.variables), None)
    said = f"{high[0]} in {where} is a height above the ellipsoid, from which the geoid lies up to 100 m away"
    if level is None:
        raise Refusal(
            f"{said}, and the file has neither a geoid nor a mean sea surface: choose an anomaly such as ssha_karin_2"
        )
    moving = [next((name for name in names if name in dataset.variables), None) for names in MOVING]
    added = f"+{CROSSOVER}" if CROSSOVER in dataset.variables else ""
    total = high[0] + added + "".join(f"-{name}" for name in (level, *moving) if name is not None)
    if typed:
        raise Refusal(f"{said}: type data.names.observations={total}")
    return total


def _above_ellipsoid(dataset: xr.Dataset, name: str) -> bool:
    """Whether a height is counted from the ellipsoid: it says so, as level 2 does in words with spaces, or it is one
    of KaRIn beside what level 2 has. In the 2022 data challenge ssh_karin is a height above the geoid."""
    standard = str(dataset[name].attrs.get("standard_name", "")).replace(" ", "_")
    beside = any(other in dataset.variables for other in (CROSSOVER, *LEVELS))
    return standard == ABOVE_ELLIPSOID or (name.startswith("ssh_karin") and beside)


def refuse_high(name: str, values: np.ndarray, where: Path) -> None:
    """Refuse heights of KaRIn (n,), m, that nothing else tells to be above the ellipsoid."""
    if not name.startswith("ssh_karin") or "-" in name or not len(values):
        return
    middle = float(np.median(values))
    if abs(middle) > HIGH:
        raise Refusal(
            f"{name} in {where} has a median of {middle:.3g} m and so is a height above the ellipsoid, but the file "
            "has neither a geoid nor a mean sea surface: choose an anomaly such as ssha_karin_2"
        )


def is_told(name: str) -> bool:
    """Whether the choice of a height needs to be told: it is a sum, or one of several of a product."""
    return not name.isidentifier() or name in (*KARIN, *LEVEL_3)


def told(chosen: Iterable[tuple[str, str | None]]) -> str:
    """What was read, in words. chosen: the heights and the groups that have them."""
    kinds: dict[str, list[str]] = {}
    for name, group in chosen:
        kinds.setdefault(name, []).extend([] if group is None else [group])
    said = []
    for name, of in kinds.items():
        where = f" of the group{'s' * (len(of) > 1)} {' and '.join(of)}" if of else ""
        bare = "_karin" in name and "ssha" in name and CROSSOVER not in name
        said.append(
            name + where + (f", without {CROSSOVER}: the roll of the satellite is still in them" if bare else "")
        )
    return "; ".join(said)


def words(path: Path) -> set[str]:
    """The words of a file's name in small letters: dt_gulfstream_c2_phy_l3 has five."""
    return set(re.split(r"[_.\s]+", path.stem.lower()))


def short_names(paths: Sequence[Path]) -> list[str]:
    """The words of each file's name that some other file does not have, such as c2 of dt_gulfstream_c2_phy_l3."""
    shared = set.intersection(*(words(path) for path in paths)) if len(paths) > 1 else set()
    own = [[word for word in path.stem.split("_") if word.lower() not in shared] for path in paths]
    return ["_".join(each) or path.stem for each, path in zip(own, paths, strict=True)]
