"""A user's own NetCDF file: what is accepted, and what is refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.normalization.data.simulated import NormalizationCoefficients
from dlgd.problems.normalization.scores import NormalizationEvaluation
from tests.problems.normalization.data.small_data import make, ready

Change = Callable[[xr.Dataset], xr.Dataset]


@pytest.fixture(scope="module")
def source() -> NormalizationCoefficients:
    """Closed in the north and the south, periodic west-east."""
    return ready("mercator")


@pytest.fixture
def mine(source) -> xr.Dataset:
    """A file as a user might write it: two samples, no coordinate, no attribute, no truth, NaN on land."""
    samples = source.samples("train")
    sea = samples.mask.values
    bare = {name: (samples[name].dims, samples[name].values.copy()) for name in ("alpha_i", "alpha_j", "w")}
    bare["w"][1][~sea] = np.nan
    bare["alpha_j"][1][:, ~sea] = np.nan
    return xr.Dataset(bare | {"mask": (("y", "x"), sea.astype(np.int8))})


@pytest.fixture
def read(source, tmp_path):
    """Write a dataset and read it as the data set does."""

    def written(dataset: xr.Dataset, reader: NormalizationCoefficients = source) -> xr.Dataset:
        path = tmp_path / "my_fields.nc"
        dataset.to_netcdf(path)
        return reader.read(path)

    return written


def sea_cell(dataset: xr.Dataset) -> tuple[int, int]:
    """A cell with sea all around."""
    sea = dataset.mask.values.astype(bool)
    around = sea & np.roll(sea, 1, 0) & np.roll(sea, 1, 1) & np.roll(sea, -1, 0) & np.roll(sea, -1, 1)
    return tuple(np.argwhere(around)[10])


def encoded(source: NormalizationCoefficients, samples: xr.Dataset) -> torch.Tensor:
    return torch.cat([batch.input for batch in source.encode(samples, halo=4, device="cpu")])


# --- accepted ----------------------------------------------------------------------------------------------


def test_the_data_sets_own_samples(source, read):
    samples = source.samples("test")
    found = read(samples)
    for name in ("alpha_i", "alpha_j", "mask", "gamma", "distance", "gamma_estimate", "lat", "lon"):
        np.testing.assert_array_equal(found[name], samples[name], err_msg=name)
        assert found[name].dims == samples[name].dims
    assert torch.equal(encoded(source, found), encoded(source, samples))


def test_bare_fields(source, mine, read):
    found, samples = read(mine), source.samples("train")
    assert "gamma" not in found
    assert found.attrs == {"west_east": "periodic", "south_north": "closed"}
    assert found.mask.dtype == bool
    assert np.isfinite(found.w).all()
    assert {"lat", "lon"} <= set(found.coords)
    torch.testing.assert_close(encoded(source, found), encoded(source, samples))
    np.testing.assert_array_equal(found.gamma_estimate, samples.gamma_estimate)


def test_without_the_dimension_sample(source, mine, read):
    found = read(mine.isel(sample=1))
    assert found.sizes["sample"] == 1
    assert torch.equal(encoded(source, found), encoded(source, read(mine))[1:])


def test_south_faces_without_the_north_side(source, mine, read):
    rows = mine.alpha_i.values[:, :-1]
    found = read(mine.drop_vars("alpha_i").assign(alpha_i=(("sample", "y", "x"), rows)))
    assert found.alpha_i.shape == (2, 41, 48)
    assert torch.equal(encoded(source, found), encoded(source, read(mine)))


def test_names_of_dimensions_do_not_matter(source, mine, read):
    renamed = mine.rename(sample="time", y="nj", x="ni", y_face="njp1")
    assert torch.equal(encoded(source, read(renamed)), encoded(source, read(mine)))


def test_coordinates_of_another_shape_are_left_out(mine, read):
    found = read(mine.assign(lat=(("rows", "columns"), np.zeros((41, 48))), lon=("columns", np.zeros(48))))
    assert found.lat.shape == found.lon.shape == (40, 48)
    assert found.lat.values[3, 4] == 3.5, "row and column instead"


@pytest.mark.parametrize("mask", [float, int, bool])
def test_any_kind_of_mask(source, mine, read, mask):
    found = read(mine.assign(mask=mine.mask.astype(mask)))
    assert torch.equal(encoded(source, found), encoded(source, read(mine)))


@pytest.mark.parametrize("units", [("m2", "m"), ("m^2", "metre"), ("m**2", "meter")])
def test_units(mine, read, units):
    for name in ("alpha_i", "alpha_j", "w"):
        mine[name].attrs["units"] = units[0]
    mine["gamma"] = ("sample", "y", "x"), np.full(mine.alpha_j.shape, 1e5), {"units": units[1]}
    assert "gamma" in read(mine, make("mercator", check_physics=False))


def test_garbage_on_land_is_ignored(source, mine, read):
    """Numbers of any kind on faces and cells of the land."""
    dirty = mine.copy(deep=True)
    sea = mine.mask.values.astype(bool)
    closed = source.samples("train").alpha_i.values == 0
    dirty.alpha_i.values[closed] = -5e20
    dirty.alpha_j.values[:, ~sea] = np.inf
    dirty.w.values[~sea] = -1.0
    truth = np.where(sea, 1e5, 0.0)
    dirty["gamma"] = ("sample", "y", "x"), np.stack([truth, truth])
    found = read(dirty, make("mercator", check_physics=False))
    assert torch.equal(encoded(source, found), encoded(source, read(mine)))
    assert (np.isnan(found.gamma.values) == ~sea).all()
    for batch in source.encode(found, halo=0, device="cpu"):
        assert (batch.target[~batch.mask] == 0).all()


def test_the_topology_is_that_of_the_file_and_not_of_the_data_set(mine, read):
    for reader in (make("mercator"), make("nemovar")):
        assert read(mine, reader).attrs == {"west_east": "periodic", "south_north": "closed"}
    closed = read(mine.assign_attrs(west_east="closed"))
    assert closed.attrs["west_east"] == "closed"
    assert (closed.alpha_j.values[..., 0] == 0).all(), "nothing crosses a closed side"


def test_a_doubly_periodic_grid(mine, read):
    """The north side is the south side: its faces are given once or twice, and must be the same."""
    south = np.random.default_rng(0).uniform(1e9, 2e9, (2, 40, 48))
    everywhere = mine.drop_vars("alpha_i").assign(
        alpha_i=(("sample", "y", "x"), south),
        alpha_j=(("sample", "y", "x"), south),
        w=(("y", "x"), np.full((40, 48), 1e10)),
        mask=(("y", "x"), np.ones((40, 48))),
    )
    everywhere.attrs = {"west_east": "periodic", "south_north": "periodic"}
    once = read(everywhere)
    assert (once.alpha_i.values[:, -1] == south[:, 0]).all()
    whole = np.concatenate([south, south[:, :1]], axis=1)
    twice = read(everywhere.drop_vars("alpha_i").assign(alpha_i=(("sample", "face", "x"), whole)))
    assert (twice.alpha_i.values == once.alpha_i.values).all()
    whole[:, -1] *= 2
    with pytest.raises(Refusal, match="south_north=periodic: its last row must be its first row"):
        read(everywhere.drop_vars("alpha_i").assign(alpha_i=(("sample", "face", "x"), whole)))


def test_the_north_fold_has_one_diffusivity_per_face(mine, read):
    folded = mine.assign(mask=(("y", "x"), np.ones((40, 48))), w=(("y", "x"), np.full((40, 48), 1e10)))
    folded = folded.assign(alpha_j=(("sample", "y", "x"), np.full((2, 40, 48), 1e9)))
    folded.attrs = {"south_north": "fold"}
    folded.alpha_i.values[:] = 1e9
    assert (read(folded).alpha_i.values[:, -1] == 1e9).all()
    folded.alpha_i.values[:, -1, 3] = 2e9
    with pytest.raises(Refusal, match="south_north=fold: its last row must be symmetric"):
        read(folded)


# --- refused -----------------------------------------------------------------------------------------------


def refused(act: Callable[[], object], words: str) -> None:
    """A Refusal of one line that names the file."""
    with pytest.raises(Refusal, match=words) as caught:
        act()
    assert "\n" not in str(caught.value)
    assert "my_fields.nc" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"alpha_i,alpha_j\n1,2\n", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_what_is_no_netcdf(source, tmp_path, content):
    path = tmp_path / "my_fields.nc"
    path.write_bytes(content)
    refused(lambda: source.read(path), "cannot read .* as NetCDF")


def test_no_file_or_a_folder(source, tmp_path):
    path = tmp_path / "my_fields.nc"
    refused(lambda: source.read(path), "is not there: give a NetCDF file")
    path.mkdir()
    refused(lambda: source.read(path), "neither a folder X nor a folder with Bmod_dif")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file(source, mine, tmp_path, share):
    path = tmp_path / "my_fields.nc"
    mine.to_netcdf(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(lambda: source.read(path), "cannot read .* as NetCDF")


@pytest.mark.parametrize("name", ["alpha_i", "alpha_j", "w", "mask"])
def test_a_missing_variable(mine, read, name):
    others = ", ".join(other for other in ("alpha_i", "alpha_j", "w", "mask") if other != name)
    refused(lambda: read(mine.drop_vars(name)), f"lacks {name}: it has {others}")


def test_no_variable_at_all(read):
    refused(lambda: read(xr.Dataset()), "lacks alpha_i, alpha_j, w, mask: it has no variable")


def test_no_sample(mine, read):
    refused(lambda: read(mine.isel(sample=slice(0))), "holds no sample: give at least one")


def shaped(name: str, *shape: int) -> Change:
    """The variable replaced by one of another shape."""
    dims = [f"{name}_{axis}" for axis in range(len(shape))]
    return lambda dataset: dataset.drop_vars(name).assign({name: (dims, np.ones(shape))})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (shaped("w", 2, 40, 48), r"w in .* has the shape \(2, 40, 48\)"),
        (shaped("w", 40), r"w in .* has the shape \(40,\)"),
        (shaped("mask", 40, 47), r"mask in .* has the shape \(40, 47\)"),
        (shaped("alpha_i", 2, 42, 48), r"alpha_i in .* has the shape \(2, 42, 48\)"),
        (shaped("alpha_i", 2, 41, 49), r"alpha_i in .* has the shape \(2, 41, 49\)"),
        (shaped("alpha_j", 2, 41, 48), r"alpha_j in .* has the shape \(2, 41, 48\)"),
        (shaped("alpha_j", 48), r"alpha_j in .* has the shape \(48,\)"),
        (shaped("alpha_j", 1, 1, 40, 48), r"alpha_j in .* has the shape \(1, 1, 40, 48\)"),
        (shaped("gamma", 2, 48, 40), r"gamma in .* has the shape \(2, 48, 40\)"),
    ],
)
def test_wrong_dimensions(mine, read, change, words):
    refused(lambda: read(change(mine.assign(gamma=mine.alpha_j))), words)


@pytest.mark.parametrize("name", ["alpha_j", "gamma"])
def test_different_numbers_of_samples(mine, read, name):
    fields = shaped(name, 3, 40, 48)(mine.assign(gamma=mine.alpha_j))
    refused(lambda: read(fields), "different numbers of samples")


@pytest.mark.parametrize("name", ["alpha_i", "alpha_j", "w", "gamma"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_impossible_values_at_sea(mine, read, name, value):
    cell = sea_cell(mine)
    fields = mine.assign(gamma=xr.full_like(mine.alpha_j, 1e5))
    fields[name].values[..., cell[0], cell[1]] = value
    negative = "negative in 2 places" if name.startswith("alpha") else "finite and positive at sea"
    bad = "2 NaN or infinite values between sea cells" if name.startswith("alpha") else "finite and positive at sea"
    refused(lambda: read(fields), f"{name} in .*{negative if value == -1.0 else bad}")


@pytest.mark.parametrize("value", [0.5, 2, -1, np.nan])
def test_a_mask_of_other_numbers(mine, read, value):
    mask = mine.mask.values.astype(float)
    mask[0, 0] = value
    refused(lambda: read(mine.assign(mask=(("y", "x"), mask))), "mask in .* must be 1 at sea and 0 on land")


def test_no_sea(mine, read):
    refused(lambda: read(mine.assign(mask=xr.zeros_like(mine.mask))), "no sea cell")


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [("alpha_i", "km2", "m2"), ("w", "km2", "m2"), ("alpha_j", "m", "m2"), ("gamma", "km", "m")],
)
def test_wrong_units(mine, read, name, given, wanted):
    fields = mine.assign(gamma=xr.full_like(mine.alpha_j, 1e5))
    fields[name].attrs["units"] = given
    refused(lambda: read(fields), f"{name} in .* is in '{given}': convert it to {wanted}")


@pytest.mark.parametrize(
    "sides", [{"west_east": "round"}, {"south_north": "open"}, {"west_east": "closed", "south_north": "fold"}]
)
def test_an_unknown_topology(mine, read, sides):
    refused(lambda: read(mine.assign_attrs(sides)), "has attributes that do not fit")


def test_what_is_no_number(mine, read):
    words = np.full(mine.w.shape, "large")
    for name in ("w", "mask"):
        fields = mine.assign({name: (("y", "x"), words)})
        refused(lambda fields=fields: read(fields), f"{name} in .* must hold numbers")


def test_areas_in_other_units_than_diffusivities(mine, read):
    """alpha in m2 and w in km2, without a word about it."""
    refused(lambda: read(mine.assign(w=mine.w / 1e6)), "length scales of .* cells.*same unit")


def test_places_that_the_file_does_not_tell_are_not_called_latitudes(source, mine, read):
    """They serve the features and figures, and no file of predictions has them."""
    samples = read(mine)
    assert samples.lat.attrs == {"units": "1", "long_name": "row of the cell"}
    predicted = NormalizationEvaluation().dataset(samples, np.ones((2, *samples.mask.shape)))
    assert not {"lat", "lon"} & set(predicted.coords)
    there = read(mine.assign_coords(lat=source.samples("train").lat, lon=source.samples("train").lon))
    known = NormalizationEvaluation().dataset(there, np.ones((2, *samples.mask.shape)))
    assert known.lat.attrs["units"] == "degrees_north"
