"""M, the number of diffusion steps: of simulated data, of files, of methods, and of a trained network."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics import separable
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.halo import Topology
from dlgd.physics.normalization import brute_force, exact, homogeneous, randomization
from dlgd.problems.normalization import methods
from dlgd.problems.normalization.data import fields
from tests.problems.normalization.data.small_data import make, options_of, ready
from tests.problems.normalization.report_files import source, write_nemo

SIX = {"steps": 6, "samples": {"train": 1, "valid": 1, "test": 1}}


@pytest.fixture(scope="module")
def six() -> xr.Dataset:
    data = make("mercator", **SIX)
    data.prepare()
    return data.samples("test")


@pytest.mark.parametrize("name", ["nemovar", "mercator", "latlon", "regional", "several_grids", "ocean"])
def test_it_is_an_option_of_all_simulated_data(name):
    """Only what a YAML file names can be typed at a training."""
    assert options_of(name)["steps"] == 10


@pytest.mark.parametrize("steps", [2, 4, 6, 8, 12, 20])
def test_all_methods_against_brute_force(steps):
    """Probing is exact at any M, and randomization within its noise."""
    samples = ready("mercator").samples("test")
    (operator,) = fields.operators(fields.with_steps(samples, steps))
    assert operator.steps == steps
    cells = np.argwhere(samples.distance.values > 6)[::40]
    expected = brute_force(operator, cells) ** 2
    at = tuple(cells.T)

    def error(gamma: np.ndarray) -> np.ndarray:
        return np.abs(gamma[at] ** 2 / expected - 1)

    assert error(exact(operator, 1e-6)).max() < 1e-6
    assert np.median(error(randomization(operator, 2000, np.random.default_rng(0)))) < 0.05


@pytest.mark.parametrize("steps", [2, 4, 6, 8, 12, 20])
def test_closed_forms_where_all_is_the_same(steps):
    r = np.full((48, 48), 0.3)
    sea, sides = np.ones((48, 48), bool), Topology("periodic", "periodic")
    operator = Diffusion(np.concatenate([r, r[:1]]), 2 * r, np.ones_like(r), sea, sides, steps)
    expected = brute_force(operator, np.array([[5, 7]]))[0] ** 2
    np.testing.assert_allclose(homogeneous(operator) ** 2, expected, rtol=1e-6)
    np.testing.assert_allclose(separable.separable(operator) ** 2, expected, rtol=1e-3)


def test_simulated_data(six):
    (operator,) = fields.operators(six)
    assert (fields.steps(six), operator.steps) == (6, 6)
    cells = np.argwhere(operator.sea)[::100]
    np.testing.assert_allclose(six.gamma.values[0][tuple(cells.T)], brute_force(operator, cells), rtol=1e-4)
    assert "steps" not in ready("mercator").samples("test").coords, "10 is not written, as before"


def test_classical_methods(six):
    found = methods.exact(tolerance=1e-4, device="cpu").predict(six)
    np.testing.assert_allclose(found, six.gamma, rtol=1e-4)


def test_the_folder_in_the_cache_tells_it(monkeypatch, tmp_path):
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path))
    folders = [make("mercator", in_memory=False, steps=steps)._folder for steps in (10, 6)]
    assert folders[0] == make("mercator", in_memory=False)._folder
    assert folders[0] != folders[1]


@pytest.mark.parametrize("steps", [0, 3, -2, 2.5, 62, True])
def test_numbers_that_cannot_be(steps):
    with pytest.raises(Refusal, match=r"data.steps=.* must be an even number from 2 to 60"):
        make("mercator", steps=steps).check()


# --- files -----------------------------------------------------------------------------------------------------


@pytest.fixture
def written(six, tmp_path):
    bare = six[["alpha_i", "alpha_j", "w", "mask", "gamma"]].drop_vars("steps", errors="ignore")

    def write(change=lambda one: one):
        change(bare).to_netcdf(tmp_path / "my_fields.nc")
        return tmp_path / "my_fields.nc"

    return write


def test_found_from_gamma(written, caplog):
    caplog.set_level(logging.INFO)
    found = make("mercator").read(written())
    assert fields.steps(found) == 6
    assert "differs from the operator by" in caplog.text
    assert "with M = 6 steps by" in caplog.text


@pytest.mark.parametrize("said", ["attribute", "variable"])
def test_said_by_the_file(written, said):
    say = {
        "attribute": lambda one: one.drop_vars("gamma").assign_attrs(steps=6),
        "variable": lambda one: one.drop_vars("gamma").assign(steps=6),
    }[said]
    assert fields.steps(make("mercator").read(written(say))) == 6
    with pytest.raises(Refusal, match=r"with M = 6 steps by .*is M = 6 \(data.steps=6\)"):
        make("mercator").read(written(lambda one: one.assign_attrs(steps=8)))
    with pytest.raises(Refusal, match=r"steps in .* must be an even number"):
        make("mercator").read(written(lambda one: one.assign_attrs(steps=7)))


def test_a_folder(six, folder):
    write_nemo(folder, six)
    found = source(folder, grid="mercator")
    found.prepare()
    assert (found.steps, fields.steps(found.samples("train"))) == (6, 6)
    with pytest.raises(Refusal, match="with M = 6 steps by"):
        source(folder, grid="mercator", steps=10).prepare()
    for file in folder.glob("*/Bmod_cor*"):
        file.unlink()
    computed = source(folder, grid="mercator", steps=6)
    np.testing.assert_allclose(computed.samples("test").gamma, six.gamma, rtol=1e-4)
    assert fields.steps(source(folder, grid="mercator").samples("test")) == 10


# --- networks --------------------------------------------------------------------------------------------------


def test_a_network_keeps_its_number(written):
    """As a checkpoint does: the statistics of the training tell it."""
    trained = make("mercator", **SIX)
    assert trained.statistics == {"steps": 6.0}
    assert make("mercator").statistics == {}, "10 is not written, as before"
    loaded = make("mercator", **SIX)
    loaded.use_statistics(trained.statistics)
    assert len(list(loaded.encode(loaded.read(written()), halo=2, device="cpu"))) == 1
    with pytest.raises(Refusal, match=r"data.steps=6 is not M = 10"):
        make("mercator", **SIX).use_statistics({})
    other = make("mercator")
    other.use_statistics({})
    with pytest.raises(Refusal, match="of M = 6 diffusion steps, and the network was trained with M = 10"):
        list(other.encode(other.read(written()), halo=2, device="cpu"))
    from_files = source(None)
    from_files.use_statistics({"steps": 6.0})
    assert from_files.steps == 6
