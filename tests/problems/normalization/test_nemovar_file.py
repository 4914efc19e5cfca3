"""NEMOVAR's coefficients are written in its own layout."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.normalization.data import fields
from dlgd.problems.normalization.files import formats
from dlgd.problems.normalization.files.opened import Sides
from tests.physics.diffusion_reference import dense_gamma
from tests.problems.normalization.report_files import COEFFICIENTS, DIFFUSIVITIES, simulated, write_nemo


@pytest.fixture(params=["tripolar", "mercator"])
def folder(request, tmp_path):
    """A sample's folder, with coefficients of other length scales, which must not matter."""
    samples = simulated(request.param)
    write_nemo(tmp_path, samples.isel(sample=slice(1)), names=["today"])
    with netCDF4.Dataset(tmp_path / "today" / COEFFICIENTS, "r+") as old:
        old["sqtnorfac"][:] = 1.5 * old["sqtnorfac"][:]
    return tmp_path, samples.isel(sample=0)


def run(folder, sides=None, *, source=None, **options):
    source = source or folder / "today" / DIFFUSIVITIES
    arguments = {"name": None, "options": {"nemovar": options}}
    name, opened = formats.read(source, folder / "coordinates.nc", sides or Sides(), **arguments)
    assert name == "nemovar"
    found = formats.exact(opened, check=20, seed=0)
    assert found.worst < 1e-7
    opened.write(found.gamma, folder / "exact.nc")
    return opened


def test_coefficients_are_exact_in_the_layout_of_the_diffusivities(folder):
    place, sample = folder
    opened = run(place)
    assert opened.operator.topology == fields.topology(sample)
    with xr.open_dataset(place / "exact.nc") as written, xr.open_dataset(place / "today" / DIFFUSIVITIES) as given:
        assert written.sqtnorfac.dims == given.K11.dims
        assert set(written.variables) == set(given.variables) - {"K11", "K22"} | {"sqtnorfac"}
        assert written.attrs == given.attrs
        for name in set(given.variables) - {"K11", "K22"}:
            np.testing.assert_array_equal(written[name], given[name])
        gamma = written.sqtnorfac.values[0]
    sea = opened.operator.sea
    ny = len(sea)
    inner = gamma[:ny, 1:-1]
    np.testing.assert_allclose(inner[sea], sample.gamma.values[sea], rtol=1e-4)  # made by other formulas of the metric
    assert (inner[~sea] == 0).all()
    np.testing.assert_array_equal(gamma[:, [0, -1]], gamma[:, [-2, 1]])  # NEMO's halo
    if len(gamma) > ny:
        np.testing.assert_array_equal(gamma[ny, 1:-1], gamma[ny - 1, -2:0:-1])  # the row beyond the fold


@pytest.mark.parametrize("folder", ["tripolar"], indirect=True)
def test_coefficients_are_those_of_dense_matrices(folder):
    place, _ = folder
    operator = run(place, steps=6).operator
    assert operator.steps == 6
    with xr.open_dataset(place / "exact.nc") as written:
        inner = written.sqtnorfac.values[0][: operator.sea.shape[0], 1:-1]
    np.testing.assert_allclose(inner[operator.sea], dense_gamma(operator)[operator.sea], rtol=1e-7)


def test_wrong_files_are_refused(folder):
    place, _ = folder
    path = place / "today" / DIFFUSIVITIES
    with pytest.raises(Refusal, match="must be an even number"):
        run(place, steps=3)
    with xr.open_dataset(path) as dataset:
        small = dataset.isel({dataset.K11.dims[-1]: slice(10)}).load()
    small.to_netcdf(path)
    with pytest.raises(Refusal, match="but the coordinates have"):
        run(place)
    small.drop_vars("K22").to_netcdf(path)
    with pytest.raises(Refusal, match="has no format that is known"):
        run(place)
    assert not (place / "exact.nc").exists()


def changed(place, name, change):
    """The diffusivities in a folder of their own."""
    with xr.open_dataset(place / "today" / DIFFUSIVITIES) as dataset:
        made = change(dataset.load())
    (place / name).mkdir()
    made.to_netcdf(place / name / DIFFUSIVITIES)
    return place / name / DIFFUSIVITIES


@pytest.mark.parametrize("folder", ["tripolar"], indirect=True)
def test_refusals_name_options_that_the_command_has(folder):
    place, _ = folder
    everywhere = changed(place, "everywhere", lambda one: one * 0 + 1e9)
    small = changed(place, "small", lambda one: one * 1e-6)

    def refusal(sides=None, **options):
        with pytest.raises(Refusal) as caught:
            run(place, sides, **options)
        return str(caught.value)

    said = [
        refusal(source=everywhere),
        refusal(source=small),
        refusal(rows=100),
        refusal(columns=5),
        refusal(faces="north_east"),
    ]
    assert not any("data." in one for one in said)
    assert said[0].endswith("Set them to 0 there")
    assert said[1].endswith("not their squares?")
    assert said[2].startswith("nemovar.rows and nemovar.columns leave nothing of the 41 x 50 cells")
    assert "type west_east=closed, nemovar.columns=... where columns are to be cut off" in said[3]
    assert said[4].endswith("type nemovar.rows=... and nemovar.faces=... as the files have them, or south_north=closed")


def test_sides_that_are_none_are_refused():
    with pytest.raises(Refusal, match="west_east=around is unknown: choose one of periodic, closed"):
        Sides(west_east="around")
    with pytest.raises(Refusal, match="south_north=up is unknown: choose one of closed, periodic, fold"):
        Sides(south_north="up")
    with pytest.raises(Refusal, match="south_north=fold needs west_east=periodic"):
        Sides("closed", "fold")


@pytest.mark.parametrize("folder", ["mercator"], indirect=True)
def test_a_grid_that_does_not_fold_is_refused(folder):
    with pytest.raises(Refusal, match=r"last row of .*coordinates\.nc does not mirror itself"):
        run(folder[0], Sides(south_north="fold"))
