"""A file of SABER's block `diffusion` gets exact norms, and keeps all else."""

import sys

import netCDF4
import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.normalize import main
from dlgd.physics import explicit, grids
from dlgd.problems.normalization.files import formats
from dlgd.problems.normalization.files.opened import Sides

NZ, NY, NX = 4, 8, 10


@pytest.fixture
def files(tmp_path):
    """A grid file, and a NetCDF-3 file with the nodes at sea in another order, norms of randomization, and more."""
    grid, rng = grids.mercator(NY, NX), np.random.default_rng(0)
    shape = (1, NY, NX)  # as soca's gridspec has it, with a dimension of time
    dims = ("time", "y", "x")
    xr.Dataset({n: (dims, getattr(grid, n).reshape(shape)) for n in ("lat", "lon", "area")}).to_netcdf(
        tmp_path / "grid.nc"
    )
    sea = rng.random((NY, NX)) > 0.2
    nodes = rng.permutation(np.flatnonzero(sea))
    depth = rng.integers(1, NZ + 1, len(nodes))
    wet = np.arange(NZ) < depth[:, None]
    root = np.sqrt(grid.area.ravel()[nodes])[:, None]
    fields = {
        "lon": grid.lon.ravel()[nodes],
        "lat": grid.lat.ravel()[nodes],
        "hzScales": np.where(wet, rng.uniform(0.3, 1.2, wet.shape) * root, 0),
        "vtScales": np.where(wet, rng.uniform(0.5, 1.4, wet.shape), 0),
        "hzNorm": rng.random(wet.shape),
        "vtNorm": rng.random(wet.shape),
        "unknown": rng.random(wet.shape),
    }
    with netCDF4.Dataset(tmp_path / "scales.nc", "w", format="NETCDF3_CLASSIC") as dataset:
        dataset.createDimension("nb_nodes", len(nodes))
        dataset.history = "made by another program"
        for name, values in fields.items():
            if values.ndim == 2:
                dataset.createDimension(f"nz_{name}", NZ)
            dimensions = ("nb_nodes", f"nz_{name}")[: values.ndim]
            dataset.createVariable(name, "f8", dimensions, fill_value=-9999.0)[:] = values
    return tmp_path, grid, fields, nodes


def run(folder, **changes):
    paths = {"source": folder / "scales.nc", "grid": folder / "grid.nc", "output": folder / "norms.nc"} | changes
    return saber_norms(paths["source"], paths["grid"], paths["output"])


def saber_norms(source, grid, output, **options):
    """What the command does, as a function."""
    name, opened = formats.read(source, grid, Sides(), name=None, options={"saber": options})
    assert name == "saber"
    found = formats.exact(opened, check=20, seed=0)
    opened.write(found.gamma, output)
    return found


