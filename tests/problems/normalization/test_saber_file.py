"""A file of SABER's block `diffusion` gets exact norms, and keeps all else."""

import re
import sys

import netCDF4
import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.normalize import main
from dlgd.physics import explicit, grids
from dlgd.physics.split_diffusion import SplitDiffusion
from dlgd.problems.normalization.files import formats
from dlgd.problems.normalization.files.opened import Sides, refuse_no_fold

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
    assert "is among the input, which would be lost" in capfd.readouterr().err
    assert (folder / name).read_bytes() == before


# --- a set of files, StructuredColumns, the implicit scheme --------------------------------------------------------


def test_a_set_of_files_is_read_together_and_each_gets_its_own_part(files):
    """Three tasks; the second file also has nodes of the first, as its halo."""
    folder, *_ = files
    run(folder)
    with xr.open_dataset(folder / "scales.nc", mask_and_scale=False) as dataset:
        dataset.load()
    with netCDF4.Dataset(folder / "norms.nc") as whole:
        expected = {name: np.asarray(whole[name][:]) for name in ("hzNorm", "vtNorm")}
    parts = [slice(0, 20), slice(15, 40), slice(40, None)]
    for rank, part in enumerate(parts):
        dataset.isel(nb_nodes=part).to_netcdf(folder / f"set_000003-{rank:06d}.nc", format="NETCDF3_CLASSIC")
    found = run(folder, source=folder / "set", output=folder / "exact.nc")
    assert found.worst < 1e-12
    assert not (folder / "exact.nc").exists()
    for rank, part in enumerate(parts):
        with netCDF4.Dataset(folder / f"exact_000003-{rank:06d}.nc") as written:
            assert written.data_model == "NETCDF3_CLASSIC"
            for name, values in expected.items():
                np.testing.assert_allclose(written[name][:], values[part], rtol=1e-12)
            np.testing.assert_array_equal(written["unknown"][:], dataset.unknown.values[part])
    (folder / "set_000003-000001.nc").unlink()
    with pytest.raises(Refusal, match="are 2 files, but their names say 3 tasks"):
        run(folder, source=folder / "set_000003-000000.nc")
    dataset.assign(hzScales=2 * dataset.hzScales).isel(nb_nodes=parts[1]).to_netcdf(folder / "set_000003-000001.nc")
    with pytest.raises(Refusal, match="differs at nodes that another file of its set has"):
        run(folder, source=folder / "set")


def test_implicit_vertical_diffusion(files):
    folder, _, fields, _ = files
    paths = folder / "scales.nc", folder / "grid.nc", folder / "norms.nc"
    assert saber_norms(*paths, vertical="implicit", iterations=4).worst < 1e-12
    node = int(np.argmax((fields["hzScales"] > 0).sum(axis=1)))
    scales = fields["vtScales"][node]
    with netCDF4.Dataset(folder / "norms.nc") as written:
        horizontal, vertical = (np.asarray(written[name][node]) for name in ("hzNorm", "vtNorm"))
    k = np.where((scales[1:] > 0) & (scales[:-1] > 0), (scales[1:] + scales[:-1]) / 2, 0) ** 2 / 5  # 2 M - 3
    step = np.eye(NZ) + np.diag(np.append(k, 0)) + np.diag(np.insert(k, 0, 0)) - np.diag(k, 1) - np.diag(k, -1)
    root = np.linalg.matrix_power(np.linalg.inv(step), 2)
    np.testing.assert_allclose((horizontal * vertical) ** -2, root**2 @ horizontal**-2, rtol=1e-12)
    with pytest.raises(Refusal, match="must be an even number"):
        saber_norms(*paths, vertical="implicit", iterations=3)


def structured(path, rows, scales, **changes):
    """A file of StructuredColumns on a regular global grid, land missing."""
    lon = np.arange(scales["hzScales"].shape[-1]) * 360.0 / scales["hzScales"].shape[-1]
    lat, lon = np.meshgrid(rows, lon, indexing="ij")
    variables = {name: ((f"nz_{name}", "ny", "nx"), one, {"_FillValue": -9999.0}) for name, one in scales.items()}
    variables |= {"lat": (("ny", "nx"), lat), "lon": (("ny", "nx"), lon), "unknown": (("ny", "nx"), lat + lon)}
    xr.Dataset(variables | changes).to_netcdf(path, format="NETCDF3_CLASSIC")
    return lat, lon


