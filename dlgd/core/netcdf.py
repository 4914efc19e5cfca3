"""NetCDF files of a person, who is told in one sentence where one cannot be read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import netcdf_classic, netcdf_trial
from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole


def read(path: Path, *, decode_times: bool = True) -> xr.Dataset:
    """Return the content of a file, in memory. decode_times: whether numbers with "days since ..." become dates.

    Raises Refusal where the file is missing, no regular file, damaged or of another kind. The libraries below raise a
    dozen kinds of errors for damaged files.
    """
    refuse_none(path)
    refuse_damaged(path)
    try:
        with xr.open_dataset(path, decode_times=decode_times) as opened:
            return opened.load()
    except Exception as error:
        raise unreadable(path, error) from error


def refuse_none(path: Path) -> None:
    """Refuse a path where there is no file."""
    if path.is_dir():
        raise Refusal(f"{path} is a folder: give a NetCDF file")
    if not path.is_file():
        raise Refusal(f"{path} is {'no regular file' if path.exists() else 'not there'}: give a NetCDF file")


def refuse_damaged(path: Path) -> None:
    """Refuse a file whose damage the library does not report: it would never end, end this process, or read zeros."""
    if not netcdf_trial.survived(path):
        raise Refusal(f"{path} is damaged in such a way that the NetCDF library hangs or crashes on it: make it again")
    if netcdf_classic.is_cut_off(path):
        raise Refusal(f"{path} is cut off: it ends before the last of its values, make or copy it again")


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write a Dataset into a file, whole or not at all. Refusal where it cannot be written."""
    try:
        with written_whole(path) as partial:
            dataset.to_netcdf(partial, engine="netcdf4")
    except (OSError, RuntimeError) as error:  # the library says of a full disk "Permission denied" or "HDF error"
        allowed = path.parent.is_dir() and os.access(path.parent, os.W_OK)
        reason = "there may be no room on the disk" if allowed else getattr(error, "strerror", None) or error
        raise Refusal(f"{path} cannot be written ({reason}): make room, or choose another folder") from error


def through_file(dataset: xr.Dataset, read_file: Callable[[Path], xr.Dataset]) -> xr.Dataset:
    """Return what `read_file` makes of a file with this Dataset, so that it is checked as a person's files are.

    The values are those in memory, whatever the file held from which they were read. What no file can hold is left out,
    and a refusal of `read_file` names it. Raises its Refusal, which then speaks of the Dataset.
    """
    if not isinstance(dataset, xr.Dataset):
        raise Refusal(f"samples must be an xarray Dataset or the path of a NetCDF file, not {type(dataset).__name__}")
    if dataset.sizes.get("sample") == 0:
        raise Refusal("the Dataset holds no sample: give at least one")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "samples.nc")
        left_out = _write_what_can_be(dataset, path)
        try:
            return read_file(path)
        except Refusal as refusal:
            without = f"; left out was what no file can hold: {', '.join(left_out)}" if left_out else ""
            raise Refusal(str(refusal).replace(str(path), "the Dataset") + without) from refusal


def _write_what_can_be(dataset: xr.Dataset, path: Path) -> list[str]:
    """Write a Dataset without what a NetCDF file cannot hold, and return which variables it left out, in words."""
    variables = {name: _plain(variable) for name, variable in dataset.variables.items()}
    attributes = _plain_attributes(dataset.attrs)
    try:
        _dataset(dataset, variables, attributes).to_netcdf(path, engine="netcdf4")
        return []
    except Exception as error:  # xarray and the libraries below raise a dozen kinds
        unfit = {name: variable for name, variable in variables.items() if not _can_be_written(name, variable, path)}
        if not unfit:
            raise Refusal(f"the Dataset is not what a NetCDF file can hold: {_first_line(error)}") from error
    fit = {name: variable for name, variable in variables.items() if name not in unfit}
    try:
        _dataset(dataset, fit, attributes).to_netcdf(path, engine="netcdf4")
    except Exception as error:
        raise Refusal(f"the Dataset is not what a NetCDF file can hold: {_first_line(error)}") from error
    return [f"{name} of type {variable.dtype}" for name, variable in unfit.items()]


def _dataset(
    given: xr.Dataset, variables: Mapping[Hashable, xr.Variable], attributes: Mapping[Hashable, Any]
) -> xr.Dataset:
    """Return a Dataset of these variables, coordinates where they were some; without indexes of several levels."""
    coordinates = {name: variable for name, variable in variables.items() if name in given.coords}
    fields = {name: variable for name, variable in variables.items() if name not in given.coords}
    return xr.Dataset(fields, xr.Coordinates(coordinates, indexes={}), attributes)


def _can_be_written(name: Hashable, variable: xr.Variable, path: Path) -> bool:
    try:
        xr.Dataset(coords=xr.Coordinates({name: variable}, indexes={})).to_netcdf(path, engine="netcdf4")
    except Exception:  # noqa: BLE001  # whatever it is, the variable is left out
        return False
    return True


def _plain(variable: xr.Variable) -> xr.Variable:
    """Return a variable as a file holds it with all its digits: without the encoding of the file it was read from, in
    single or double precision."""
    attributes = _plain_attributes(variable.attrs)
    if variable.dtype.kind in "mM":  # the library writes its own ones
        attributes = {name: value for name, value in attributes.items() if name not in ("units", "calendar", "dtype")}
    plain = xr.Variable(variable.dims, variable.data, attributes)
    wide = {np.dtype(np.float16): np.float32, np.dtype(np.longdouble): np.float64}.get(plain.dtype)
    return plain if wide is None else plain.astype(wide)


def _plain_attributes(attributes: Mapping[Any, Any]) -> dict[Hashable, Any]:
    """Return the attributes that a file can hold, texts, numbers and lists of them; true and false as 1 and 0."""
    found = {}
    for name, value in attributes.items():
        if isinstance(value, str) or (isinstance(value, list | tuple) and value and all(map(_is_text, value))):
            fit = value
        elif isinstance(value, bool | np.bool_):
            fit = int(value)
        elif isinstance(value, list | tuple | np.ndarray | int | float | np.number) and _holds_numbers(value):
            fit = value
        else:
            continue
        if isinstance(name, str) and name:
            found[name] = fit
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _holds_numbers(value: object) -> bool:
    try:
        array = np.asarray(value)
    except ValueError:  # a list of lists that differ in length
        return False
    return array.dtype.kind in "iuf" and array.ndim < 2 and array.size > 0


def _first_line(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "") or type(error).__name__
    return "its content has no format of NetCDF" if "did not find a match in any of xarray's" in first else first


def unreadable(path: Path, error: Exception) -> Refusal:
    """Return the sentence for a file that cannot be read for this reason."""
    if isinstance(error, PermissionError):
        return Refusal(f"cannot read {path}: {error.strerror}")
    return Refusal(f"cannot read {path} as NetCDF, perhaps because it is not whole: {_first_line(error)}")


def has_numbers(variable: xr.DataArray) -> bool:
    """Return whether a variable holds numbers, or true and false; neither text, dates nor durations."""
    return variable.dtype.kind in "biuf"
