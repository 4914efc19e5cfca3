"""Files whose gamma is not that of their operator: caught, and the mistake named with its figures."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics.diffusion import Diffusion, open_faces
from dlgd.physics.halo import Topology
from dlgd.physics.normalization import exact
from dlgd.problems.normalization.data import fields
from tests.problems.normalization.data.small_data import make, read_back, ready
from tests.problems.normalization.report_files import COEFFICIENTS, DIFFUSIVITIES, simulated, source, write_nemo

Change = Callable[[xr.Dataset], object]


@pytest.fixture(scope="module")
def whole() -> xr.Dataset:
    """Two samples as a person may write them, with exact gamma."""
    samples = ready("mercator").samples("train")
    wanted = samples[["alpha_i", "alpha_j", "w", "mask", "gamma"]]
    return wanted.assign_coords(lat=samples.lat, lon=samples.lon)


@pytest.fixture
def mine(whole) -> xr.Dataset:
    return whole.copy(deep=True)


@pytest.fixture
def read(tmp_path):
    return functools.partial(read_back, tmp_path, "mercator")


def scaled(*, factor: float, power: float = 1.0) -> Change:
    def change(samples: xr.Dataset) -> None:
        for name in ("alpha_i", "alpha_j"):
            samples[name].values[:] = factor * samples[name].values ** power

    return change


def fill(samples: xr.Dataset) -> None:
    """Give closed faces a usual diffusivity, which those at land lose again."""
    for name in ("alpha_i", "alpha_j"):
        values = samples[name].values
        values[values == 0] = np.median(values[values > 0])


def of_the_other(samples: xr.Dataset) -> None:
    samples.gamma.values[:] = samples.gamma.values[::-1]


MISTAKES: list[tuple[Change, str]] = [
    (of_the_other, "with the gamma of sample 1 of .*: are their gamma exchanged"),
    (scaled(factor=1e-6), "with alpha_i and alpha_j in km2 by .*: are they in km2 and not in m2"),
    (lambda one: one.update({"gamma": one.gamma / 1e3}), "with gamma in km by"),
    (lambda one: one.update({"gamma": one.gamma**2}), "with gamma as its square by"),
    (lambda one: one.update({"gamma": one.gamma**-2}), "with gamma as a variance, F_pp by"),
]


@pytest.mark.parametrize(("change", "words"), MISTAKES)
def test_named_with_its_figures(mine, read, change, words):
    change(mine)
    figures = r"gamma\^2 of sample 0 of .* differs from the operator by .* in the median of 36 cells; "
    with pytest.raises(Refusal, match=f"{figures}{words}"):
        read(mine)
    assert "gamma" in read(mine, check_physics=False)


def test_what_explains_it_fits(mine, read):
    """The figure beside the suspicion is that of the tolerance, and the other one that of the mistake."""
    mine.gamma.values[:] *= 1.3
    with pytest.raises(Refusal, match=r"differs from the operator by 69 % .*nothing that was tried explains it"):
        read(mine)
    mine.gamma.values[:] *= np.sqrt(1.05) / 1.3
    assert "gamma" in read(mine)  # as of randomization


def test_an_exchange_that_changes_little_is_caught(read):
    """gamma^2 is nearly the same for K exchanged: it differs by less than fields of randomization do."""
    rows, columns = np.mgrid[:40, :48]
    k_i = 6e8 * (1 + 0.4 * np.sin(rows / 9) * np.cos(columns / 8))
    k_j = 6e8 * (1 - 0.3 * np.sin(rows / 7) * np.cos(columns / 9))
    sea, closed = np.ones(k_i.shape, bool), Topology("closed", "closed")
    south, west = open_faces(sea, closed)

    def operator(along_columns: np.ndarray, along_rows: np.ndarray) -> Diffusion:
        alpha_i = np.where(south, np.concatenate([along_columns, along_columns[-1:]]), 0.0)
        return Diffusion(alpha_i, np.where(west, along_rows, 0.0), np.full(sea.shape, 1e9), sea, closed)

    written = fields.base(*fields.places(sea.shape), np.full(sea.shape, 1e9), sea, closed).drop_vars(["lat", "lon"])
    gamma = exact(operator(k_i, k_j), 1e-4)
    assert "gamma" in read(written.merge(fields.sample(operator(k_i, k_j), gamma)))
    with pytest.raises(
        Refusal, match=r"by (0\.\d+|1\.\d+) % in the median.*with alpha_i and alpha_j exchanged by 0\.0"
    ):
        read(written.merge(fields.sample(operator(k_j, k_i), gamma)))


def test_right_samples_pass_without_a_word(mine, read, caplog):
    caplog.set_level(logging.WARNING)
    assert "steps" not in read(mine).coords
    assert not caplog.records


def test_land_that_was_sea_for_gamma(read):
    """gamma of an operator with K on land, whose faces a file need not close."""
    samples = simulated("mercator").isel(sample=[0]).drop_vars("gamma").copy(deep=True)
    fill(samples)
    samples.alpha_i.values[:, [0, -1]] = 0
    samples.w.values[:] = 8e9
    sea = samples.mask.values
    (operator,) = fields.operators(samples.assign(mask=xr.ones_like(samples.mask)))
    samples["gamma"] = samples.alpha_j.dims, np.where(sea, exact(operator, 1e-4), np.nan)[None]
    with pytest.raises(Refusal, match="was gamma computed with alpha_i and alpha_j above 0 on land"):
        read(samples)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_gamma_that_is_missing_at_sea_names_its_cells(mine, read, value):
    sea = np.argwhere(mine.mask.values)
    y, x = sea[len(sea) // 2]
    mine.gamma.values[1, y, x] = value
    with pytest.raises(Refusal, match=f"is not in row {y} column {x} of sample 1"):
        read(mine)


# --- without gamma ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (scaled(factor=1e-6), "with alpha_i and alpha_j in km2 they are .* cells"),
        (scaled(factor=1.0, power=0.5), "with alpha_i and alpha_j as length scales they are .* cells"),
    ],
)
def test_implausible_length_scales(mine, read, change, words):
    change(mine)
    with pytest.raises(Refusal, match=f"the length scales of sample 0 .* cells in the median.*{words}"):
        read(mine.drop_vars("gamma"))
    assert "alpha_i" in read(mine.drop_vars("gamma"), check_physics=False)


def test_rows_in_reverse_are_told_by_closed_faces(mine, read):
    for name in ("alpha_i", "alpha_j"):
        mine[name].values[:] = mine[name].values[:, ::-1]
    with pytest.raises(Refusal, match=r"are 0 on \d+ faces between sea cells .*the rows of .* in reverse order on 0 %"):
        read(mine.drop_vars("gamma"))


# --- folders ---------------------------------------------------------------------------------------------------


@pytest.fixture
def report(tmp_path) -> Path:
    """A folder whose lengths are those of a regular grid, but for its positions."""
    write_nemo(tmp_path / "report", simulated("mercator"))
    return tmp_path / "report"


def changed(file: Path, change: Change) -> None:
    dataset = xr.load_dataset(file)
    change(dataset)
    dataset.to_netcdf(file)


def swapped(one: xr.Dataset) -> None:
    one["K11"], one["K22"] = one.K22.copy(), one.K11.copy()


def roots(one: xr.Dataset) -> None:
    one.update({name: np.sqrt(one[name]) for name in ("K11", "K22")})


def in_km2(one: xr.Dataset) -> None:
    one.update({name: one[name] / 1e6 for name in ("K11", "K22")})


def northward(one: xr.Dataset) -> None:
    for name in ("K11", "K22"):
        one[name].values[:] = one[name].values[:, ::-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swapped, "with K11 and K22 exchanged .*: are they exchanged"),
        (northward, "with the rows of K11 and K22 in reverse order .*: do their rows run from the north to the south"),
        (roots, "with K11 and K22 as length scales by .*: are they length scales in m and not their squares"),
        (in_km2, "with K11 and K22 in km2 by"),
    ],
)
def test_a_folder(report, change, words):
    for file in report.glob(f"*/{DIFFUSIVITIES}"):
        changed(file, change)
    with pytest.raises(Refusal, match=words):
        source(report, grid="mercator").prepare()


def test_the_coefficients_of_another_sample(report):
    names = [report / f"PERTEN{n}" / COEFFICIENTS for n in (0, 1)]
    first, second = (file.read_bytes() for file in names)
    names[0].write_bytes(second)
    names[1].write_bytes(first)
    with pytest.raises(Refusal, match=r"of PERTEN0 differs .*with the gamma of PERTEN1 by .*are their gamma exchanged"):
        source(report, grid="mercator").prepare()


def test_diffusivities_on_land_that_nothing_tells(tmp_path):
    samples = simulated("mercator").copy(deep=True)
    samples.alpha_i.values[:] = 3e9
    samples.alpha_j.values[:] = 3e9
    write_nemo(tmp_path / "report", samples, gamma=False)
    with pytest.raises(Refusal, match=r"K11 and K22 of PERTEN0 are above 0 around all 1920 cells.*above 0 on land"):
        make("mercator", grid="mercator").read(tmp_path / "report")


def test_diffusivities_on_land_beside_gamma(report):
    def everywhere(one: xr.Dataset) -> None:
        for name in ("K11", "K22"):
            values = one[name].values
            values[values == 0] = np.median(values[values > 0])

    for file in report.glob(f"*/{DIFFUSIVITIES}"):
        changed(file, everywhere)
    with pytest.raises(
        Refusal, match=r"cells have diffusivities on all faces but no gamma.*K11 and K22 above 0 on land"
    ):
        source(report, grid="mercator").prepare()
    source(report, grid="mercator", check_physics=False).prepare()
