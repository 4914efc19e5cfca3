"""Samples of a data set that were changed since are checked as those of a person, and never scored unseen."""

from __future__ import annotations

import numpy as np
import pytest

import dlgd
from dlgd.core.paths import ROOT
from tests.configs.config_files import choices_of, tiny, with_choice

pytestmark = pytest.mark.usefixtures("cached")

CHANGES = {
    "bytes": (lambda s: s.assign(intensity=s.intensity * 255), r"^intensity in the Dataset must lie between 0 and 1"),
    "no truth": (lambda s: s.drop_vars("intensity"), "^the Dataset has no intensity to compare with"),
    "nothing given": (lambda s: s.drop_vars("given"), "^the Dataset lacks given: it has"),
    "one": (lambda s: s.isel(sample=0), "^intensity in the Dataset has y=28, x=28: sample, y, x with"),
    "none": (lambda s: s.isel(sample=slice(0, 0)), "^the Dataset holds no sample"),
    "renamed": (lambda s: s.rename(y="row"), "^intensity in the Dataset has sample=20, row=28, x=28"),
}


@pytest.fixture
def run(digits, monkeypatch) -> dlgd.Run:
    """A run for these samples, without the training."""
    found = dlgd.load(ROOT / "tests" / "frozen" / "runs" / "digits_cnn", device="cpu")
    _, _, network, checkpoint = found.built
    config = found.config.copy()
    config.update({name: digits.config[name] for name in ("data", "evaluation")})
    found.__dict__ |= {"config": config, "built": (config, digits.source, network, checkpoint), "data": digits}
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_changed_samples_are_checked(change, digits, run):
    changed, sentence = CHANGES[change]
    samples = changed(digits.samples("test"))
    with pytest.raises(dlgd.Refusal, match=sentence):
        dlgd.method("identity").evaluate(samples)
    with pytest.raises(dlgd.Refusal, match=sentence):
        run.evaluate(samples, methods=False)


def test_turned_samples_are_turned_back(digits):
    test, method = digits.samples("test"), dlgd.method("pca", modes=4)
    answer = method.predict(test)
    turned = method.predict(test.transpose("y", "x", "sample"))
    np.testing.assert_array_equal(turned.intensity_predicted, answer.intensity_predicted)
    assert turned.intensity_predicted.dims == ("sample", "y", "x")
    assert "intensity" not in method.predict(test.drop_vars("intensity"))
    with pytest.raises(dlgd.Refusal, match=r"^samples must be an xarray Dataset, not str: open a file by"):
        method.predict("mine.nc")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", choices_of("data"))
def test_unchanged_samples_are_known_again(name):
    """Nothing is read again, which could take long, or lose what a method needs besides what a file must have."""
    from dlgd.interface import data as data_sets

    config = with_choice("data", name)
    made = dlgd.Data(config, source=tiny(config))
    samples, tag = data_sets.apart(made.samples("test"))
    assert data_sets.is_given(samples, tag)
    assert data_sets.is_given(samples.isel(sample=[0]).copy(deep=True), tag)
    for variable in samples.data_vars:
        assert not data_sets.is_given(samples.drop_vars(variable), tag)
        assert not data_sets.is_given(samples.rename({variable: "other"}), tag)
        changed = samples.copy(deep=True)
        values = changed[variable].values.copy()
        values.reshape(-1)[-1:].view(np.uint8)[0] ^= 1  # a single bit
        changed = changed.assign({variable: changed[variable].copy(data=values)})
        assert not data_sets.is_given(changed, tag)
    assert not data_sets.is_given(samples.assign_attrs(more=1), tag)
