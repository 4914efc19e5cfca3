"""NetCDF files that are written whole or not at all."""

import resource

import numpy as np
import pytest
import xarray as xr

from dlgd.core import netcdf
from dlgd.core.errors import Refusal


@pytest.fixture
def limit():
    """Sets the largest size of a file: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk(tmp_path, limit):
    """The library says "HDF error" of it, or "Permission denied"."""
    dataset, file = xr.Dataset({"x": ("n", np.arange(100_000.0))}), tmp_path / "x.nc"
    netcdf.write(dataset.isel(n=slice(3)), file)
    limit(20_000)
    with pytest.raises(Refusal, match=r"x\.nc cannot be written \(there may be no room on the disk\): make room"):
        netcdf.write(dataset, file)
    assert netcdf.read(file).sizes["n"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["x.nc"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(Refusal, match="cannot be written"):
        netcdf.write(xr.Dataset(), tmp_path / "none" / "x.nc")
