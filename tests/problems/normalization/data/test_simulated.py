"""data=nemovar and data=mercator: samples, what a network sees of them, and the way back to metres."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.physics import normalization
from dlgd.problems.normalization.data import fields
from tests.problems.normalization.data.small_data import CPU, FEATURES, make, ready

# --- samples -----------------------------------------------------------------------------------------------


def test_samples(source):
    for split in SPLITS:
        samples = source.samples(split)
        assert samples.sizes == {"sample": source.options.samples[split], "y": 40, "x": 48, "y_face": 41}
        assert samples.alpha_i.dims == ("sample", "y_face", "x")
        assert samples.alpha_j.dims == samples.gamma.dims == ("sample", "y", "x")
        assert samples.mask.dims == samples.w.dims == samples.lat.dims == ("y", "x")
        sea = samples.mask.values
        assert 0.2 < sea.mean() < 0.8
        assert (np.isfinite(samples.gamma.values) == sea).all()
        assert {v: samples[v].attrs["units"] for v in ("alpha_i", "alpha_j", "w", "gamma")} == {
            "alpha_i": "m2",
            "alpha_j": "m2",
            "w": "m2",
            "gamma": "m",
        }


def test_gamma_is_that_of_the_operator(source):
    samples = source.samples("valid")
    (operator,) = fields.operators(samples)
    cells = np.argwhere(operator.sea)[::37]
    expected = normalization.brute_force(operator, cells)
    found = samples.gamma.values[0][tuple(cells.T)]
    np.testing.assert_allclose(found**2, expected**2, rtol=1e-4)


def test_land_stays_and_diffusivities_differ(source):
    """One coastline for all; every sample of every split has length scales of its own."""
    drawn = []
    for split in SPLITS:
        samples = source.samples(split)
        assert (samples.mask == source.samples("train").mask).all()
        drawn += list(samples.alpha_j.values)
    for number, one in enumerate(drawn):
        for other in drawn[:number]:
            assert not np.allclose(one, other, rtol=0.01)


def test_another_seed_gives_other_fields_and_the_same_seed_the_same(name):
    first, again, other = (make(name, seed=seed) for seed in (0, 0, 1))
    assert first.checksum() == again.checksum() != other.checksum()
    assert not np.allclose(first.samples("test").alpha_j, other.samples("test").alpha_j, rtol=0.01)


def test_more_samples_keep_the_earlier_ones(name, prepared):
    more = make(name, samples={"train": 3, "valid": 1, "test": 2})
    for split in SPLITS:
        earlier = prepared["dimensionless"].samples(split)
        kept = more.samples(split).isel(sample=slice(earlier.sizes["sample"]))
        xr.testing.assert_equal(kept, earlier)


@pytest.mark.parametrize(
    "change", [{"scale_min": 0.3}, {"scale_max": 1.5}, {"anisotropy": 0.2}, {"smoothness": 30.0}], ids=str
)
def test_every_option_of_the_diffusivities_counts(change):
    usual = ready("nemovar", **FEATURES["dimensionless"])
    assert make("nemovar", diffusivity=usual.options.diffusivity | change).checksum() != usual.checksum()


def test_the_tolerance_of_a_part_counts_there_alone(prepared, name):
    finer = make(name, tolerance={"train": 1e-4, "evaluation": 1e-6})
    coarse = prepared["dimensionless"]
    xr.testing.assert_identical(finer.samples("train").gamma, coarse.samples("train").gamma)
    for split in ("valid", "test"):
        ratio = (finer.samples(split).gamma / coarse.samples(split).gamma).values
        assert 0 < np.nanmax(np.abs(ratio**2 - 1)) < 1e-4


# --- tensors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("halo", [0, 1, 10])
def test_batches(source, halo):
    samples = source.samples("train")
    batches = list(source.encode(samples, halo=halo, device=CPU))
    assert len(batches) == 2
    for batch in batches:
        assert batch.input.shape == (1, len(source.spec.input_channels), 40 + 2 * halo, 48 + 2 * halo)
        assert batch.target.shape == batch.mask.shape == (1, 1, 40, 48)
        assert (batch.input.dtype, batch.target.dtype, batch.mask.dtype) == (torch.float32, torch.float32, torch.bool)
        assert torch.isfinite(batch.input).all()
        assert torch.isfinite(batch.target).all()
        assert (batch.mask[0, 0].numpy() == samples.mask.values).all()
        assert (batch.target[~batch.mask] == 0).all()


def test_encode_and_to_physical_are_inverse(source):
    for split in SPLITS:
        samples = source.samples(split)
        batches = list(source.encode(samples, halo=2, device=CPU))
        back = source.to_physical(torch.cat([batch.target for batch in batches]), samples)
        assert back.shape == samples.gamma.shape
        np.testing.assert_allclose(back, samples.gamma.values, rtol=1e-6)  # NaN on land in both


def test_the_ratio_of_the_scaling_is_that_of_metres(source):
    """What loss=relative looks at is physical gamma."""
    samples = source.samples("train")
    (target,) = (batch.target for batch in source.encode(samples.isel(sample=[0]), halo=0, device=CPU))
    prediction = target + 0.1 * torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    ratio = source.spec.scaling.ratio(prediction=prediction.double(), target=target.double())[0, 0].numpy()
    expected = source.to_physical(prediction, samples.isel(sample=[0])) / samples.gamma.values[:1]
    sea = samples.mask.values
    np.testing.assert_allclose(ratio[sea], expected[0][sea], rtol=1e-5)


def test_samples_without_truth_are_encoded_alike(source):
    samples = source.samples("test")
    (known,) = source.encode(samples, halo=3, device=CPU)
    (unknown,) = source.encode(samples.drop_vars("gamma"), halo=3, device=CPU)
    assert torch.equal(known.input, unknown.input)
    assert (unknown.target == 0).all()


def test_statistics_are_learned_from_the_training_part_alone(name, prepared):
    other = make(name, samples={"train": 2, "valid": 2, "test": 1}, **FEATURES["over image"])
    other.prepare()
    assert other.statistics == prepared["over image"].statistics


@pytest.mark.parametrize("key", FEATURES)
def test_statistics_of_a_checkpoint(name, key, prepared, monkeypatch):
    """A fresh data set scales as the trained one did, without the training samples."""
    source, fresh = prepared[key], make(name, samples={"train": 1, "valid": 1, "test": 1}, **FEATURES[key])
    monkeypatch.setattr(fresh, "prepare", lambda: pytest.fail("training samples are not needed"))
    fresh.use_statistics(source.statistics)
    assert fresh.spec == source.spec
    samples = source.samples("test")
    (expected,) = source.encode(samples, halo=2, device=CPU)
    (found,) = fresh.encode(samples, halo=2, device=CPU)
    assert torch.equal(found.input, expected.input)
    assert torch.equal(found.target, expected.target)
    monkeypatch.undo()
    fresh.prepare()
    assert fresh.statistics == source.statistics, "what a checkpoint brings is not learned anew"


def test_a_region_of_land_is_refused_before_any_sample_is_made():
    """The middle of the Sahara."""
    sahara = {"lat": [20.0, 25.0], "lon": [5.0, 15.0], "stretching": 0.0}
    with pytest.raises(Refusal, match="data=regional has no sea cell: choose another region"):
        make("regional", region=sahara, coast="real").prepare()
