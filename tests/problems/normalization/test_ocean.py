"""data=ocean: samples with levels, whose truth is that of brute force; networks see levels, and columns are summed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics import normalization3d, vertical
from dlgd.problems.normalization import methods
from dlgd.problems.normalization.data import fields3d
from dlgd.problems.normalization.data.ocean import Ocean
from dlgd.problems.normalization.scores import OceanEvaluation
from tests.problems.normalization.data.small_data import options_of, ready


@pytest.fixture(scope="module")
def source() -> Ocean:
    made = Ocean(**options_of("ocean")).tiny()
    made.prepare()
    return made


@pytest.fixture(scope="module")
def samples(source) -> xr.Dataset:
    return source.samples("test")


def eps(samples, gamma):
    return np.abs((gamma / samples.gamma.values) ** 2 - 1)[:, samples.mask.values]


def test_the_truth_is_exact(samples):
    (operator,) = fields3d.operators(samples)
    cells = np.argwhere(operator.sea)[::500]
    reference = normalization3d.brute_force(operator, fields3d.FORM, cells)
    np.testing.assert_allclose(samples.gamma.values[0][tuple(cells.T)], reference, rtol=5e-5)


def test_the_ocean_has_a_bottom(samples):
    sea = samples.mask.values
    assert not (sea[1:] & ~sea[:-1]).any()  # no sea below rock
    assert 0.1 * sea[0].sum() < sea[-1].sum() < 0.9 * sea[0].sum()
    thickness = samples.w.values / samples.w.values[0]
    assert (thickness > 0).all()
    assert np.isnan(samples.gamma.values[0][~sea]).all()


def test_networks_see_levels_and_columns_are_summed(source, samples):
    batches = list(source.encode(samples, halo=0, device="cpu"))
    assert len(batches) == samples.sizes["level"]
    for k, batch in enumerate(batches):
        np.testing.assert_array_equal(batch.mask[0, 0].numpy(), samples.mask.values[k])
    perfect = source.to_physical(torch.cat([batch.target for batch in batches]), samples)
    np.testing.assert_allclose(perfect, samples.gamma.values, rtol=1e-6)
    guess = source.to_physical(torch.cat([0 * batch.target for batch in batches]), samples)
    np.testing.assert_allclose(guess, methods.bridge().predict(samples), rtol=1e-6)


def test_training_patches_hold_sea_of_all_depths(source):
    batch = source.stream(halo=1, batch_size=64, seed=0, device="cpu").batch(0)
    assert batch.input.shape[-2:] == (18, 18)
    shares = batch.mask.float().mean(dim=(1, 2, 3))
    assert (shares > 0.5).any()
    assert torch.isfinite(batch.input).all()


def test_the_order_of_the_methods(samples):
    exact = eps(samples, methods.exact(tolerance=1e-4, device="cpu").predict(samples))
    product = eps(samples, methods.usual_product(tolerance=1e-4).predict(samples))
    levels = eps(samples, methods.separable().predict(samples))
    assert exact.max() < 2e-4
    assert product.mean() > 0.01
    assert levels.mean() < product.mean()
    assert eps(samples, methods.bridge().predict(samples)).mean() < levels.mean() / 1.5


def test_the_usual_product_serves_no_samples_without_levels(samples):
    with pytest.raises(Refusal, match="with levels only"):
        methods.usual_product(tolerance=1e-4).predict(fields3d.level(samples, 0))


def test_scores_predictions_and_figures(samples, tmp_path):
    evaluation = OceanEvaluation()
    predicted = samples.gamma.values * np.sqrt(1.02)
    scores = evaluation.scores(samples, predicted)
    assert scores["eps_mean"] == pytest.approx(0.02)
    assert scores["eps_max"] == pytest.approx(0.02)
    written = evaluation.dataset(samples, predicted)
    assert written.gamma_predicted.dims == ("sample", "level", "y", "x")
    assert written.gamma_predicted.units == "m1.5"
    unnamed = samples.assign_coords(depth=("level", np.arange(samples.sizes["level"])))
    evaluation.figures(tmp_path, unnamed, {"one": predicted, "other": samples.gamma.values})
    assert {path.name for path in tmp_path.iterdir()} == {"section.png", "above_bottom.png"}


def test_a_users_file_is_read(source, samples, tmp_path):
    own = samples.drop_vars(fields3d.HORIZONTAL)
    own.to_netcdf(tmp_path / "own.nc")
    read = source.read(tmp_path / "own.nc")
    np.testing.assert_array_equal(read.depth, samples.depth)
    own.drop_vars("depth").to_netcdf(tmp_path / "without.nc")
    assert source.read(tmp_path / "without.nc").depth.values.tolist() == list(range(samples.sizes["level"]))
    for name in ("alpha_i", "alpha_j", "alpha_k", "gamma", "gamma_estimate"):
        np.testing.assert_allclose(read[name].values, samples[name].values)
    batches = list(source.encode(read, halo=0, device="cpu"))
    np.testing.assert_allclose(
        source.to_physical(torch.cat([0 * batch.target for batch in batches]), read),
        methods.bridge().predict(read),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda own: own.drop_vars("alpha_k"), "alpha_k"),
        (lambda own: own.isel(level_face=slice(3)), "must be"),
        (lambda own: own.assign(alpha_k=-own.alpha_k), "not negative"),
        (lambda own: own.assign(mask=own.mask & False), "no sea"),
        (lambda own: own.assign(alpha_i=-own.alpha_i), "negative"),
        (lambda own: own.assign(alpha_k=own.alpha_k.astype(str)), "alpha_k .* must hold numbers"),
        (
            lambda own: own.assign(alpha_k=own.alpha_k * 1e8),
            "alpha_k .* length scales of .* levels",
        ),
        (lambda own: own.assign(w=own.w.isel(level=0)), "w .* must have the dimension `level`, and has y, x"),
        (lambda own: own.assign(alpha_j=own.alpha_j.assign_attrs(units="km3")), "alpha_j .* 'km3': convert it to m3"),
        (lambda own: own.assign(gamma=own.gamma.assign_attrs(units="m")), r"gamma .* 'm': convert it to m1\.5"),
        (lambda own: own.assign(mask=own.mask & (own.depth > own.depth[0])), "level 0 .from 0., but below it"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(source, samples, tmp_path, change, message):
    change(samples.drop_vars(fields3d.HORIZONTAL)).to_netcdf(tmp_path / "own.nc")
    with pytest.raises(Refusal, match=message):
        source.read(tmp_path / "own.nc")


def test_a_file_of_one_level_has_the_coefficients_of_that_level(source, samples, tmp_path):
    samples.isel(level=slice(0, 1), level_face=slice(0, 2)).to_netcdf(tmp_path / "surface.nc")
    surface = source.read(tmp_path / "surface.nc")
    found = methods.exact(tolerance=1e-6, device="cpu").predict(surface)
    of_samples = 1e-4  # the tolerance of gamma squared with which they are made
    np.testing.assert_allclose(found[:, 0], samples[fields3d.HORIZONTAL][:, 0], rtol=of_samples / 2)


def test_fields_with_levels_are_not_read_as_those_without(samples, tmp_path):
    samples.to_netcdf(tmp_path / "levels.nc")
    with pytest.raises(Refusal, match="fields with levels have it: read it with data=ocean"):
        ready("nemovar").read(tmp_path / "levels.nc")


def test_a_bottom_of_a_file(source, tmp_path):
    plane = {"lat": np.arange(-90, 91.0), "lon": np.arange(-180, 180.0)}
    elevation = xr.DataArray(np.full((181, 360), -300.0), coords=plane, dims=tuple(plane))
    elevation.to_dataset(name="z").to_netcdf(tmp_path / "flat.nc")
    kind: Any = Ocean  # of keywords
    made = kind(**vars(source.options) | {"bottom": source.options.bottom | {"path": str(tmp_path / "flat.nc")}})
    base = made._make_base()
    depth = (base.w / base.w[0] * vertical.interfaces(6)[1]).where(base.mask).sum("level").values
    np.testing.assert_allclose(depth[base.mask[0].values], 300.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": 1}, "levels"),
        ({"features": "standardized"}, "features"),
        ({"vertical": {"scale_min": 2.0, "scale_max": 1.0, "smoothness": 20.0}}, "scale_max"),
        ({"bottom": {"deepest": 100.0}}, "bottom"),
        ({"bottom": options_of("ocean")["bottom"] | {"path": "nowhere.nc"}}, "path=nowhere.nc is no file"),
    ],
)
def test_options_that_cannot_work_are_refused(change, message):
    with pytest.raises(Refusal, match=message):
        Ocean(**options_of("ocean") | change).check()
