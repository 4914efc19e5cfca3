"""Every method of conf/baseline on a tiny grid, against the simulator's exact coefficients."""

from __future__ import annotations

import functools

import hydra
import numpy as np
import pytest
import torch
import xarray as xr
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from dlgd import build
from dlgd.core.contract import DataSource, Method
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF

ALL = sorted(
    path.stem
    for path in (CONF / "baseline").glob("*.yaml")
    if "dlgd.problems.normalization.methods." in path.read_text() and path.stem != "usual_product"  # needs levels
)


@functools.cache
def data(name: str) -> DataSource:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        source = build.data(compose("baseline", overrides=[f"data={name}"])).tiny()
    source.prepare()
    return source


@pytest.fixture(params=["nemovar", "mercator"])
def samples(request) -> xr.Dataset:
    return data(request.param).samples("train")


def make(name: str, **changes) -> Method:
    """The method of conf/baseline/<name>.yaml."""
    config = OmegaConf.load(CONF / "baseline" / f"{name}.yaml")
    return hydra.utils.instantiate(config, _convert_="all", **changes)


def error(samples: xr.Dataset, gamma: np.ndarray) -> np.ndarray:
    """eps of every sea cell, (sample, cell)."""
    return (gamma**2 / samples.gamma.values**2 - 1)[:, samples.mask.values]


def test_the_methods_are_found():
    assert {"homogeneous", "randomization", "exact"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_every_method(name, samples):
    method = make(name)
    method.fit(samples)
    gamma = method.predict(samples)
    assert gamma.shape == samples.gamma.shape
    assert gamma.dtype == np.float64
    assert (np.isfinite(gamma) == samples.mask.values).all(), "a number at sea, NaN on land"
    assert np.abs(error(samples, gamma)).mean() < 0.6  # where length scales change within a few cells
    assert 0 < method.seconds_per_sample < 60
    blind = samples[["alpha_i", "alpha_j", "w", "mask"]]
    again = make(name).predict(blind)
    np.testing.assert_array_equal(again, gamma, err_msg="the same seed, the same answer; the truth is not looked at")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("variable", ["alpha_i", "alpha_j", "w", "mask"])
def test_a_missing_variable(name, variable, samples):
    with pytest.raises(Refusal, match=rf"baseline={name}.* needs the variables {variable}, which these samples lack"):
        make(name).predict(samples.drop_vars(variable))


def test_bridge(samples):
    """The same closed form as the one from which the network's dimensionless target starts."""
    np.testing.assert_array_equal(make("bridge").predict(samples), samples.gamma_estimate.values)


def test_exact(samples):
    """The samples' own truth is good to 1e-4."""
    assert np.abs(error(samples, make("exact", tolerance=1e-4).predict(samples))).max() < 1e-12
    assert 0 < np.abs(error(samples, make("exact", tolerance=1e-6).predict(samples))).max() < 1e-4


def test_randomization_has_the_error_of_its_sample_size(samples):
    """mean(x^2) of n Gaussian numbers has a relative deviation of sqrt(2 / n)."""
    for vectors in (64, 512):
        eps = error(samples, make("randomization", vectors=vectors).predict(samples))
        assert np.sqrt(np.mean((1 / (1 + eps) - 1) ** 2)) == pytest.approx(np.sqrt(2 / vectors), rel=0.15)


def test_seeds_of_randomization(samples):
    first, other = (make("randomization", vectors=32, seed=seed).predict(samples) for seed in (0, 1))
    sea = samples.mask.values
    assert (first[:, sea] != other[:, sea]).all()
    twice = samples.isel(sample=[0, 0])
    one, two = make("randomization", vectors=32).predict(twice)
    assert (one[sea] != two[sea]).all(), "each sample has its own noise"
    np.testing.assert_array_equal(one, first[0])


def test_names_tell_methods_apart():
    assert make("randomization", vectors=100).name != make("randomization", vectors=1000).name
    assert make("exact", tolerance=1e-4).name != make("exact", tolerance=1e-6).name


def test_scales_that_cannot_be_probed(samples):
    huge = samples.assign(alpha_i=samples.alpha_i * 1e3, alpha_j=samples.alpha_j * 1e3)
    with pytest.raises(Refusal, match=r"baseline=exact 1e-08 .* too large to be probed"):
        make("exact", tolerance=1e-8).predict(huge)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("randomization", {"vectors": 0}, "baseline.vectors=0"),
        ("randomization", {"seed": -1}, "baseline.seed=-1"),
        ("exact", {"tolerance": 1e-9}, "baseline.tolerance=1e-09 must be a number from 1e-08 to 0.01"),
        ("exact", {"tolerance": 0.1}, "baseline.tolerance=0.1 must be a number from 1e-08 to 0.01"),
        ("exact", {"device": "tpu"}, "baseline.device=tpu is unknown: choose one of cpu, cuda"),
    ],
)
def test_impossible_options(name, change, words):
    config = OmegaConf.load(CONF / "baseline" / f"{name}.yaml")
    with pytest.raises(Refusal, match=words):
        build.method(OmegaConf.merge(config, change))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu():
    config = OmegaConf.load(CONF / "baseline" / "exact.yaml")
    with pytest.raises(Refusal, match=r"baseline\.device=cuda was asked for, but PyTorch sees no GPU"):
        build.method(OmegaConf.merge(config, {"device": "cuda"}))


@pytest.mark.gpu
def test_exact_on_a_gpu(samples):
    eps = error(samples, make("exact", device="cuda").predict(samples))
    assert np.abs(eps).max() < 2e-4
