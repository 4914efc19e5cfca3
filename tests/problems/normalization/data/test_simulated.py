"""data=nemovar and data=mercator: samples, what a network sees of them, and the way back to metres."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.constants import SPLITS
from dlgd.physics import normalization
from dlgd.physics.diffusion import random_diffusion
from dlgd.physics.grids import tripolar
from dlgd.problems.normalization.data import features, fields
from dlgd.problems.normalization.data.closed_forms import Separable
from tests.problems.normalization.data.small_data import make, ready

CPU = torch.device("cpu")
STANDARDIZED = {"features": "standardized"}
FEATURES = {
    "dimensionless": {"features": "dimensionless"},
    "over sea": STANDARDIZED | {"standardize_over": "sea", "distance": "manhattan"},
    "over image": STANDARDIZED | {"standardize_over": "image", "distance": "none"},
}


@pytest.fixture(scope="module", params=["nemovar", "mercator"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def prepared(name):
    """One data set per choice of features, by its name in FEATURES."""
    return {key: ready(name, **options) for key, options in FEATURES.items()}


@pytest.fixture(scope="module", params=FEATURES)
def source(request, prepared):
    return prepared[request.param]


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
    return fields.complete(base.merge(joined), "manhattan", Separable())


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
