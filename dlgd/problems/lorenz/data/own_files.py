"""A user's own windows, in a NetCDF file with the variables of `files.py`; without `state`, unless they are scored.

What a file says of itself is compared with the run that reads it: names of variables bring them in order, steps in time
must be those of the run, and the variance of the noise replaces that of the run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import checks, netcdf
from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.data.files import dataset, dimensions

log = logging.getLogger(__name__)

# Numbers that stand for "no value" in many files. None is a state of these systems.
FILLS = (-999.0, -9999.0, -99999.0, -32767.0, -32768.0)
LARGEST = 1e15  # 1e20 and the library's 9.97e36 stand for "no value", too
UNITLESS = ("", "1", "time units")  # units of a time that needs no conversion
SHARE_OF_STEP = 0.01  # by which times may be beside those of the run, from rounding
MOST_NAMED = 10  # samples in a sentence


def read(path: Path, *, names: Sequence[str], dt: float, forecast: int, attrs: Mapping[str, Any]) -> xr.Dataset:
    """Return a user's own samples; Refusal where they do not fit.

    names: of the variables, in order. dt: time units of a step. forecast: number of known steps of a forecast, 0 for
    assimilation. attrs: of the samples; the file's own `noise_variance` comes before that of these.
    """
    found = netcdf.read(path, decode_times=False)
    needed = "given" if forecast else "observations"
    if needed not in found:
        has = ", ".join(map(str, found.data_vars)) or "no variable"
        raise Refusal(f"{path} lacks {needed}: it has {has}")
    _check_dt(found, dt, path)
    fields = {}
    for name in (needed, "state"):
        if name in found:
            wanted = {"sample": None, "history": forecast, "time": None, "lead": None, "variable": len(names)}
            dims = {dim: wanted[dim] for dim in dimensions(name, forecast=forecast > 0)}
            for dim in ("time", "history", "lead"):
                check_steps(found[name], dim, dt, path)
            fields[name] = _values(in_order(found[name], names, path), dims, path)
    _check_values(fields, path)
    if not forecast:
        warn_of_unobserved(fields[needed], path)
    attrs = dict(attrs) | _noise(found, attrs, path)
    return dataset(fields, names=names, dt=dt, forecast=forecast > 0, attrs=attrs)


def in_order(field: xr.DataArray, names: Sequence[str], path: Path) -> xr.DataArray:
    """Return the field with its variables in the order of `names`, as its coordinate `variable` names or numbers them.

    Without the coordinate, they are in that order already. Refusal of other names.
    """
    if "variable" not in field.coords or field.sizes.get("variable") != len(names):
        return field  # of another size, it is refused by its size
    given = field.coords["variable"].values
    if np.issubdtype(given.dtype, np.number):
        known = [np.arange(len(names)), np.arange(1, len(names) + 1)]
        if any(np.array_equal(np.sort(given), numbers) for numbers in known):
            return field.isel(variable=np.argsort(given))
    labels = [each.decode() if isinstance(each, bytes) else str(each) for each in given]
    if sorted(labels) != sorted(names):
        raise Refusal(
            f"the coordinate variable of {path} names {', '.join(labels)}, but the run has {', '.join(names)}: name "
            "them so, or leave the coordinate out"
        )
    return field.isel(variable=[labels.index(name) for name in names])


def check_steps(field: xr.DataArray, dim: str, dt: float, path: Path) -> None:
    """Refuse a coordinate along `dim` whose steps are not `dt` time units; history and lead may count steps, too."""
    if dim not in field.coords or dim not in field.dims:
        return
    times, units = field.coords[dim], str(field.coords[dim].attrs.get("units", ""))
    if not netcdf.has_numbers(times) or units not in UNITLESS:
        raise Refusal(
            f"{dim} in {path} must be numbers in time units of the equations, not {units or times.dtype}: convert it, "
            "or leave the coordinate out"
        )
    values = times.values.astype(np.float64)
    rounding = np.finfo(times.dtype).eps * np.abs(values).max(initial=0) if times.dtype.kind == "f" else 0.0
    for step in (dt,) if dim == "time" else (dt, 1.0):
        beside = np.abs(values - values[:1] - step * np.arange(len(values)))
        if (beside <= SHARE_OF_STEP * step + 2 * rounding).all():
            return
    steps = np.diff(values)
    low, high = (f"{each:.6g}" for each in (steps.min(), steps.max()))
    has = low if low == high else f"{low} to {high}"
    raise Refusal(
        f"{dim} in {path} has steps of {has}, but the run has data.dt={dt:g}: give values at steps of data.dt, or "
        "leave the coordinate out"
    )


def refuse_fills(values: np.ndarray, name: str, path: Path) -> None:
    """Refuse numbers that stand for "no value" in many files, where nothing in the file says so."""
    suspect = np.isin(values, FILLS) | (np.isfinite(values) & (np.abs(values) >= LARGEST))
    if suspect.any():
        fill = values[suspect][0]
        raise Refusal(
            f"{name} in {path} has {suspect.sum()} values such as {fill:g}, which look like a fill value: write NaN "
            "there, or name it in the attribute _FillValue"
        )


def warn_of_unobserved(observations: np.ndarray, path: Path) -> None:
    """Warn of samples (sample, time, variable) without any observation, by their numbers."""
    empty = np.flatnonzero(np.isnan(observations).all(axis=(1, 2)))
    if len(empty):
        numbers = ", ".join(map(str, empty[:MOST_NAMED])) + (", ..." if len(empty) > MOST_NAMED else "")
        log.warning(
            "%s: %d of %d samples have no observation, and nothing but the climate is known of them: %s",
            path,
            len(empty),
            len(observations),
            numbers,
        )


def _check_dt(found: xr.Dataset, dt: float, path: Path) -> None:
    file_dt = found.attrs.get("dt", dt)
    if np.ndim(file_dt) != 0 or not checks.fits(file_dt, float) or not np.isclose(file_dt, dt):
        raise Refusal(f"{path} has steps of dt={file_dt}, but the run has data.dt={dt:g}")


def _noise(found: xr.Dataset, attrs: Mapping[str, Any], path: Path) -> dict[str, float]:
    """Return the variance of the noise that the file gives, as a variable or an attribute; empty where it gives none.

    Refusal of what is no variance.
    """
    given: Any = found["noise_variance"].values if "noise_variance" in found else found.attrs.get("noise_variance")
    if given is None:
        return {}
    numbers = np.unique(np.asarray(given))
    if len(numbers) != 1 or numbers.dtype.kind not in "iuf" or not np.isfinite(numbers[0]) or numbers[0] < 0:
        raise Refusal(f"noise_variance of {path} must be one number of at least 0, for all observations")
    variance = float(numbers[0])
    if not np.isclose(variance, usual := float(attrs["noise_variance"])):
        log.info("%s: its noise_variance is %g, which is taken instead of the run's %g", path, variance, usual)
    return {"noise_variance": variance}


def _values(variable: xr.DataArray, dims: Mapping[str, int | None], path: Path) -> np.ndarray:
    """Return the values, float64, with the dimensions in this order; Refusal where these or their sizes differ from
    `dims` (None: any size)."""
    same = set(variable.dims) == set(dims)
    if not same or any(size not in (None, variable.sizes[dim]) for dim, size in dims.items()):
        has = ", ".join(f"{dim}={size}" for dim, size in variable.sizes.items()) or "no dimension"
        wanted = ", ".join(dim if size is None else f"{dim}={size}" for dim, size in dims.items())
        raise Refusal(f"{variable.name} in {path} has {has}: {wanted} is needed")
    if variable.size == 0:
        raise Refusal(f"{path} holds no sample")
    if not netcdf.has_numbers(variable):
        raise Refusal(f"{variable.name} in {path} must be numbers, not {variable.dtype}")
    return variable.transpose(*dims).values.astype(np.float64)


def _check_values(fields: Mapping[str, np.ndarray], path: Path) -> None:
    for name, values in fields.items():
        if name != "observations" and np.isnan(values).any():
            raise Refusal(f"{name} in {path} has NaN: every value must be known")
        if np.isinf(values).any():
            raise Refusal(f"{name} in {path} has infinite values: write NaN where nothing is observed")
        if np.isnan(values).all():
            raise Refusal(f"{name} in {path} are all NaN: nothing is observed")
        refuse_fills(values, name, path)