def great_circle(a, b):
    """Haversines, (lat, lon) in degrees, m."""
    (p, q), (u, v) = np.deg2rad(a), np.deg2rad(b)
    h = np.sin((u - p) / 2) ** 2 + np.cos(p) * np.cos(u) * np.sin((v - q) / 2) ** 2
    return 2 * 6371229.0 * np.arcsin(np.sqrt(h))


def test_structured_columns_get_the_norms_of_a_dense_matrix(tmp_path):
    """oops's geometry once more: node by node, with the row beyond a pole half way around."""
    ny, nx, nz, rng = 6, 12, 3, np.random.default_rng(0)
    scales = {"hzScales": rng.uniform(0.8e6, 1.5e6, (1, ny, nx)), "vtScales": rng.uniform(0.5, 1.5, (nz, ny, nx))}
    for one in scales.values():
        one[:, 2, 3:5] = np.nan
    lat, lon = structured(tmp_path / "scales.nc", np.arange(-75, 90, 30.0), scales)
    found = saber_norms(tmp_path / "scales.nc", None, tmp_path / "norms.nc")
    assert found.worst < 1e-12

    def there(y, x):
        """The node at an index beyond the ends of a row or a column."""
        beyond = y in (-1, ny)
        return np.clip(y, 0, ny - 1), (x + beyond * nx // 2) % nx

    def at(node):
        return lat[node], lon[node]

    dx, dy = np.zeros((ny, nx)), np.zeros((ny, nx))
    for y, x in np.ndindex(ny, nx):
        dx[y, x] = great_circle(at(there(y, x - 1)), at(there(y, x + 1))) / 2
        dy[y, x] = great_circle(at(there(y - 1, x)), at(there(y + 1, x))) / 2
    s = np.nan_to_num(scales["hzScales"][0])
    rates, most = np.zeros((ny * nx, ny * nx)), 0.0
    for y, x in np.ndindex(ny, nx):
        for other, across in (
            (there(y, x - 1), dy),
            (there(y, x + 1), dy),
            (there(y - 1, x), dx),
            (there(y + 1, x), dx),
        ):
            if s[y, x] > 0 and s[other] > 0:
                length, mean = great_circle(at((y, x)), at(other)), (s[y, x] + s[other]) / 2
                face = (across[y, x] + across[other]) / 2
                rates[y * nx + x, other[0] * nx + other[1]] += face / length * mean**2
                most = max(most, 2 * mean**2 / length**2)
    n = 2 * int(np.ceil(most / 2))
    step = np.eye(ny * nx) + (rates - np.diag(rates.sum(axis=1))) / (2 * n) / (dx * dy).ravel()[:, None]
    variance = (np.linalg.matrix_power(step, n // 2) ** 2).sum(axis=1).reshape(ny, nx)
    with netCDF4.Dataset(tmp_path / "norms.nc") as written:
        np.testing.assert_allclose(written["hzNorm"][0], variance**-0.5, rtol=1e-10)
        assert written["vtNorm"].dimensions == ("nz_vtScales", "ny", "nx")
        np.testing.assert_array_equal(written["unknown"][:], lat + lon)
        np.testing.assert_array_equal(np.ma.filled(written["hzScales"][:], np.nan), scales["hzScales"])


def test_structured_columns_that_are_not_served_are_refused(tmp_path):
    scales = {"hzScales": np.full((1, 6, 12), 1e6)}
    lat, _ = structured(tmp_path / "poles.nc", np.linspace(-90, 90, 6), scales)
    structured(tmp_path / "band.nc", np.arange(0, 30, 5.0), scales)
    part = np.broadcast_to(np.arange(0, 60, 5.0), (6, 12))
    structured(tmp_path / "region.nc", np.arange(-75, 90, 30.0), scales, lon=(("ny", "nx"), part))
    lat, lon = structured(tmp_path / "reduced.nc", np.arange(-75, 90, 30.0), scales)
    lat[0, 8:] = lon[0, 8:] = np.nan
    structured(
        tmp_path / "reduced.nc", np.arange(-75, 90, 30.0), scales, lat=(("ny", "nx"), lat), lon=(("ny", "nx"), lon)
    )
    for name, why in {
        "poles": "no points on the poles",
        "band": "is regional, and there oops looks for neighbours beyond the sides",
        "region": "is regional, and there oops looks for neighbours beyond the sides",
        "reduced": "8 to 12 points, and on such a reduced grid .* the operator is not defined",
    }.items():
        with pytest.raises(Refusal, match=why):
            saber_norms(tmp_path / f"{name}.nc", None, tmp_path / "norms.nc")


# --- the command -----------------------------------------------------------------------------------------------------


def command(folder, monkeypatch, capfd, *words):
    """Its exit code and what it says."""
    paths = [f"input={folder / 'scales.nc'}", f"grid={folder / 'grid.nc'}", f"output={folder / 'norms.nc'}"]
    monkeypatch.setattr(sys, "argv", ["normalize", *paths, *words])
    try:
        main()
        code = 0
    except SystemExit as stopped:
        code = stopped.code
    said = capfd.readouterr()
    return code, said.out + said.err


def test_the_command_says_how_far_norms_are_from_brute_force(files, monkeypatch, capfd):
    folder, *_ = files
    code, said = command(folder, monkeypatch, capfd, "check=7")
    assert code == 0, said
    assert "read as saber" in said
    assert "largest relative error of gamma^2 at 7 cells, against brute force:" in said
    assert (folder / "norms.nc").exists()


def test_a_tolerance_that_is_not_reached_writes_nothing(files, monkeypatch, capfd):
    folder, *_ = files
    whole = SplitDiffusion.gamma
    monkeypatch.setattr(SplitDiffusion, "gamma", lambda self: 1.01 * whole(self))
    code, said = command(folder, monkeypatch, capfd, "tolerance=1e-3")
    assert code == 1
    assert "error of gamma^2 at 50 cells, against brute force: 2.0e-02" in said
    assert "nothing is written" in said
    assert not (folder / "norms.nc").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["format=romz"], "format=romz is unknown: choose one of saber, mitgcm, roms, nemovar"),
        (["roms.Hdecay=1e4"], r"options roms\.\* have no effect on a file of the format saber"),
        (["format=mitgcm"], "must be called smooth3DscalesH001"),
        (["tolerance=0"], "tolerance=0 must be a number above 0"),
    ],
)
def test_wrong_options_are_refused(files, monkeypatch, capfd, words, why):
    code, said = command(files[0], monkeypatch, capfd, *words)
    assert code == 2
    assert re.search(why, said), said


