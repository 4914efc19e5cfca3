"""NetCDF files of NEMO and NEMOVAR that cannot be read are refused in one sentence that names the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.problems.normalization.report_files import (
    COEFFICIENTS,
    DIFFUSIVITIES,
    refused,
    simulated,
)


def changed(file: Path, change: Callable[[xr.Dataset], xr.Dataset]) -> None:
    dataset = xr.load_dataset(file)
    file.unlink()
    change(dataset).to_netcdf(file)


@pytest.mark.parametrize(
    ("file", "name"),
    [("coordinates.nc", "e1f"), (f"PERTEN0/{DIFFUSIVITIES}", "K22"), (f"PERTEN0/{COEFFICIENTS}", "sqtnorfac")],
)
def test_a_variable_of_a_netcdf_file(nemo, file, name):
    good = xr.load_dataset(nemo / file)

    def wrong(change: Callable[[xr.Dataset], xr.Dataset], words: str) -> None:
        (nemo / file).unlink()
        change(good).to_netcdf(nemo / file)
        refused(nemo, words)

    wrong(lambda dataset: dataset.drop_vars(name), f"{file} lacks {name}: it has ")
    three = good[name].values.repeat(3, axis=0)
    wrong(
        lambda dataset: dataset.drop_vars(name).assign({name: (("z", "y", "x"), three)}),
        f"{name} in .* must be numbers",
    )
    wrong(lambda dataset: dataset.isel(x=slice(3, None)), "cells, but the coordinates have|but the coordinates have")
    (nemo / file).write_bytes(b"not NetCDF")
    refused(nemo, f"cannot read .*{file} as NetCDF")


def test_variables_of_different_shapes(nemo):
    good = xr.load_dataset(nemo / "coordinates.nc")
    (nemo / "coordinates.nc").unlink()
    good.assign(e1t=(("j", "i"), np.ones((4, 5)))).to_netcdf(nemo / "coordinates.nc")
    refused(nemo, r"variables in .*coordinates.nc have different shapes: e1t \(4, 5\)")


def test_no_coordinates(nemo):
    (nemo / "coordinates.nc").unlink()
    refused(nemo, "coordinates.nc is missing: it must stand in .* or above")


def test_two_files_of_one_kind(nemo):
    (nemo / "PERTEN0" / "Bmod_dif_other.nc").write_bytes((nemo / "PERTEN0" / DIFFUSIVITIES).read_bytes())
    refused(nemo, "PERTEN0 has 2 files Bmod_dif.*nc, of which one is needed: keep one folder per sample")


def test_padding_that_leaves_nothing(nemo):
    refused(
        nemo,
        "data.padding.rows and data.padding.columns leave nothing of the 40 x 50 cells",
        padding={"rows": 20, "columns": None},
    )


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "NaN or infinite values between sea cells"), (-1.0, "negative in")]
)
def test_impossible_diffusivities(nemo, value, words):
    sea = simulated("mercator").mask.values
    y, x = np.argwhere(sea & np.roll(sea, 1, 0))[40]
    changed(nemo / "PERTEN0" / DIFFUSIVITIES, lambda dataset: _set(dataset, "K22", y, x + 1, value))
    refused(nemo, words)


def test_impossible_gamma(nemo):
    changed(nemo / "PERTEN0" / COEFFICIENTS, lambda dataset: _set(dataset, "sqtnorfac", 20, 20, -1.0))
    refused(nemo, "sqtnorfac in .* must be finite and positive at sea")


def _set(dataset: xr.Dataset, name: str, y: int, x: int, value: float) -> xr.Dataset:
    dataset[name].values[0, y, x] = value
    return dataset