def test_norms_are_exact_and_all_else_is_kept(files):
    folder, grid, fields, nodes = files
    found = run(folder)
    assert found.worst < 1e-12
    assert found.compared == {"hzNorm x vtNorm": 20}
    with netCDF4.Dataset(folder / "norms.nc") as dataset:
        assert dataset.data_model == "NETCDF3_CLASSIC"
        assert dataset.history == "made by another program"
        written = {name: np.asarray(dataset[name][:]) for name in fields}
    for name in ("lon", "lat", "hzScales", "vtScales", "unknown"):
        np.testing.assert_array_equal(written[name], fields[name])
    mesh = explicit.mesh(grid.lat, grid.lon, grid.area, grid.topology)
    scales = {name: np.zeros((NZ, NY * NX)) for name in ("hzScales", "vtScales")}
    for name, field in scales.items():
        field[:, nodes] = fields[name].T
    both = explicit.diffusion(*scales.values(), mesh)
    horizontal = explicit.diffusion(scales["hzScales"], 0 * scales["vtScales"], mesh)
    for node, level in [(0, 0), (len(nodes) // 2, 0), (len(nodes) - 1, 0)]:
        cell = np.array([[level, nodes[node]]])
        total = written["hzNorm"][node, level] * written["vtNorm"][node, level]
        assert total == pytest.approx(both.brute_force(cell)[0], rel=1e-12)
        alone = horizontal.brute_force(cell)[0]
        assert written["hzNorm"][node, level] == pytest.approx(alone, rel=1e-12)


def test_norms_are_added_where_there_are_none(files):
    folder, _, fields, _ = files
    with xr.open_dataset(folder / "scales.nc", mask_and_scale=False) as dataset:
        dataset.drop_vars(["hzNorm", "vtScales", "vtNorm"]).to_netcdf(
            folder / "horizontal.nc", format="NETCDF3_CLASSIC"
        )
    assert run(folder, source=folder / "horizontal.nc").worst < 1e-12
    with netCDF4.Dataset(folder / "norms.nc") as dataset:
        assert dataset["hzNorm"].shape == fields["hzScales"].shape
        assert "vtNorm" not in dataset.variables


def test_files_that_do_not_fit_are_refused(files):
    folder, *_ = files
    with xr.open_dataset(folder / "scales.nc", mask_and_scale=False) as dataset:
        dataset.load().drop_vars("hzScales").to_netcdf(folder / "without.nc")
        dataset.assign(lat=dataset.lat + 0.1).to_netcdf(folder / "moved.nc")
    with pytest.raises(Refusal, match="lacks hzScales"):
        run(folder, source=folder / "without.nc")
    with pytest.raises(Refusal, match="no points of the grid"):
        run(folder, source=folder / "moved.nc")
    with pytest.raises(Refusal, match="lacks area"):
        run(folder, grid=folder / "without.nc")
    assert not (folder / "norms.nc").exists()


WRONG = {
    "must be .node, level.": lambda one: {"hzScales": (one.hzScales.dims[::-1], one.hzScales.values.T)},
    "hold finite numbers, 0 or above": lambda one: {"hzScales": one.hzScales.where(one.hzScales > 0, np.inf)},
    "0 or above": lambda one: {"vtScales": -one.vtScales},
    "hzScales .* values missing where vtScales is above 0": lambda one: {"hzScales": one.hzScales * np.nan},
    "vtScales .* values missing where hzScales is above 0": lambda one: {"vtScales": one.vtScales * np.nan},
    "lat and lon in .* must be finite": lambda one: {"lat": one.lat * np.nan},
    "horizontal length scales reach .* give them in m": lambda one: {"hzScales": one.hzScales * 1e6},
    "vertical length scales reach .* give them in levels": lambda one: {"vtScales": one.vtScales * 1e4},
    "must be of floating-point numbers": lambda one: {"hzNorm": one.hzNorm.astype("int32")},
}


@pytest.mark.parametrize("why", WRONG)
def test_wrong_values_are_refused(files, why):
    folder, *_ = files
    with xr.open_dataset(folder / "scales.nc", mask_and_scale=False) as dataset:
        dataset.assign(WRONG[why](dataset)).to_netcdf(folder / "wrong.nc")
    with pytest.raises(Refusal, match=why):
        run(folder, source=folder / "wrong.nc")
    assert not (folder / "norms.nc").exists()


def test_a_grid_without_places_on_land_is_refused(files):
    folder, *_ = files
    with xr.open_dataset(folder / "grid.nc") as dataset:
        dataset.assign(lat=dataset.lat.where(dataset.lat > 0)).to_netcdf(folder / "holes.nc")
    with pytest.raises(Refusal, match="finite at all points of the grid"):
        run(folder, grid=folder / "holes.nc")


def test_a_single_level_has_no_vertical_diffusion(files):
    folder, *_ = files
    with xr.open_dataset(folder / "scales.nc", mask_and_scale=False) as dataset:
        level = {dimension: slice(0, 1) for dimension in dataset.dims if dimension != "nb_nodes"}
        dataset.isel(level).to_netcdf(folder / "surface.nc")
    assert run(folder, source=folder / "surface.nc").worst < 1e-12
    with netCDF4.Dataset(folder / "norms.nc") as dataset:
        np.testing.assert_allclose(dataset["vtNorm"][:], 1, rtol=1e-12)


@pytest.mark.parametrize("name", ["scales.nc", "grid.nc"])
def test_no_input_is_replaced(files, name, monkeypatch, capfd):
    """The grid is read no less than the scales are: a command that would write over either is refused."""
    folder, *_ = files
    before = (folder / name).read_bytes()
    words = [f"input={folder / 'scales.nc'}", f"grid={folder / 'grid.nc'}", f"output={folder / name}"]
    monkeypatch.setattr(sys, "argv", ["normalize", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "is the input, which would be lost" in capfd.readouterr().err
    assert (folder / name).read_bytes() == before