def test_iterations_of_the_explicit_scheme_are_refused(files):
    folder, *_ = files
    with pytest.raises(Refusal, match=r"saber.iterations=8 has no effect without saber.vertical=implicit"):
        saber_norms(folder / "scales.nc", folder / "grid.nc", folder / "norms.nc", iterations=8)


def test_only_a_grid_that_mirrors_itself_is_folded(tmp_path):
    """Mercator's grid and one of degrees to the pole do not; a tripolar one does, but not without its last row."""
    degrees = np.meshgrid(np.arange(-89.5, 90), np.arange(0.5, 360), indexing="ij")
    tripolar = grids.tripolar(73, 90)
    mercator = grids.mercator(NY, NX)
    refuse_no_fold(tripolar.lat, tripolar.lon, tmp_path)
    for lat, lon in (degrees, (mercator.lat, mercator.lon), (tripolar.lat[:-1], tripolar.lon[:-1])):
        with pytest.raises(Refusal, match=r"south_north=fold: the last row .* does not mirror itself.*: type closed"):
            refuse_no_fold(lat, lon, tmp_path)


def test_a_grid_that_does_not_fold_is_refused(files):
    folder, *_ = files
    with pytest.raises(Refusal, match=r"last row of .*grid\.nc does not mirror itself"):
        formats.read(
            folder / "scales.nc", folder / "grid.nc", Sides(south_north="fold"), name=None, options={"saber": {}}
        )
