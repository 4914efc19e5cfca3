"""NetCDF files that are written whole or not at all."""

import resource

import netCDF4
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


def test_a_dataset_goes_through_a_file_with_all_its_digits(tmp_path):
    """Whatever the file held from which it was read."""
    values = xr.Dataset({"x": ("n", np.array([0.1, 0.26, 7.0]))})
    values.to_netcdf(tmp_path / "x.nc", encoding={"x": {"dtype": "int16", "scale_factor": 0.5, "_FillValue": -1}})
    with xr.open_dataset(tmp_path / "x.nc") as opened:
        mine = opened.load()
    mine["x"].values[:] = values.x
    assert mine.x.encoding["dtype"] == "int16"
    np.testing.assert_array_equal(netcdf.through_file(mine, netcdf.read).x, values.x)


def test_what_no_file_can_hold_is_left_out():
    days = np.array(["2012-10-01", "2012-10-02"], "datetime64[ns]")
    mine = xr.Dataset(
        {
            "half": ("n", np.array([0.5, 1.5], np.float16)),
            "thing": ("n", [object(), object()]),
            "day": ("n", days, {"units": "days"}),
        },
        {"wave": ("n", [1j, 2j]), "n": ("n", ["a", "b"])},
        {
            "none": None,
            "inner": {"a": 1},
            "flag": True,
            "shape": (1, 2),
            "ragged": [[1], [1, 2]],
            "kind": "maps",
            5: "x",
        },
    )
    found = netcdf.through_file(mine, netcdf.read)
    assert set(found.variables) == {"half", "day", "n"}
    assert found.half.values.tolist() == [0.5, 1.5]
    assert (found.day.values == days).all()
    assert {name: np.array(value).tolist() for name, value in found.attrs.items()} == {
        "flag": 1, "shape": [1, 2], "kind": "maps",
    }  # fmt: skip
    levels = mine.assign_coords(a=("n", [1, 2]), b=("n", [3, 4])).drop_vars("n").set_index(n=["a", "b"])
    assert {"half", "a", "b"} <= set(netcdf.through_file(levels, netcdf.read).variables)

    def lacking(path):
        raise Refusal(f"{path} lacks wave")

    with pytest.raises(
        Refusal, match=r"^the Dataset lacks wave; left out was what no file can hold: .*wave of type comp"
    ):
        netcdf.through_file(mine, lacking)


@pytest.mark.parametrize("records", [0, 1, 3])
@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("several", [False, True])
def test_a_classic_file_that_is_cut_off_is_refused(tmp_path, kind, records, several):
    """The library reads zeros beyond its end."""
    file, small = tmp_path / "x.nc", "i2"  # of an odd number of bytes in a record: records of several are padded
    with netCDF4.Dataset(file, "w", format=kind) as dataset:
        dataset.setncatts({"title": "a title", "numbers": np.arange(3, dtype="i2")})
        for name, size in {"time": None, "y": 3, "x": 5}.items():
            dataset.createDimension(name, size)
        dataset.createVariable("scalar", "f8", fill_value=-1.0)[...] = 7
        dataset.createVariable("fixed", "f8", ("y", "x"))[:] = 1
        if several:
            dataset.createVariable("beside", small, ("time", "y"))[:] = np.ones((records, 3))
        dataset.createVariable("moving", small, ("time", "y", "x"))[:] = np.ones((records, 3, 5))
    assert netcdf.read(file).fixed.values.sum() == 15
    whole = file.read_bytes()
    for lost in (4, len(whole) // 2, len(whole) - 30):
        file.write_bytes(whole[:-lost])
        with pytest.raises(Refusal, match="is cut off"):
            netcdf.read(file)
