"""From attributes to equations and back."""

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.physics.integrators import Dynamics
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.physics.systems import attributes_of, dynamics_of


@pytest.mark.parametrize("system", [Lorenz63(sigma=9, rho=torch.tensor(27.5), beta=2.5), Lorenz96(size=7, forcing=6.5)])
def test_there_and_back_through_a_file(system, tmp_path):
    xr.Dataset(attrs=attributes_of(system) | {"dt": 0.1}).to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as opened:
        found = dynamics_of(opened.attrs)
    state = torch.from_numpy(np.random.default_rng(0).normal(size=(4, system.size)))
    assert type(found) is type(system)
    assert torch.equal(found.tendency(state), system.tendency(state))


def test_what_has_no_name():
    class Other(Dynamics):
        size = 2

        def tendency(self, state):
            return state

    with pytest.raises(ValueError, match="Other is none of the systems lorenz63, lorenz96"):
        attributes_of(Other())
    with pytest.raises(ValueError, match=r"these samples are without known equations"):
        dynamics_of({})
    with pytest.raises(ValueError, match="system=lorenz63 lack the attribute rho, beta"):
        dynamics_of({"system": "lorenz63", "sigma": 10.0})
