"""ROMS's files of normalization coefficients get exact ones at rho, u and v points."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.normalization.files import formats
from dlgd.problems.normalization.files.opened import Sides
from tests.problems.normalization import roms_reference as roms

NZ, NY, NX = roms.NZ, roms.NY, roms.NX
HDECAY, VDECAY = 2e4, 30.0
HDECAYS = {"zeta": 3e4, "temp": 2e4, "salt": 1e4, "ubar": 2e4, "vbar": 2e4, "u": 1.5e4, "v": 1e4}


@pytest.fixture
def folder(tmp_path):
    """A grid file, and norms of all kinds of points, with a missing value on land as ROMS has it."""
    grid = roms.grid()
    xr.Dataset({name: (("eta_rho", "xi_rho"), one) for name, one in grid.items()}).to_netcdf(tmp_path / "grid.nc")
    rng = np.random.default_rng(1)
    sizes = {"s_rho": NZ, "s_w": NZ + 1, "eta_rho": NY, "xi_rho": NX, "eta_u": NY, "xi_u": NX - 1, "eta_v": NY - 1}
    sizes |= {"xi_v": NX, "boundary": 4, "IorJ": NX}
    sea = grid["mask_rho"] > 0
    at_sea = {"xi_rho": sea, "xi_u": sea[:, :-1] & sea[:, 1:], "xi_v": sea[:-1] & sea[1:], "IorJ": True}
    with netCDF4.Dataset(tmp_path / "roms_nrm_i.nc", "w", format="NETCDF3_64BIT_OFFSET") as dataset:
        dataset.createDimension("ocean_time", None)
        for name, size in sizes.items():
            dataset.createDimension(name, size)
        dataset.type = "ROMS/TOMS normalization file"
        for name, values in {"Vtransform": 2, "hc": roms.HC}.items():
            dataset.createVariable(name, "i4" if name == "Vtransform" else "f8")[...] = values
        for name, values in roms.stretching().items():
            dataset.createVariable(name, "f8", ("s_w",) if len(values) == NZ + 1 else ("s_rho",))[:] = values
        dataset.createVariable("ocean_time", "f8", ("ocean_time",))[0] = 0.0
        for name, dims in {
            "zeta": ("eta_rho", "xi_rho"),
            "ubar": ("eta_u", "xi_u"),
            "vbar": ("eta_v", "xi_v"),
            "u": ("s_rho", "eta_u", "xi_u"),
            "v": ("s_rho", "eta_v", "xi_v"),
            "zeta_obc": ("boundary", "IorJ"),
            "temp": ("s_rho", "eta_rho", "xi_rho"),
            "salt": ("s_rho", "eta_rho", "xi_rho"),
        }.items():
            variable = dataset.createVariable(name, "f8", ("ocean_time", *dims), fill_value=1e37)
            values = rng.random([sizes[one] for one in dims])
            variable[0] = np.where(at_sea[dims[-1]], values, 1e37)
    return tmp_path, grid


def run(folder, sides=None, **options):
    options = {"Hdecay": HDECAY, "Vdecay": VDECAY} | options
    arguments = {"name": None, "options": {"roms": options}}
    name, opened = formats.read(folder / "roms_nrm_i.nc", folder / "grid.nc", sides or Sides(), **arguments)
    assert name == "roms"
    found = formats.exact(opened, check=20, seed=0)
    assert found.worst < 1e-9
    opened.write(found.gamma, folder / "exact.nc")
    with netCDF4.Dataset(folder / "exact.nc") as dataset:
        dataset.set_auto_mask(False)
        return {name: dataset[name][0] for name in dataset.variables if dataset[name].ndim > 2}, opened


def interior(found, expected):
    """Both at the interior points at sea."""
    inner = np.s_[..., 1:-1, 1:-1]
    sea = np.isfinite(expected)[inner]
    return found.reshape(expected.shape)[inner][sea], expected[inner][sea]


@pytest.mark.parametrize("implicit", [False, True])
def test_norms_are_those_of_the_convolution(folder, implicit):
    place, grid = folder
    with netCDF4.Dataset(place / "roms_nrm_i.nc") as dataset:
        dataset.set_auto_mask(False)
        before = {name: dataset[name][0] for name in ("zeta", "zeta_obc", "temp")}
    written, opened = run(place, implicit=implicit, Vgamma=0.01 if implicit else 0.05)
    np.testing.assert_allclose(*interior(written["zeta"], roms.norms(grid, HDECAY)), rtol=1e-11)
    expected = roms.norms(grid, HDECAY, VDECAY, implicit=implicit, vgamma=0.01 if implicit else 0.05)
    np.testing.assert_allclose(*interior(written["temp"], expected), rtol=1e-11)
    np.testing.assert_array_equal(
        *(written[name][:, 1:-1, 1:-1][..., grid["mask_rho"][1:-1, 1:-1] > 0] for name in ("temp", "salt"))
    )
    np.testing.assert_array_equal(written["zeta_obc"], before["zeta_obc"])
    land = grid["mask_rho"] == 0
    np.testing.assert_array_equal(written["temp"][:, land], before["temp"][:, land])
    np.testing.assert_array_equal(
        written["zeta"][2:5, 0], written["zeta"][2:5, 1]
    )  # the boundary repeats its neighbour
    assert opened.said == ["zeta_obc: not at rho, u or v points, and kept as they are"]


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("points", ["u", "v"])
def test_norms_of_velocities_are_those_of_dense_matrices(folder, points, implicit):
    place, grid = folder
    written, _ = run(place, implicit=implicit)
    alone = roms.velocity_norms(grid, HDECAY, points=points)
    np.testing.assert_allclose(*interior(written[f"{points}bar"], alone[0]), rtol=1e-10)
    with_levels = roms.velocity_norms(grid, HDECAY, VDECAY, points=points, implicit=implicit)
    np.testing.assert_allclose(*interior(written[points], with_levels), rtol=1e-10)
    on_land = np.isnan(alone[0][1:-1, 1:-1])
    assert on_land.any()
    assert (written[f"{points}bar"][1:-1, 1:-1][on_land] == 1e37).all()


def test_velocities_at_the_sides_keep_their_sign_and_0(folder):
    """ROMS writes 0 at sides that the velocity would cross, and -1 times the neighbour along those without slip."""
    place, _ = folder
    with netCDF4.Dataset(place / "roms_nrm_i.nc", "r+") as dataset:
        dataset["ubar"][0, 1:-1, 0] = 0
        dataset["ubar"][0, -1, 1:-1] = -1
    written, _ = run(place)
    u = written["ubar"]
    assert (u[1:3, 0] == 0).all()
    np.testing.assert_array_equal(u[-1, 3:-1], -u[-2, 3:-1])
    np.testing.assert_array_equal(u[1:3, -1], u[1:3, -2])


def test_each_variable_may_have_its_own_scale(folder):
    place, grid = folder
    written, _ = run(place, Hdecay=HDECAYS, Vdecay={"temp": 0, "salt": 20.0, "u": 15.0, "v": 0})
    expected = roms.velocity_norms(grid, 1.5e4, 15.0, points="u")
    np.testing.assert_allclose(*interior(written["u"], expected), rtol=1e-10)
    np.testing.assert_allclose(*interior(written["zeta"], roms.norms(grid, 3e4)), rtol=1e-11)
    np.testing.assert_allclose(*interior(written["salt"], roms.norms(grid, 1e4, 20.0)), rtol=1e-11)
    hz = np.diff(roms.depths(grid["h"], 2)[0], axis=0)
    wet = np.isfinite(roms.norms(grid, 2e4))
    assert written["temp"][0][wet[0]] != pytest.approx(written["temp"][1][wet[0]])  # by the volumes around alone
    assert hz.min() > 0


def test_a_periodic_channel_and_the_first_transform(folder):
    place, grid = folder
    channel = {name: one.copy() for name, one in grid.items()}
    for one in channel.values():  # ROMS's boundary points of a periodic grid repeat the interior
        one[:, 0], one[:, -1] = one[:, -2], one[:, 1]
    xr.Dataset({name: (("eta_rho", "xi_rho"), one) for name, one in channel.items()}).to_netcdf(place / "grid.nc")
    with netCDF4.Dataset(place / "roms_nrm_i.nc", "r+") as dataset:
        dataset["Vtransform"][...] = 1
    written, _ = run(place, Sides("periodic", "closed"))
    expected = roms.norms(channel, HDECAY, VDECAY, transform=1, periodic=True)
    np.testing.assert_allclose(*interior(written["salt"], expected), rtol=1e-11)
    np.testing.assert_array_equal(written["zeta"][4, 0], written["zeta"][4, -2])
    for points in ("u", "v"):
        expected = roms.velocity_norms(channel, HDECAY, VDECAY, points=points, transform=1, periodic=True)
        inner = np.isfinite(expected)
        assert inner[..., 0].any() == (points == "u")  # the first u point lies within
        np.testing.assert_allclose(written[points][inner], expected[inner], rtol=1e-10)
    np.testing.assert_array_equal(written["u"][:, 4, -1], written["u"][:, 4, 0])


WRONG = {
    "lacks pm": lambda grid, norms: (grid.drop_vars("pm"), norms),
    "h in .* must be above 0": lambda grid, norms: (grid.assign(h=-grid.h), norms),
    "has Cs_w, which the levels need": lambda grid, norms: (grid, norms.drop_vars("Cs_w")),
    r"but pm in .* \(7, 5\)": lambda grid, norms: (grid.isel(xi_rho=slice(5)), norms),
    "Vtransform must be 1 or 2": lambda grid, norms: (grid, norms.assign(Vtransform=3)),
    "pm and pn in .* must be above 0": lambda grid, norms: (grid.assign(pm=0 * grid.pm), norms),
    r"ubar in .* has \(7, 6\) points, but .* \(7, 7\) at u points": lambda grid, norms: (
        grid,
        norms.drop_vars(["u"]).isel(xi_u=slice(6)),
    ),
    "mask_u in .* must be the product of mask_rho": lambda grid, norms: (
        grid.assign(mask_u=(("eta_u", "xi_u"), np.ones((NY, NX - 1)))),
        norms,
    ),
    "is packed": lambda grid, norms: (grid, norms.assign(zeta=norms.zeta.assign_attrs(scale_factor=0.1))),
}


@pytest.mark.parametrize("why", WRONG)
def test_wrong_files_are_refused(folder, why):
    place, _ = folder
    datasets = []
    for name in ("grid.nc", "roms_nrm_i.nc"):
        with xr.open_dataset(place / name, decode_times=False, mask_and_scale=False) as dataset:
            datasets.append(dataset.load())
    for dataset, name in zip(WRONG[why](*datasets), ("grid.nc", "roms_nrm_i.nc"), strict=True):
        dataset.to_netcdf(place / name)
    with pytest.raises(Refusal, match=why):
        run(place)
    assert not (place / "exact.nc").exists()


def test_wrong_options_are_refused(folder):
    place, _ = folder
    with pytest.raises(Refusal, match=r"roms\.Hdecay must be given for zeta, .* or 'roms\.Hdecay=\{zeta: 50e3\}'"):
        run(place, Hdecay={"temp": 1e4})
    with pytest.raises(Refusal, match=r"roms\.Hdecay has Temp, which is no field of .* \(did you mean temp\?\)"):
        run(place, Hdecay=HDECAYS | {"Temp": 1e4})
    with pytest.raises(Refusal, match=r"roms\.Hdecay=0 must be a number above 0"):
        run(place, Hdecay=0)
    with pytest.raises(Refusal, match="give it in m"):
        run(place, Hdecay=1e9)
    with pytest.raises(Refusal, match="is no side of a grid of ROMS"):
        run(place, Sides("periodic", "fold"))


def test_a_file_that_is_cut_off_is_refused(folder):
    """The NetCDF library reads zeros beyond the end of such files."""
    place, _ = folder
    path = place / "roms_nrm_i.nc"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Refusal, match="is cut off"):
        run(place)
    assert not (place / "exact.nc").exists()


def test_norms_are_counted_at_sea_and_there_must_be_some(folder):
    place, grid = folder
    arguments = {"name": None, "options": {"roms": {"Hdecay": HDECAY, "Vdecay": VDECAY}}}
    _, opened = formats.read(place / "roms_nrm_i.nc", place / "grid.nc", Sides(), **arguments)
    sea = int(grid["mask_rho"][1:-1, 1:-1].sum())
    assert formats.exact(opened, check=0, seed=0).sentences()[0] == f"zeta: {sea} norms in 1 level"
    with xr.open_dataset(place / "grid.nc") as dataset:
        dry = dataset.load().assign(mask_rho=0 * dataset.mask_rho)
    dry.to_netcdf(place / "grid.nc")
    with pytest.raises(Refusal, match="zeta has no cell at sea"):
        run(place)
    assert not (place / "exact.nc").exists()
