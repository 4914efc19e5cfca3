"""A file of SABER's block `diffusion` gets exact norms, and keeps all else."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics import explicit, grids
from dlgd.problems.normalization.files import saber

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
    options = {"topology": grids.mercator(NY, NX).topology, "check": 20, "seed": 0}
    return saber.normalize(paths["source"], paths["grid"], paths["output"], **options)


def test_norms_are_exact_and_all_else_is_kept(files):
    folder, grid, fields, nodes = files
    found = run(folder)
    assert found.worst < 1e-12
    assert (found.nodes, found.levels) == (len(nodes), NZ)
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
    horizontal, vertical = (field.reshape(NZ, NY, NX) for field in scales.values())
    for node, level in [(0, 0), (len(nodes) // 2, 0), (len(nodes) - 1, 0)]:
        cell = np.array([[level, *np.divmod(nodes[node], NX)]])
        total = written["hzNorm"][node, level] * written["vtNorm"][node, level]
        assert total == pytest.approx(explicit.brute_force(horizontal, vertical, mesh, cell)[0], rel=1e-12)
        alone = explicit.brute_force(horizontal, 0 * vertical, mesh, cell)[0]
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
