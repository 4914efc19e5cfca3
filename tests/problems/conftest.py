"""Small samples of normalization coefficients, with land and garbage where nothing should be read."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage


@pytest.fixture
def samples():
    """Three samples of 24 x 36 cells: two continents and an island."""
    rng = np.random.default_rng(3)
    mask = np.ones((24, 36), bool)
    mask[:3] = mask[9:16, 5:12] = mask[18, 25] = False
    gamma = 1e5 * np.exp(rng.normal(0, 0.7, (3, *mask.shape)))
    lat, lon = np.meshgrid(np.linspace(-70, 70, 24), np.linspace(-175, 175, 36), indexing="ij")
    signed = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    return xr.Dataset(
        {
            "gamma": (("sample", "y", "x"), np.where(mask, gamma, np.nan)),
            "mask": (("y", "x"), mask),
            "distance": (("y", "x"), signed),
            "w": (("y", "x"), np.full(mask.shape, 1e10)),
        },
        coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon), "sample": [4, 5, 6]},
    )


@pytest.fixture
def prediction(samples):
    """A good prediction with NaN on land."""
    rng = np.random.default_rng(4)
    return samples["gamma"].values * np.exp(rng.normal(0, 0.02, samples["gamma"].shape))
