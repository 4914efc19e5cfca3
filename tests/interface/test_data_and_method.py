"""Data sets and classical methods by their names."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import dlgd
from dlgd.interface import data as data_sets
from dlgd.scoring.cached_method import CachedMethod

pytestmark = pytest.mark.usefixtures("cached")

NEMOVAR = {
    "rows": 40, "columns": 48, "coast": "random", "samples": {"train": 2, "test": 1}, "patch": 16,
    "tolerance": {"evaluation": 1e-4},
}  # fmt: skip
LORENZ = {"samples": {"train": 20, "valid": 2, "test": 2}, "gap": 10}


def test_samples(digits):
    train = digits.samples("train")
    assert (train.sizes["sample"], train.intensity.attrs["units"]) == (100, "1")
    assert digits.spec.output_channels == ("intensity",)
    assert repr(digits).endswith("100 train, 20 valid, 20 test>")
    with pytest.raises(dlgd.Refusal, match="split=tests is unknown"):
        digits.samples("tests")
    with pytest.raises(dlgd.Refusal, match=r"data=mnist5k is unknown: .*did you mean mnist_5k"):
        dlgd.data("mnist5k")
    with pytest.raises(dlgd.Refusal, match=r"data\.task=denoised is unknown"):
        dlgd.data("mnist_5k", task="denoised")


@pytest.mark.parametrize(
    ("name", "options", "method", "variable"),
    [
        ("nemovar", NEMOVAR, "separable", "gamma_predicted"),
        ("lorenz63", LORENZ, "linear_in_time", "state_predicted"),
    ],
)
def test_samples_say_whose_they_are(name, options, method, variable):
    test = dlgd.data(name, **options).samples("test")
    made = dlgd.method(method)
    fields = made.predict(test.isel(sample=[0]))
    assert fields.sizes["sample"] == 1
    assert np.isfinite(fields[variable].values).any()
    assert data_sets.TAG not in fields.attrs
    assert made.evaluate(test).shape[0] == 1


def test_a_method_that_learns_is_fitted_to_the_train_split(digits, monkeypatch):
    test, keys = digits.samples("test"), []
    place = CachedMethod._place
    monkeypatch.setattr(CachedMethod, "_place", lambda *given: keys.append(place(*given)) or keys[-1])
    by_samples = dlgd.method("pca", modes=4).predict(test)
    by_data = dlgd.method("pca", modes=4, data=digits).predict(test)
    xr.testing.assert_identical(by_samples, by_data)
    assert len(set(keys)) == 1, "the answers are cached once"
    bare = test.drop_attrs() if hasattr(test, "drop_attrs") else test.assign_attrs({data_sets.TAG: "?"})
    with pytest.raises(dlgd.Refusal, match="nothing says of which data set"):
        dlgd.method("pca", modes=4).predict(bare)
    mine = dlgd.method("pca", modes=4, data=digits).predict(bare)
    np.testing.assert_allclose(mine.intensity_predicted, by_data.intensity_predicted)
    with pytest.raises(dlgd.Refusal, match="the Dataset lacks given"):
        dlgd.method("pca", data=digits).predict(bare.drop_vars("given"))


def test_methods_are_refused_as_at_the_command():
    with pytest.raises(dlgd.Refusal, match=r"baseline\.modess is no option: .*did you mean baseline.modes"):
        dlgd.method("pca", modess=4)
    with pytest.raises(dlgd.Refusal, match="baseline=pcaa is unknown"):
        dlgd.method("pcaa")


def test_a_stranger_s_file_names_no_data_set():
    """An attribute is looked up among the data sets of this process; nothing is built from its words."""
    theirs = xr.Dataset({"intensity": ("sample", [0.0])}, attrs={data_sets.TAG: "data._target_=os.system"})
    with pytest.raises(dlgd.Refusal, match="nothing says of which data set"):
        dlgd.method("pca").predict(theirs)
