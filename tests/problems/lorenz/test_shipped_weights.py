"""The weights that come with the project are read by it as it is now, and come below 4D-Var as is said of them."""

from __future__ import annotations

import hydra
import numpy as np
import pytest
from omegaconf import OmegaConf

import dlgd
from dlgd.core.paths import CONF, ROOT
from tests.problems.lorenz.data.lorenz_data import make

WEIGHTS = ROOT / "experiments" / "lorenz"
SCATTERED = {"pattern": "random", "share": 0.15, "noise_variance": 1.5, "hidden_edges": 0}


@pytest.mark.parametrize(("name", "observations", "share"), [("correction", {}, 0.92), ("observings", SCATTERED, 0.97)])
def test_they_correct_4dvar_on_windows_that_they_have_never_seen(name, observations, share):
    """From another first state than that of their training; and with observations that it did not have either."""
    method = hydra.utils.instantiate(OmegaConf.load(CONF / "baseline" / "weak_4dvar.yaml"), _convert_="all")
    counts = {"train": 200, "valid": 1, "test": 200}
    data = make(first_guess={"method": method}, samples=counts, seed=31, observations=observations)
    samples = data.samples("test")

    def mse(states: np.ndarray) -> float:
        return float(((states - samples.state.values) ** 2).mean())

    method.fit(data.samples("train"))
    network = dlgd.load(WEIGHTS / f"{name}.pt", device="cpu").method(data)
    ratio = mse(network.predict(samples)) / mse(method.predict(samples))
    print(f"{name}: {ratio:.3f} of 4D-Var's error")
    assert ratio < share
