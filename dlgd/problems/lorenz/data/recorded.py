"""A person's own series, NetCDF or CSV: any number of variables at equal steps in time, with gaps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.data.own_files import SHARE_OF_STEP, refuse_fills

TIMES = ("time", "date", "datetime", "t")  # names of the column of times in a CSV file
DAY = np.timedelta64(1, "D")
MOST_GAPS = 50  # steps without a row for each row; longer gaps are rather a wrong step


@dataclass(frozen=True)
class Recorded:
    """values (steps, N), NaN in gaps, at steps of dt: days where the file has dates, else the numbers of the file."""

    names: tuple[str, ...]
    values: np.ndarray
    dt: float


def read(path: Path, variables: Sequence[str] | None) -> Recorded:
    """Return the series of a file; Refusal where it does not fit. variables: their names in order; None for all.

    CSV: a row for each step, a column for each variable, and one of times. NetCDF: variables along one dimension, or
    one along `time` and `variable`. Times are numbers or dates, and may leave steps out.
    """
    names, times, values = _csv(path) if path.suffix.lower() in (".csv", ".txt") else _netcdf(path, variables)
    if variables is not None:
        unknown = [name for name in variables if name not in names]
        if unknown:
            raise Refusal(f"{path} has no {', '.join(unknown)}: it has {', '.join(names)}")
        values, names = values[:, [names.index(name) for name in variables]], list(variables)
    if not names or len(values) < 2:
        raise Refusal(f"{path} holds no series: give variables of two steps at least")
    if variables is None and times is None and _like_times(values[:, 0]):
        raise Refusal(
            f"{names[0]} of {path} increases by equal steps, as times do: call it time, or choose the others by "
            "data.variables"
        )
    if np.isinf(values).any():
        raise Refusal(f"{path} has infinite values: leave them empty, or write NaN")
    for number, name in enumerate(names):
        refuse_fills(values[:, number], name, path)
    return Recorded(tuple(names), *_at_equal_steps(times, values, path))


def embedded(series: Recorded, delays: Sequence[int]) -> Recorded:
    """Return the series with what each variable was so many steps before, as further variables (Takens 1981).

    The first steps, before which something is not known, are left out.
    """
    if not delays:
        return series
    first = max(delays)
    if first >= len(series.values) - 1:
        raise Refusal(f"data.delays={list(delays)} looks further back than the series, of {len(series.values)} steps")
    columns = [np.roll(series.values, delay, axis=0)[first:] for delay in (0, *delays)]
    names = [f"{name}_{delay}_before" for delay in delays for name in series.names]
    return Recorded((*series.names, *names), np.concatenate(columns, axis=1), series.dt)


def _like_times(values: np.ndarray) -> bool:
    steps = np.diff(values)
    return bool(steps[0] > 0 and np.allclose(steps, steps[0], rtol=SHARE_OF_STEP))


def _csv(path: Path) -> tuple[list[str], np.ndarray | None, np.ndarray]:
    """Return names, times (steps,) or None, and values (steps, N)."""
    if not path.is_file():
        raise Refusal(f"{path} is not there: give a CSV or NetCDF file")
    if path.stat().st_size == 0:
        raise Refusal(f"{path} is empty: give a row for each step, below the names of the columns")
    try:
        table = pd.read_csv(path, comment="#", skipinitialspace=True, header=None, nrows=1, dtype=str)
        heads = [str(name).strip() for name in table.iloc[0]]
        table = pd.read_csv(path, comment="#", skipinitialspace=True)
    except UnicodeDecodeError as error:
        raise Refusal(f"{path} is not in UTF-8: save it so") from error
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise Refusal(f"cannot read {path} as CSV: {str(error).splitlines()[0]}") from error
    if twice := sorted({name for name in heads if heads.count(name) > 1 and name != "nan"}):
        raise Refusal(f"{path} has several columns called {', '.join(twice)}: give each a name of its own")
    if len(table.columns) == 1 and (sign := re.search(r"[;\t|]", str(table.columns[0]))):
        raise Refusal(f"columns of {path} stand between {sign[0]!r}: separate them by commas, with points in numbers")
    column = next((name for name in table.columns if str(name).lower() in TIMES), None)
    times = None if column is None else table.pop(column)
    text = [str(name) for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    if text:
        raise Refusal(f"{path} has no numbers in {', '.join(text)}: leave missing values empty, and text columns out")
    if times is not None and not pd.api.types.is_numeric_dtype(times):
        try:
            times = pd.to_datetime(times)
        except (ValueError, TypeError) as error:
            raise Refusal(f"{column} in {path} holds neither numbers nor dates such as 2020-01-31 06:00") from error
    return [str(name) for name in table.columns], None if times is None else times.to_numpy(), table.to_numpy(float)


def _netcdf(path: Path, variables: Sequence[str] | None) -> tuple[list[str], np.ndarray | None, np.ndarray]:
    found = netcdf.read(path)
    columns = {str(name): field for name, field in found.items() if field.ndim == 1 and netcdf.has_numbers(field)}
    tables = {str(name): field for name, field in found.items() if set(field.dims) == {"time", "variable"}}
    if not columns and len(tables) == 1:
        (field,) = tables.values()
        field = field.transpose("time", "variable")
        labels = field.coords.get("variable", xr.DataArray(range(field.sizes["variable"]), dims="variable"))
        names = [f"x{label}" if labels.dtype.kind in "iu" else str(label) for label in labels.values]
        columns = {name: field.isel(variable=number) for number, name in enumerate(names)}
    dims = {field.dims for name, field in columns.items() if variables is None or name in variables}
    if len(dims) != 1:
        what = "several dimensions" if dims else "no variable along one dimension"
        raise Refusal(f"{path} has {what}: give variables along `time`, or name some of them in data.variables")
    ((dim,),) = dims
    columns = {name: field for name, field in columns.items() if field.dims == (dim,)}
    values = np.stack([field.values.astype(np.float64) for field in columns.values()], axis=-1)
    return list(columns), found.coords[dim].values if dim in found.coords else None, values


def _at_equal_steps(times: np.ndarray | None, values: np.ndarray, path: Path) -> tuple[np.ndarray, float]:
    """Return values at all steps, NaN where the file has none, and the step."""
    if times is None:
        return values, 1.0
    if times.dtype.kind == "M":
        times = np.asarray((times - times[0]) / DAY, dtype=np.float64)
    if times.dtype.kind not in "iuf" or not np.isfinite(times).all():
        raise Refusal(f"times in {path} must be numbers or dates, none missing")
    steps = np.diff(times.astype(np.float64))
    if (steps <= 0).any():
        row = int((steps <= 0).argmax()) + 1
        raise Refusal(f"times in {path} must increase: that of row {row} is not after the one before it")
    dt = float(np.median(steps))
    counts = (times - times[0]) / dt
    places = np.round(counts).astype(np.int64)
    if (np.abs(np.diff(counts) - np.diff(places)) > SHARE_OF_STEP).any() or (np.diff(places) < 1).any():
        raise Refusal(f"times in {path} are not at equal steps of {dt:g}: interpolate the series to equal steps")
    if places[-1] > MOST_GAPS * len(places):
        raise Refusal(f"times in {path} leave out most of the steps of {dt:g}: choose a part of the series")
    filled = np.full((places[-1] + 1, values.shape[1]), np.nan)
    filled[places] = values
    return filled, dt
