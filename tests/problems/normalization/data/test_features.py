"""What a network sees of an operator: standardized or dimensionless features, and those of the halo."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.physics.grids import tripolar
from dlgd.physics.length_scales import random_diffusion
from dlgd.problems.normalization.data import features, fields
from dlgd.problems.normalization.data.closed_forms import Bridge
from tests.problems.normalization.data.small_data import CPU, FEATURES, STANDARDIZED, make

# --- standardized ------------------------------------------------------------------------------------------


def test_statistics_by_hand():
    """Three sea cells of values 1, 2, 3 and one land cell."""
    values, names = np.array([[[1.0, 2.0], [3.0, 0.0]]]), ("alpha_i", "alpha_j", "w", "gamma")
    given = {name: scale * values for scale, name in enumerate(names, start=1)}
    given["gamma"][0, 1, 1] = np.nan
    sea = np.array([[True, True], [True, False]])
    over_sea, over_image = (features.Standardized(over=over, distance="none") for over in ("sea", "image"))
    over_sea.learn(given, sea)
    over_image.learn(given, sea)
    for scale, name in enumerate(names, start=1):
        assert over_sea.statistics[f"mean_{name}"] == pytest.approx(2.0 * scale)
        assert over_sea.statistics[f"std_{name}"] == pytest.approx(np.sqrt(2 / 3) * scale)
        assert over_image.statistics[f"mean_{name}"] == pytest.approx(1.5 * scale)
        assert over_image.statistics[f"std_{name}"] == pytest.approx(np.sqrt(1.25) * scale)


@pytest.mark.parametrize("over", ["sea", "image"])
def test_standardized_fields_have_mean_zero_and_deviation_one(name, prepared, over):
    source = prepared[f"over {over}"]
    samples = source.samples("train")
    batches = list(source.encode(samples, halo=0, device=CPU))
    inputs = torch.cat([batch.input for batch in batches]).double().numpy()
    chosen = samples.mask.values if over == "sea" else np.ones_like(samples.mask.values)
    for channel in range(3):
        values = inputs[:, channel, chosen]
        assert values.mean() == pytest.approx(0, abs=1e-5)
        assert values.std() == pytest.approx(1, abs=1e-5)
    if over == "sea":
        assert (inputs[:, :3, ~samples.mask.values] == 0).all()
    physical = inputs[:, 1] * source.statistics["std_alpha_j"] + source.statistics["mean_alpha_j"]
    expected = samples.alpha_j.values[:, samples.mask.values]
    np.testing.assert_allclose(physical[:, samples.mask.values], expected, rtol=1e-5, atol=1e-6 * expected.max())


@pytest.mark.parametrize("metric", ["manhattan", "euclidean", "none"])
def test_distance_to_the_coast(metric):
    source = make("mercator", **STANDARDIZED, distance=metric)
    channels = source.spec.input_channels
    (batch,) = source.encode(source.samples("test"), halo=0, device=CPU)
    assert channels == ("alpha_i", "alpha_j", "w") + (() if metric == "none" else (f"distance_{metric}",))
    assert batch.input.shape[1] == len(channels)
    if metric != "none":
        distance = 10 * batch.input[0, 3].numpy()
        sea = source.samples("test").mask.values
        assert (distance[sea] >= 0.999).all()
        assert (distance[~sea] <= -0.999).all()
        whole = np.abs(distance - distance.round()).max() < 1e-4
        assert whole == (metric == "manhattan")


# --- dimensionless -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-3, 7.0])
def test_dimensionless_features_have_no_unit(name, prepared, factor):
    """All lengths times a factor: alpha and w times its square, gamma times itself."""
    source = prepared["dimensionless"]
    samples = source.samples("train")
    larger = samples.assign({key: samples[key] * factor**2 for key in ("alpha_i", "alpha_j", "w")})
    larger = fields.complete(larger.assign(gamma=samples.gamma * factor), "euclidean", source.features.closed_form)
    pairs = zip(source.encode(samples, halo=4, device=CPU), source.encode(larger, halo=4, device=CPU), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(other.input, one.input, rtol=0, atol=1e-5)
        torch.testing.assert_close(other.target, one.target, rtol=0, atol=1e-5)
    back = source.to_physical(torch.zeros(2, 1, 40, 48), larger)
    np.testing.assert_allclose(back, factor * samples.gamma_estimate.values, rtol=1e-12)


def test_land_areas_mean_nothing(name, prepared):
    """What w is on land is nobody's business."""
    source = prepared["dimensionless"]
    samples = source.samples("test")
    other = samples.assign(w=samples.w.where(samples.mask, 1.0))
    (one,), (two,) = (source.encode(s, halo=2, device=CPU) for s in (samples, other))
    assert torch.equal(one.input, two.input)


