"""What lies beyond the sides of a person's file: said, shown by its fields, or refused."""

from __future__ import annotations

import functools
import logging

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from tests.problems.normalization.data.small_data import make, read_back, ready
from tests.problems.normalization.report_files import simulated, write_nemo

BOX = np.s_[12:30, 5:40]  # where there is sea all around


@pytest.fixture
def read(tmp_path):
    return functools.partial(read_back, tmp_path, "nemovar")


@pytest.fixture(scope="module")
def whole() -> xr.Dataset:
    """A grid that goes around, with sea on both sides of its seam, and no attribute."""
    samples = ready("mercator").samples("test").isel(sample=[0])
    bare = samples[["alpha_i", "alpha_j", "w", "mask"]].assign_coords(lat=samples.lat, lon=samples.lon)
    return bare.drop_attrs(deep=True)


@pytest.fixture(scope="module")
def region(whole) -> xr.Dataset:
    """A box at sea of that grid, whose outer faces are as open as within the grid."""
    rows, columns = BOX
    cells = whole.isel(y=rows, x=columns)
    return cells.isel(y_face=slice(rows.start, rows.stop + 1))


def without_place(samples: xr.Dataset) -> xr.Dataset:
    return samples.drop_vars(["lat", "lon"])


def closed(samples: xr.Dataset) -> xr.Dataset:
    """The same with closed outer faces."""
    samples = samples.copy(deep=True)
    samples.alpha_i.values[:, [0, -1]] = 0
    samples.alpha_j.values[..., 0] = 0
    return samples


def kind(samples: xr.Dataset) -> tuple[str, str]:
    return samples.attrs["west_east"], samples.attrs["south_north"]


@pytest.mark.parametrize("located", [True, False])
def test_shown_by_the_fields(whole, region, read, located, caplog):
    caplog.set_level(logging.INFO)
    change = (lambda one: one) if located else without_place
    assert kind(read(change(whole))) == ("periodic", "closed")
    assert "does not say what lies beyond its sides and is read with west_east=periodic, as" in caplog.text
    assert kind(read(change(closed(region)))) == ("closed", "closed")


@pytest.mark.parametrize("located", [True, False])
def test_a_fold_is_recognized(read, located):
    folded = simulated("tripolar").isel(sample=[0]).drop_attrs(deep=True)
    assert kind(read(folded if located else without_place(folded))) == ("periodic", "fold")


@pytest.mark.parametrize("located", [True, False])
def test_an_open_region_is_refused_until_its_sides_are_said(region, read, located):
    box = region if located else without_place(region)
    with pytest.raises(
        Refusal, match=r"sea touches the west and the east side in \d+ rows.*type data.west_east=closed"
    ):
        read(box)
    with pytest.raises(Refusal, match=r"sea touches the south side .*in \d+ columns.*type data.south_north=closed"):
        read(box, west_east="closed")
    found = read(box, west_east="closed", south_north="closed")
    assert kind(found) == ("closed", "closed")
    assert not found.alpha_i.values[:, [0, -1]].any()
    assert kind(read(box.assign_attrs(west_east="closed", south_north="closed"))) == ("closed", "closed")


def test_no_row_for_the_north_side(region, read):
    box = closed(region)
    rows = box.alpha_i.values[:, :-1]
    box = box.drop_vars("alpha_i").assign(alpha_i=(("sample", "y", "x"), rows))
    with pytest.raises(Refusal, match=r"alpha_i has no row for that side: type data.south_north=closed"):
        read(box)
    assert kind(read(box, south_north="closed")) == ("closed", "closed")


def test_fields_that_are_the_same_everywhere_show_nothing(region, read):
    box = without_place(closed(region))
    box.alpha_j.values[:] = 1e9
    with pytest.raises(Refusal, match=r"nothing says what lies beyond"):
        read(box)


def test_an_option_counts_before_the_attribute(whole, read, caplog):
    found = read(whole.assign_attrs(west_east="periodic"), west_east="closed")
    assert found.attrs["west_east"] == "closed"
    assert "data.west_east=closed counts, and not the attribute periodic" in caplog.text


def test_a_folder_that_its_coordinates_contradict(tmp_path):
    """A grid that is closed in the north, with sea there, is no tripolar one."""
    samples = simulated("mercator").isel(y=slice(0, 30), y_face=slice(0, 31)).copy(deep=True)
    samples.alpha_i.values[:, -1] = 0
    write_nemo(tmp_path / "report", samples, gamma=False)
    with pytest.raises(Refusal, match=r"data.grid=tripolar folds in the north, but the coordinates of .* do not"):
        make("nemovar").read(tmp_path / "report")
    assert kind(make("nemovar", grid="mercator").read(tmp_path / "report")) == ("periodic", "closed")
    found = make("nemovar", grid="mercator", west_east="closed").read(tmp_path / "report")
    assert kind(found) == ("closed", "closed")
    assert not found.alpha_j.values[..., 0].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"west_east": "round"}, "data.west_east=round is unknown"),
        ({"south_north": "open"}, "data.south_north=open is unknown"),
        ({"west_east": "closed", "south_north": "fold"}, "data.south_north=fold needs data.west_east=periodic"),
    ],
)
def test_options_that_cannot_work(options, words):
    with pytest.raises(Refusal, match=words):
        make("nemovar", **options).check()
