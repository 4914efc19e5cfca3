"""Copies of NetCDF files in which some variables are replaced, and all else is kept bit for bit."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import netCDF4
import numpy as np

from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole


def copy(source: Path, output: Path, values: Mapping[str, np.ndarray], like: Mapping[str, str]) -> None:
    """Write a copy with new values of some variables; where they are NaN, the old values stay.

    like: for each of them the variable whose dimensions and missing value it has; where the file lacks it, it is added.
    Refusal where a variable cannot hold them.
    """
    with written_whole(output, shared=True) as partial:
        shutil.copyfile(source, partial)
        with netCDF4.Dataset(partial, "r+") as dataset:
            dataset.set_auto_maskandscale(False)
            for name, new in values.items():
                model = dataset[like[name]]
                if name not in dataset.variables:
                    fill = getattr(model, "_FillValue", None)
                    dataset.createVariable(name, "f8", model.dimensions, fill_value=fill)
                variable = dataset[name]
                if variable.dtype.kind != "f":
                    raise Refusal(f"{name} in {source} must be of floating-point numbers, not {variable.dtype}")
                if variable.shape != model.shape:
                    raise Refusal(f"{name} in {source} has the shape {variable.shape}, {like[name]} {model.shape}")
                if {"scale_factor", "add_offset"} & set(variable.ncattrs()):
                    raise Refusal(f"{name} in {source} is packed (scale_factor, add_offset): unpack it first")
                new = new.reshape(variable.shape)
                variable[:] = np.where(np.isnan(new), variable[:], new)


def without(source: Path, output: Path, left_out: tuple[str, ...], name: str, values: np.ndarray) -> None:
    """Write a file with all but some variables, and a new one on the dimensions of the first of those."""
    with (
        written_whole(output, shared=True) as partial,
        netCDF4.Dataset(source) as old,
        netCDF4.Dataset(partial, "w", format=old.data_model) as new,
    ):
        old.set_auto_maskandscale(False)
        new.set_auto_maskandscale(False)
        new.setncatts({key: old.getncattr(key) for key in old.ncattrs()})
        for key, dimension in old.dimensions.items():
            new.createDimension(key, None if dimension.isunlimited() else len(dimension))
        for key, variable in old.variables.items():
            if key in left_out:
                continue
            attributes = {one: variable.getncattr(one) for one in variable.ncattrs()}
            fill = attributes.pop("_FillValue", None)
            made = new.createVariable(key, variable.dtype, variable.dimensions, fill_value=fill)
            made.setncatts(attributes)
            made[...] = variable[...]
        model = old[left_out[0]]
        new.createVariable(name, "f8", model.dimensions)[...] = values.reshape(model.shape)