def test_inputs_are_of_order_one(source):
    for batch in source.encode(source.samples("train"), halo=0, device=CPU):
        assert 0.01 < batch.input.std() < 5
        assert batch.input.abs().max() < 20
        assert batch.target.abs().max() < 20


# --- the halo ----------------------------------------------------------------------------------------------


def test_inside_the_halo_stands_the_grid(source):
    samples = source.samples("test")
    (bare,), (wide,) = (source.encode(samples, halo=halo, device=CPU) for halo in (0, 5))
    assert torch.equal(wide.input[..., 5:-5, 5:-5], bare.input)
    assert torch.equal(wide.target, bare.target)


def test_east_and_west_of_the_grid(source):
    """Periodic: the halo in the west is the grid's east side, and the other way round."""
    (batch,) = source.encode(source.samples("test"), halo=5, device=CPU)
    assert torch.equal(batch.input[..., :5], batch.input[..., 48:53])
    assert torch.equal(batch.input[..., -5:], batch.input[..., 5:10])


def test_beyond_closed_sides(name, prepared):
    source = prepared["dimensionless"]
    (batch,) = source.encode(source.samples("test"), halo=5, device=CPU)
    closed = [batch.input[..., :5, :]] + ([batch.input[..., -5:, :]] if name == "mercator" else [])
    for beyond in closed:
        assert (beyond == 0).all(), "as land: no face is open, nothing is sea"


@pytest.fixture(scope="module")
def across_the_fold():
    """A sample with sea all over the north of a tripolar grid, so that faces of the fold are open."""
    grid = tripolar(40, 48)
    rng = np.random.default_rng(2)
    sea = rng.random(grid.shape) > 0.15
    sea[:3] = False
    sea[-2:, 0] = sea[-2:, -1] = sea[-2:, 23:25] = False  # the two poles of the cap
    base = fields.base(grid.lat, grid.lon, grid.area, sea, grid.topology)
    operator = random_diffusion(grid, sea, np.random.default_rng(3))
    assert (operator.alpha_i[-1] > 0).sum() > 10
    gamma = np.where(sea, 1e5, np.nan)
    joined = xr.concat([fields.sample(operator, gamma)], dim="sample")
    return fields.complete(base.merge(joined), "manhattan", Bridge())


@pytest.mark.parametrize("features", FEATURES)
def test_north_of_the_fold(across_the_fold, features, prepared):
    """Row k beyond the fold is the kth row before it, turned round; a south face is there a north face,
    a west face an east face, and steps towards the south and the west change their sign."""
    source, halo, ny = prepared[features], 5, 40
    (batch,) = source.encode(across_the_fold, halo=halo, device=CPU)
    names = source.spec.input_channels
    south_faces = [pair.south for pair in source.spec.staggered]
    west_faces = [pair.west for pair in source.spec.staggered]
    grid = batch.input[0, :, halo:-halo, halo:-halo].numpy()
    beyond = batch.input[0, :, halo + ny :, halo:-halo].numpy()
    for channel, name in enumerate(names):
        field = grid[channel]
        if name in south_faces:  # row k of the halo: the north face of row ny - 1 - k
            rows, columns, found = np.arange(ny - 1, ny - halo, -1), np.arange(47, -1, -1), beyond[channel, 1:]
        elif name in west_faces:  # the east face of the mirrored column
            rows, columns, found = np.arange(ny - 1, ny - halo - 1, -1), -np.arange(48) % 48, beyond[channel]
        else:
            rows, columns, found = np.arange(ny - 1, ny - halo - 1, -1), np.arange(47, -1, -1), beyond[channel]
        sign = -1 if name.startswith("log_area_step") else 1
        expected = sign * field[np.ix_(rows, columns)]
        if features == "over sea" and name.startswith("alpha"):  # zero on land, whichever side of the face that is
            both = (found != 0) & (expected != 0)
            assert both.mean() > 0.5
            found, expected = found[both], expected[both]
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6, err_msg=name)


def test_the_fold_itself(across_the_fold, prepared):
    """The south face of the first row beyond is the last face of the grid, seen from the other side."""
    source = prepared["dimensionless"]
    (batch,) = source.encode(across_the_fold, halo=2, device=CPU)
    names = source.spec.input_channels
    row = batch.input[0, :, 2 + 40, 2:-2].numpy()
    alpha, w = across_the_fold.alpha_i.values[0, -1], across_the_fold.w.values[-1]
    is_open = alpha > 0
    coupling = np.log(alpha[is_open] / np.sqrt(w * w[::-1])[is_open])
    scaled = (coupling - features.Dimensionless.CENTRE) / features.Dimensionless.WIDTH
    np.testing.assert_allclose(row[names.index("log_coupling_i")][is_open], scaled, rtol=1e-5)
    assert (row[names.index("open_i")] == is_open).all()
