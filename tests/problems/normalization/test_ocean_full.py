"""data=ocean_full: coefficients of the full operator of three dimensions, and networks that see volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.augmentation.symmetries import Symmetries
from dlgd.core.errors import Refusal
from dlgd.models.cnn import CNN
from dlgd.models.finite_volume import FiniteVolume
from dlgd.models.resnet import ResNet
from dlgd.physics import normalization3d
from dlgd.problems.normalization import methods
from dlgd.problems.normalization.data import fields3d
from dlgd.problems.normalization.data.ocean import Ocean
from dlgd.problems.normalization.data.ocean_full import FORM, FullOcean
from tests.problems.normalization.data.small_data import options_of

STYLE: dict[str, Any] = {"activation": "elu", "normalization": "batch"}


@pytest.fixture(scope="module")
def source() -> FullOcean:
    made = FullOcean(**options_of("ocean_full")).tiny()
    made.prepare()
    return made


@pytest.fixture(scope="module")
def samples(source) -> xr.Dataset:
    return source.samples("test")


def eps(samples, gamma):
    return np.abs((gamma / samples.gamma.values) ** 2 - 1)[:, samples.mask.values]


def test_runs_from_before_area_step_see_what_they_saw():
    """Their record does not give it; volumes were trained with 0.3 from the first."""
    given = {name: value for name, value in options_of("ocean_full").items() if name != "area_step"}
    assert FullOcean(**given).features.area_step == 0.3


def test_the_truth_is_that_of_brute_force(samples):
    (operator,) = fields3d.operators(samples)
    cells = np.argwhere(operator.sea)[::20]
    reference = normalization3d.brute_force(operator, FORM, cells)
    np.testing.assert_allclose(samples.gamma.values[0][tuple(cells.T)], reference, rtol=2e-4)


def test_each_method_serves_its_form(samples):
    errors = {
        "exact": eps(samples, methods.exact(tolerance=1e-4, device="cpu").predict(samples)),
        "homogeneous": eps(samples, methods.homogeneous().predict(samples)),
        "separable": eps(samples, methods.separable().predict(samples)),
        "bridge": eps(samples, methods.bridge().predict(samples)),
        "of another model": eps(samples, methods.usual_product(tolerance=1e-4).predict(samples)),
    }
    assert errors["exact"].max() < 1e-3
    assert errors["separable"].mean() < errors["homogeneous"].mean() / 2
    assert errors["bridge"].mean() < errors["separable"].mean() / 2
    assert errors["of another model"].mean() > 0.03
    random = eps(samples, methods.randomization(vectors=400, seed=0).predict(samples))
    assert random.mean() == pytest.approx(np.sqrt(2 / 400) * np.sqrt(2 / np.pi), rel=0.2)


def test_networks_see_volumes(source, samples):
    (batch,) = source.encode(samples, halo=2, device="cpu")
    levels, rows, columns = samples.mask.shape
    channels = len(source.spec.input_channels)
    assert batch.input.shape == (1, channels, levels, rows + 4, columns + 4)
    assert torch.isfinite(batch.input).all()
    np.testing.assert_array_equal(batch.mask[0, 0].numpy(), samples.mask.values)
    np.testing.assert_allclose(source.to_physical(batch.target, samples), samples.gamma.values, rtol=1e-5)
    guess = source.to_physical(0 * batch.target, samples)
    np.testing.assert_allclose(guess, methods.bridge().predict(samples), rtol=1e-9)


def test_top_faces_are_the_physical_ones(source, samples):
    (batch,) = source.encode(samples, halo=0, device="cpu")
    channel = dict(zip(source.spec.input_channels, batch.input[0].numpy(), strict=True))
    sea, alpha, volume = samples.mask.values, samples.alpha_k.values[0, 1:-1], samples.w.values
    is_open = sea[:-1] & sea[1:]
    np.testing.assert_array_equal(channel["open_k"][1:] > 0, is_open)
    assert (channel["open_k"][0] == 0).all()
    features = source.features
    coupling = np.exp(features.WIDTH * channel["log_coupling_k"][1:] + features.CENTRE)
    expected = alpha / np.sqrt(volume[:-1] * volume[1:])
    np.testing.assert_allclose(coupling[is_open], expected[is_open], rtol=1e-4)


@pytest.mark.parametrize(
    ("network", "options"),
    [(FiniteVolume, {"layers": 2, "width": 8, "messages": 2}), (ResNet, {"layers": 4, "width": 8, "skip": "addition"})],
)
def test_a_step_of_training(source, network, options):
    torch.manual_seed(0)
    made = network(spec=source.spec, **options, **STYLE)
    flips = Symmetries(spec=source.spec, west_east=True, south_north=True, quarter_turns=True)
    drawn = source.stream(halo=made.halo + flips.halo, batch_size=3, seed=0, device="cpu").batch(0)
    assert drawn.target.shape[-3:] == (source.samples("train").sizes["level"], 8, 8)
    assert drawn.mask.any(dim=-1).any(dim=-1).any(dim=-1).all()
    batch = flips(drawn, np.random.default_rng(0))
    made(batch.input).prediction[batch.mask].square().mean().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in made.parameters() if weight.grad is not None)
    made.eval()
    (whole,) = source.encode(source.samples("test"), halo=made.halo, device="cpu")
    assert made(whole.input).prediction.shape == whole.target.shape


def test_a_mirrored_ocean_has_the_mirrored_features(source, samples):
    """Mirrored south-north as a batch, and mirrored as an operator."""
    (batch,) = source.encode(samples, halo=1, device="cpu")
    flips = Symmetries(spec=source.spec, west_east=False, south_north=True, quarter_turns=False)
    mirrored = flips.changed(batch, np.array([[False, True, False]]))
    turned = samples.isel(y=slice(None, None, -1), y_face=slice(None, None, -1)).copy(deep=True)
    turned = turned.assign(mask=turned.mask.astype(int).astype(bool))  # whose strides are positive
    derived = [name for name, field in turned.items() if field.attrs.get("derived")]
    (expected,) = source.encode(source._complete(turned.drop_vars(derived)), halo=0, device="cpu")
    sea = expected.mask.expand_as(expected.input)
    np.testing.assert_allclose(mirrored.input[sea].numpy(), expected.input[sea].numpy(), atol=2e-4)
    np.testing.assert_array_equal(mirrored.mask, expected.mask)


def test_networks_of_fields_are_refused(source):
    with pytest.raises(Refusal, match=r"gives volumes.*model=finite_volume"):
        CNN(spec=source.spec, layers=4, width=8, dropout=0.0, **STYLE)


def test_files_of_one_form_are_not_read_as_the_other(source, samples, tmp_path):
    samples.to_netcdf(tmp_path / "full.nc")
    read = source.read(tmp_path / "full.nc")
    np.testing.assert_allclose(read.gamma_estimate, samples.gamma_estimate)
    with pytest.raises(Refusal, match="another model: read it with data=ocean_full"):
        Ocean(**options_of("ocean")).read(tmp_path / "full.nc")


def test_what_cannot_work_is_refused():
    kind: Any = FullOcean  # of keywords
    options = options_of("ocean_full")
    with pytest.raises(Refusal, match="north fold"):
        kind(**options | {"grid": "tripolar"}).check()
    with pytest.raises(Refusal, match="closed_form=homogeneous is unknown: choose one of separable, bridge"):
        kind(**options | {"closed_form": "homogeneous"}).check()
