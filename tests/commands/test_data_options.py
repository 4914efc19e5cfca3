"""Options of the data at commands that load a run: one mechanism at predict, evaluate and export, and from Python."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from omegaconf import OmegaConf

import dlgd as package
from dlgd.cli.data_options import of_command, take
from dlgd.core.errors import Refusal
from dlgd.core.paths import ROOT

LORENZ = "dlgd.problems.lorenz.data.lorenz.Lorenz63Data"
MNIST = "dlgd.problems.images.data.digits.Mnist"
OPERATORS = "dlgd.problems.normalization.data.simulated.NormalizationCoefficients"
VOLUMES = "dlgd.problems.normalization.data.ocean_full.FullOcean"
RUN = ROOT / "tests" / "frozen" / "runs" / "nemovar_resnet"


@pytest.fixture
def run(tmp_path) -> Path:
    return Path(shutil.copytree(RUN, tmp_path / "run"))


@pytest.fixture
def open_box(tmp_path) -> Path:
    """Fields of a box in the sea, with open faces all around, which do not say what lies beyond."""
    rng = np.random.default_rng(0)
    fields = {
        "alpha_i": (("y_face", "x"), rng.uniform(1e9, 2e9, (13, 16))),
        "alpha_j": (("y", "x"), rng.uniform(1e9, 2e9, (12, 16))),
        "w": (("y", "x"), np.full((12, 16), 2.5e9)),
        "mask": (("y", "x"), np.ones((12, 16), "int8")),
    }
    xr.Dataset(fields).to_netcdf(tmp_path / "box.nc")
    return tmp_path / "box.nc"


def test_predict(dlgd, run, open_box, tmp_path):
    words = ["predict", f"run={run}", f"input={open_box}", f"output={tmp_path}/gamma.nc"]
    done = dlgd(*words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "type data.south_north=closed" in done.stderr
    sides = ["data.west_east=closed", "data.south_north=closed"]
    done = dlgd(*words, *sides)
    assert done.returncode == 0, done.stderr
    found = xr.load_dataset(tmp_path / "gamma.nc").gamma_predicted
    said = xr.load_dataset(open_box).assign_attrs(west_east="closed", south_north="closed")
    np.testing.assert_array_equal(package.load(run, device="cpu").predict(said).gamma_predicted, found)
    again = package.load(run, device="cpu")
    options = {"west_east": "closed", "south_north": "closed"}
    np.testing.assert_array_equal(again.predict(str(open_box), data=options).gamma_predicted, found)
    done = dlgd(*words, "data=mercator", *sides)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(xr.load_dataset(tmp_path / "gamma.nc").gamma_predicted, found)


def test_a_check_and_a_repair(dlgd, run, tmp_path):
    """Of a network of a few steps, which is wrong almost everywhere."""
    file = ROOT / "tests" / "frozen" / "inputs" / "nemovar_resnet.nc"
    words = ["predict", f"run={run}", f"input={file}", f"output={tmp_path}/gamma.nc"]
    done = dlgd(*words, "check=20", "tolerance=0.01")
    assert done.returncode == 0, done.stderr
    assert "sample 0: on 20 cells the largest error of gamma^2 was" in done.stdout + done.stderr
    found = xr.load_dataset(tmp_path / "gamma.nc")
    exact = found.exact.values == 1
    assert exact.any()
    assert np.abs(found.relative_error.values[exact]).max() < 1e-3
    plain = package.load(run, device="cpu").predict(str(file))
    np.testing.assert_array_equal(found.gamma_predicted.values[~exact], plain.gamma_predicted.values[~exact])
    again = package.load(run, device="cpu").predict(str(file), check=20, tolerance=0.01)
    np.testing.assert_array_equal(found.gamma_predicted, again.gamma_predicted)
    for word, said in (
        ("check=0", "check=0 must be a whole number"),
        ("tolerance=2", "tolerance=2 must be a number from"),
    ):
        done = dlgd(*words, "check=20", word)
        assert done.returncode == 2
        assert said in done.stderr
    assert found.check_passed == 1
    done = dlgd(*words, "check=20", "seconds=1e-9")
    assert done.returncode == 1
    failed = xr.load_dataset(tmp_path / "gamma.nc")
    assert failed.check_passed == 0
    assert "still above 0.01" in failed.check
    np.testing.assert_array_equal(failed.gamma_predicted, plain.gamma_predicted)
    done = dlgd(*words, "tolerance=1e-3")
    assert done.returncode == 2
    sentence = "tolerance=0.001 has no effect without check: give check=50"
    assert sentence in done.stderr
    with pytest.raises(Refusal, match=sentence):
        package.load(run, device="cpu").predict(str(file), tolerance=1e-3)
    with pytest.raises(Refusal, match="seconds=5 has no effect without check"):
        package.load(run, device="cpu").predict(str(file), seconds=5)


def test_no_check_where_nothing_exact_is_known(dlgd, tmp_path):
    run = Path(shutil.copytree(RUN.parent / "lorenz63_fourdvarnet", tmp_path / "run"))
    file = ROOT / "tests" / "frozen" / "inputs" / "lorenz63_fourdvarnet.nc"
    done = dlgd("predict", f"run={run}", f"input={file}", f"output={tmp_path}/x.nc", "check=5")
    assert done.returncode == 2
    assert "predictions for data=lorenz63 cannot be checked against exact answers" in done.stderr
    assert not (tmp_path / "x.nc").exists()


def test_evaluate(dlgd, run, tmp_path):
    """With options of the run's own data: another split of the same name stands in a folder of its own."""
    file = ROOT / "tests" / "frozen" / "inputs" / "nemovar_resnet.nc"
    done = dlgd("evaluate", f"run={run}", f"input={file}", "data.south_north=closed", "data.padding.rows=0")
    assert done.returncode == 0, done.stderr
    rows = json.loads((run / "evaluation" / file.stem / "scores.json").read_text())
    assert [row["method"] for row in rows][:2] == ["resnet", "homogeneous"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("data.paddings.rows=3", "data.paddings is no option.*did you mean data.padding"),
        ("data.padding=3", "data.padding=3 must be names with values"),
        ("data.west_east=round", "data.west_east=round is unknown"),
        ("data.features=standardized", "the network was trained with data.features=dimensionless"),
        ("data.area_step=0.3", "data.area_step=0.3 says what a network sees.*trained with data.area_step=0.05"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_refused_before_the_file_is_read(dlgd, run, command, word, said):
    output = ["output=gamma.nc"] if command == "predict" else []
    done = dlgd(command, f"run={run}", "input=nowhere.nc", *output, word)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert re.search(said, done.stderr)


def test_only_where_the_run_has_the_data():
    """Commands with a data set of their own take these words as before, and so do flags and other options."""
    words = ["data.padding.rows=3", "+data.faces=auto", "data=mercator", "input=data.nc", "--cfg", "job"]
    added = ["++data.padding.rows=3", "++data.faces=auto", "data=mercator", "input=data.nc", "--cfg", "job"]
    for name in ("predict", "evaluate", "export"):
        assert take(words, name) == added
    for name in ("config", "baseline", "simulate", "compare"):
        assert take(words, name) == words


def test_another_data_set_keeps_the_method_of_the_first_guess():
    """A network that starts from 4D-Var would make nothing of interpolated observations."""
    trained = OmegaConf.create({"data": {"first_guess": {"method": {"_target_": "weak", "starts": 2}}}})
    other = OmegaConf.create({"data": {"_target_": LORENZ, "first_guess": {"method": None, "observation_draws": 1}}})
    found = of_command(other, trained)
    assert OmegaConf.to_container(found.data.first_guess) == {
        "method": {"_target_": "weak", "starts": 2},
        "observation_draws": 1,
    }
    typed = OmegaConf.create({"data": {"_target_": LORENZ, "first_guess": {"method": {"_target_": "oi"}}}})
    assert of_command(typed, trained) == typed
    without = OmegaConf.create({"data": {"_target_": MNIST}})
    assert of_command(without, trained) == without


def test_another_data_set_gives_what_the_network_sees():
    """A network that starts from the separable form keeps it on data that have another one by default."""
    trained = OmegaConf.create({"data": {"features": "dimensionless", "closed_form": "separable", "seed": 3}})
    options = {"_target_": OPERATORS, "features": "dimensionless", "closed_form": "bridge", "seed": 0}
    found = of_command(OmegaConf.create({"data": options}), trained)
    assert OmegaConf.to_container(found.data) == options | {"closed_form": "separable"}


def test_a_run_from_before_an_option_keeps_what_it_was_trained_with():
    """Its record has no area_step, the default of which it was trained with."""
    trained = OmegaConf.create({"data": {"_target_": OPERATORS, "closed_form": "separable"}})
    typed = OmegaConf.create({"data": {"_target_": OPERATORS, "closed_form": "separable", "area_step": 0.3}})
    assert of_command(typed, trained).data.area_step == 0.05
    volumes = OmegaConf.create({"data": {"_target_": VOLUMES, "closed_form": "separable"}})
    typed = OmegaConf.create({"data": {"_target_": VOLUMES, "closed_form": "separable", "area_step": 0.05}})
    assert of_command(typed, volumes).data.area_step == 0.3


def test_a_network_keeps_what_it_sees():
    """The number of channels is the same with another area_step, so that the network would answer."""
    trained = OmegaConf.create({"data": {"_target_": OPERATORS, "closed_form": "separable", "seed": 3}})
    with pytest.raises(Refusal, match=r"^data.area_step=0.3 says what a network sees"):
        of_command(OmegaConf.create({"data": {"area_step": 0.3}}), trained)
    same = of_command(OmegaConf.create({"data": {"area_step": 0.05, "seed": 4}}), trained)
    assert same.data.seed == 4
