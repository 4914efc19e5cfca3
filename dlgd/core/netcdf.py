"""NetCDF files of a person, who is told in one sentence where one cannot be read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole


def read(path: Path, *, decode_times: bool = True) -> xr.Dataset:
    """Return the content of a file, in memory. decode_times: whether numbers with "days since ..." become dates.

    Raises Refusal where the file is missing, no regular file, damaged or of another kind. The libraries below raise a
    dozen kinds of errors for damaged files.
    """
    if path.is_dir():
        raise Refusal(f"{path} is a folder: give a NetCDF file")
    if not path.is_file():
        raise Refusal(f"{path} is {'no regular file' if path.exists() else 'not there'}: give a NetCDF file")
    try:
        with xr.open_dataset(path, decode_times=decode_times) as opened:
            return opened.load()
    except Exception as error:
        raise unreadable(path, error) from error


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

    Raises its Refusal, which then speaks of the Dataset, and Refusal where no file can hold the Dataset.
    """
    if not isinstance(dataset, xr.Dataset):
        raise Refusal(f"samples must be an xarray Dataset or the path of a NetCDF file, not {type(dataset).__name__}")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "samples.nc")
        try:
            dataset.to_netcdf(path)
        except Exception as error:  # xarray and the libraries below raise a dozen kinds
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise Refusal(f"the Dataset is not what a NetCDF file can hold: {reason}") from error
        try:
            return read_file(path)
        except Refusal as refusal:
            raise Refusal(str(refusal).replace(str(path), "the Dataset")) from refusal


def unreadable(path: Path, error: Exception) -> Refusal:
    """Return the sentence for a file that cannot be read for this reason."""
    if isinstance(error, PermissionError):
        return Refusal(f"cannot read {path}: {error.strerror}")
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return Refusal(f"cannot read {path} as NetCDF, perhaps because it is not whole: {reason}")


def has_numbers(variable: xr.DataArray) -> bool:
    """Return whether a variable holds numbers, or true and false; neither text, dates nor durations."""
    return variable.dtype.kind in "biuf"
