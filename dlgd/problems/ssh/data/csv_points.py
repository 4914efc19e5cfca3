"""Points along a track from a CSV file: a column each for time, longitude, latitude and height, and any flags."""

from __future__ import annotations

import csv
import logging
import re
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal

log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".tsv")
HEIGHT = "height"  # of a column; other names are those of NetCDF files


def is_csv(path: Path) -> bool:
    """Whether a file's name says that it is one."""
    return path.suffix.lower() in SUFFIXES


def read(path: Path) -> xr.Dataset:
    """The columns of a file as variables (time,), as a NetCDF file would have them, times not decoded.

    A column may have its units in brackets, as in sla (cm). Its values are separated by comma, semicolon or tab; the
    decimal sign may be a comma where these are separated otherwise. A field without a number is missing. Raises Refusal
    where it is no table of such columns.
    """
    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head, first = file.readline(), file.readline()
        separator = csv.Sniffer().sniff(head, delimiters=",;\t").delimiter
        decimal = "," if separator != "," and "," in first else "."
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of lines with more fields than names
            table = pd.read_csv(
                path, sep=separator, decimal=decimal, encoding="utf-8-sig", skipinitialspace=True, index_col=False
            )
    except (csv.Error, ValueError, OSError, pd.errors.ParserWarning) as error:  # pandas' own are ValueErrors
        raise Refusal(
            f"{path} cannot be read as CSV, which needs a line of names such as time,lon,lat,sla, and numbers below: "
            f"{str(error).splitlines()[0]}"
        ) from error
    fields = {}
    for column in table.columns:
        found = re.fullmatch(r"\s*(.*?)\s*(?:[(\[](.*)[)\]])?\s*", str(column))
        name, units = (str(column), None) if found is None else found.groups()
        name = "ssh" if name.lower() == HEIGHT else name
        values, attributes = table[column].to_numpy(), {} if units is None else {"units": units}
        if values.dtype.kind not in "biuf" and name.lower() == "time":
            values, attributes = _seconds(values, path), {"units": "seconds since 1970-01-01"}
        elif values.dtype.kind not in "biuf":
            numbers = np.asarray(pd.to_numeric(table[column], errors="coerce"), float)
            no_numbers = np.flatnonzero(np.isnan(numbers) & table[column].notna().to_numpy())
            if 2 * len(no_numbers) >= len(values):
                continue  # a column of words
            log.warning(
                "%s: %d of %d fields of %s are no numbers, such as %r, and count as missing",
                path, len(no_numbers), len(values), name, values[no_numbers[0]],
            )  # fmt: skip
            values = numbers
        fields[name] = ("time", values, attributes)
    if not fields or not len(table):
        raise Refusal(f"{path} has no line of numbers: a CSV file needs columns such as time,lon,lat,sla")
    time = next((name for name in fields if name.lower() == "time"), None)
    if time is None:
        raise Refusal(
            f"{path} has no column time, but {', '.join(fields)}: a CSV file needs time, lon, lat and a height"
        )
    return xr.Dataset({"time" if name == time else name: field for name, field in fields.items()})


def _seconds(words: np.ndarray, path: Path) -> np.ndarray:
    """Seconds since 1970 of dates such as 2019-01-31T12:00:00."""
    import pandas as pd

    try:
        moments = pd.to_datetime(words, format="ISO8601", utc=True).tz_localize(None)
    except (ValueError, TypeError) as error:
        raise Refusal(
            f"time in {path} must be dates such as 2019-01-31T12:00:00, or numbers with data.time_units"
        ) from error
    return (moments.to_numpy().astype("datetime64[ns]") - np.datetime64("1970-01-01", "ns")) / np.timedelta64(1, "s")
