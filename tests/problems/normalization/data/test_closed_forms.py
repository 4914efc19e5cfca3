"""What a network knows of the closed form, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlgd.core.contract import Network, Output
from dlgd.physics import bridges, normalization, separable
from dlgd.problems.normalization.data import fields
from dlgd.problems.normalization.data.closed_forms import CLOSED_FORMS, GUESS, choose
from dlgd.scoring.trained import Trained
from tests.problems.normalization.data.small_data import ready


@pytest.fixture(params=CLOSED_FORMS)
def samples(request):
    return ready("nemovar", closed_form=request.param).samples("test"), choose(request.param)


def test_fields_of_order_one(samples):
    """NaN on land alone; no channel needs a scaling of its own."""
    samples, form = samples
    sea = samples.mask.values
    for name in (GUESS, *form.channels):
        field = samples[name].values
        assert (np.isfinite(field) == sea).all()
        assert samples[name].attrs["derived"] == 1
        if name != GUESS:
            assert 0.01 < np.abs(field[:, sea]).mean() < 3
            assert np.abs(field[:, sea]).max() < 10
    assert 0 < samples[GUESS].attrs["seconds"] < 60


def test_guesses_are_those_of_the_physics():
    for name, physics in (
        ("homogeneous", normalization.homogeneous),
        ("separable", separable.separable),
        ("bridge", bridges.bridged),
    ):
        source = ready("nemovar", closed_form=name)
        samples = source.samples("test")
        (operator,) = fields.operators(samples)
        np.testing.assert_allclose(samples[GUESS].values[0], physics(operator), rtol=1e-12)


def test_directions_stand_for_columns_and_rows():
    """In a strait along a column nothing returns along the row, and all of it does at once: log 1."""
    samples = ready("nemovar", closed_form="separable").samples("test")
    open_j = samples.alpha_j.values[0] > 0
    lonely = samples.mask.values & ~open_j & ~np.roll(open_j, -1, axis=1)
    assert lonely.any()
    for when in ("early", "late"):
        returned = samples[f"log_return_j_{when}"].values[0][lonely]
        np.testing.assert_allclose(returned, 1 / 0.6, rtol=1e-5)  # (log 1 + 1) / 0.6


class Silent(Network):
    """The closed form as it is."""

    def forward(self, input: torch.Tensor) -> Output:
        return Output(0 * input[:, :1])


def test_a_network_pays_for_its_closed_form():
    source = ready("nemovar", closed_form="separable")
    samples = source.samples("test")
    expensive = samples.copy()
    expensive[GUESS].attrs = samples[GUESS].attrs | {"seconds": 100.0}
    method = Trained(name="silent", network=Silent(), data=source, device=torch.device("cpu"))
    np.testing.assert_allclose(method.predict(expensive), samples[GUESS].values, rtol=1e-12)
    assert 100 < method.seconds_per_sample < 110


def test_a_misspelt_form():
    with pytest.raises(ValueError, match="choose one of homogeneous, separable, bridge"):
        choose("separate")
