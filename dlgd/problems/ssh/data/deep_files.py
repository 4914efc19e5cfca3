"""Samples of deep currents, which the head of `deep_currents.py` describes: cut from a record, or read from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import heights, map_names, map_samples
from dlgd.problems.ssh.data.deep_options import DeepOptions
from dlgd.problems.ssh.data.simulated_sea import LOWER
from dlgd.problems.ssh.days import DAY

TRUTH = "psi_lower"


def cut(record: xr.Dataset, days: slice, options: DeepOptions) -> xr.Dataset:
    """Samples of those of some days of a record, ssh and perhaps psi_lower (time, lat, lon), that have a whole window
    around them."""
    half = options.half
    days = slice(max(days.start, half), min(days.stop, record.sizes["time"] - half))
    near = record.isel(time=slice(days.start - half, days.stop + half))
    time = record.time.values[days]
    samples = near[["ssh"]].rename(time="day").assign_coords(time=("sample", time, map_samples.TIME_ATTRS))
    if TRUTH in record:
        samples[TRUTH] = (("sample", "lat", "lon"), record[TRUTH].values[days], LOWER)
    return samples.assign_attrs(record.attrs, name=options.name)


def read(path: Path, options: DeepOptions) -> xr.Dataset:
    """The samples of a file. Refusal where it does not fit."""
    found = netcdf.read(path)
    if "ssh" not in found:
        raise Refusal(f"{path} lacks ssh: it has {', '.join(map(str, found.data_vars)) or 'no variable'}")
    record = "time" in found.ssh.dims
    if record:
        found = found.rename(time="day").assign_coords(time=("day", found["time"].values))
    for name, dims in (("ssh", ("day", "lat", "lon")), (TRUTH, ("day" if record else "sample", "lat", "lon"))):
        if name not in found:
            continue
        field = found[name]
        if set(field.dims) != set(dims) or field.dtype.kind not in "iuf":
            has = f"{field.dtype} of {', '.join(map(str, field.dims)) or 'no dimension'}"
            raise Refusal(f"{name} in {path} is {has}: numbers of the dimensions {', '.join(dims)} are needed")
        if not np.isfinite(field.values).all():
            raise Refusal(f"{name} in {path} is not finite everywhere: give maps without land and gaps")
        found[name] = field.transpose(*dims).astype(np.float32)
    map_samples.check_axes(found, path)
    found["ssh"] = found.ssh * np.float32(map_names.factor(found.ssh.variable, path))
    heights.refuse_impossible(found.ssh.values, "ssh", path)
    kept = [name for name in ("ssh", TRUTH) if name in found]
    day = found.day.values.astype("datetime64[D]")
    if (np.diff(day) != DAY).any():
        raise Refusal(f"{path} must have a map of each day, without a gap between the first and the last")
    if record:
        if len(day) < options.days:
            raise Refusal(f"{path} has {len(day)} days of maps: at least data.days={options.days} are needed")
        return cut(found[kept].drop_vars("time").rename(day="time"), slice(0, len(day)), options)
    time, half = found.time.values.astype("datetime64[D]"), options.half * DAY
    if len(time) == 0 or time[0] - half < day[0] or time[-1] + half > day[-1]:
        raise Refusal(f"{path} must have the maps of {options.half} days before and after each sample")
    return found[kept].assign_attrs(found.attrs, name=options.name)
