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


def run(folder, sides=None, **options):
    source = folder / "today" / DIFFUSIVITIES
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
