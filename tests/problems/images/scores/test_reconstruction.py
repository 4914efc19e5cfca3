"""Scores of reconstructed images against scikit-learn and loops; figures of the codes of a coder that is known."""

import numpy as np
import pytest
import xarray as xr
from matplotlib import image
from sklearn import metrics

from dlgd.core.contract import Coder
from dlgd.plotting import style
from dlgd.plotting.mosaics import GAP, grid, mosaic
from dlgd.problems.images.figures import codes as draw
from dlgd.problems.images.scores.images import of_all_classes
from dlgd.problems.images.scores.reconstruction import ReconstructionEvaluation


@pytest.fixture
def samples():
    """Thirty images of three classes, of each the upper left pixels are hidden."""
    rng = np.random.default_rng(0)
    truth = rng.random((30, 8, 6)).astype(np.float32)
    observed = np.ones(truth.shape, bool)
    observed[:, :3, :2] = False
    dims = ("sample", "y", "x")
    variables = {
        "intensity": (dims, truth),
        "given": (dims, np.where(observed, truth, 0)),
        "observed": (dims, observed),
        "label": ("sample", np.arange(30) % 3),
    }
    return xr.Dataset(variables, {"sample": np.arange(30)}, {"classes": "cat,dog,bird"})


@pytest.fixture
def prediction(samples):
    return samples.intensity.values + np.random.default_rng(1).normal(0, 0.1, samples.intensity.shape)


def test_scores_agree_with_scikit_learn_and_a_loop(samples, prediction):
    scores = ReconstructionEvaluation().scores(samples, prediction)
    truth, observed = samples.intensity.values, samples.observed.values
    assert scores["mse"] == pytest.approx(metrics.mean_squared_error(truth.ravel(), prediction.ravel()))
    # the share of variance of all pixels together is scikit-learn's R2 of one long vector
    assert scores["explained_variance"] == pytest.approx(100 * metrics.r2_score(truth.ravel(), prediction.ravel()))
    hidden, seen = [], []
    for place in np.ndindex(truth.shape):
        (seen if observed[place] else hidden).append((float(truth[place]) - prediction[place]) ** 2)
    assert scores["mse_hidden"] == pytest.approx(np.mean(hidden))
    assert scores["mse_observed"] == pytest.approx(np.mean(seen))
    assert set(scores) == {score.name for score in ReconstructionEvaluation.all_scores}
    assert all(type(value) is float for value in scores.values())


def test_the_truth_explains_everything_and_its_mean_nothing(samples):
    truth = samples.intensity.values.astype(np.float64)
    assert ReconstructionEvaluation().scores(samples, truth)["explained_variance"] == 100
    flat = np.full_like(truth, truth.mean())
    assert ReconstructionEvaluation().scores(samples, flat)["explained_variance"] == pytest.approx(0, abs=1e-10)


def test_what_is_not_hidden_has_no_score_of_its_own(samples, prediction):
    plain = samples.drop_vars(["observed", "given"])
    assert set(ReconstructionEvaluation().scores(plain, prediction)) == {"mse", "explained_variance"}
    seen = samples.assign(observed=samples.observed | True)
    assert "mse_hidden" not in ReconstructionEvaluation().scores(seen, prediction)


def test_what_cannot_be_scored_is_refused(samples, prediction):
    scores = ReconstructionEvaluation().scores
    with pytest.raises(ValueError, match=r"where \(sample, y, x\) = \(30, 8, 6\)"):
        scores(samples, prediction[:, None])
    with pytest.raises(ValueError, match="no sample"):
        scores(samples.isel(sample=[]), prediction[:0])
    with pytest.raises(ValueError, match="one grey level only"):
        scores(samples.assign(intensity=0 * samples.intensity), prediction)
    prediction[4, 2, 2] = np.nan
    with pytest.raises(ValueError, match="not finite in 1 pixels, first in sample 4"):
        scores(samples, prediction)


def test_predictions_survive_netcdf(samples, prediction, tmp_path):
    ReconstructionEvaluation().dataset(samples, prediction).to_netcdf(tmp_path / "predictions.nc")
    with xr.open_dataset(tmp_path / "predictions.nc") as read:
        np.testing.assert_allclose(read.intensity_predicted, prediction, rtol=1e-6)
        np.testing.assert_allclose(read.intensity, samples.intensity, rtol=1e-6)
        assert read.given.dims == ("sample", "y", "x")
    blind = ReconstructionEvaluation().dataset(samples.drop_vars("intensity"), prediction)
    assert set(blind.data_vars) == {"intensity_predicted", "given"}


# --- figures -----------------------------------------------------------------------------------------------


class Moments(Coder):
    """The first numbers of an image are its code; they decode to an image of nothing else."""

    def __init__(self, size):
        self.size = size

    def encode(self, samples):
        return samples.intensity.values.reshape(samples.sizes["sample"], -1)[:, : self.size]

    def decode(self, codes):
        images = np.zeros((len(codes), 48), np.float32)
        images[:, : self.size] = codes
        return images.reshape(-1, 8, 6)


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr(style, "DPI", 50)  # to be quick


def test_every_figure_is_written(samples, prediction, tmp_path):
    ReconstructionEvaluation().figures(tmp_path, samples, {"ae": prediction, "given": samples.given.values})
    known = Moments(3)
    known.explained = np.array([0.5, 0.2, 0.1])
    ReconstructionEvaluation().coder_figures(tmp_path, samples, {"ae 2": Moments(2), "PCA 3": known})
    names = {path.name for path in tmp_path.iterdir()}
    each = {f"{kind}_{method}.png" for kind in ("drawn", "traversal") for method in ("ae_2", "PCA_3")}
    assert names == {"reconstructions.png", "codes.png", "manifold_ae_2.png", "eofs.png"} | each
    assert all(min(image.imread(path).shape[:2]) > 50 for path in tmp_path.iterdir())
    with pytest.raises(ValueError, match="no prediction"):
        ReconstructionEvaluation().figures(tmp_path, samples, {})


def test_codes_of_one_number_and_without_labels_can_be_drawn(samples, tmp_path):
    ReconstructionEvaluation().coder_figures(tmp_path, samples.drop_vars("label"), {"ae": Moments(1)})
    assert {path.name for path in tmp_path.iterdir()} == {"codes.png", "drawn_ae.png", "traversal_ae.png"}


def test_codes_that_are_not_finite_are_refused(samples, tmp_path):
    samples["intensity"][2, 0, 0] = np.nan
    with pytest.raises(ValueError, match="codes of ae are not finite"):
        ReconstructionEvaluation().coder_figures(tmp_path, samples, {"ae": Moments(2)})


def test_a_mosaic_holds_every_image_in_its_place():
    images = np.arange(2 * 3 * 4 * 5, dtype=float).reshape(2, 3, 4, 5)
    whole = mosaic(images)
    assert whole.shape == (2 * 4 + GAP, 3 * 5 + 2 * GAP)
    for row, column in np.ndindex(2, 3):
        y, x = row * (4 + GAP), column * (5 + GAP)
        np.testing.assert_array_equal(whole[y : y + 4, x : x + 5], images[row, column])
    assert np.isnan(whole).sum() == whole.size - images.size
    axes = grid(images, title="six", rows=["a", "b"], columns=["c", "d", "e"]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_a_traversal_changes_one_number_at_a_time():
    codes = np.random.default_rng(0).normal([1, 2, 3], [0.1, 0.3, 0.2], (500, 3))
    axes = draw.traversal(Moments(3), codes, method="ae").axes[0]
    whole = np.asarray(axes.images[0].get_array())
    mean, std = codes.mean(axis=0), codes.std(axis=0)
    for number in range(3):
        first = whole[number * (8 + GAP), :3]  # the code that decodes to the first image of the row
        expected = mean - 2 * std * (np.arange(3) == number)
        np.testing.assert_allclose(first, expected, rtol=1e-5)


def test_of_many_numbers_those_are_drawn_that_vary_most():
    spread = np.where(np.arange(20) % 2 == 0, 5.0, 0.1)
    codes = np.random.default_rng(0).normal(0, spread, (100, 20))
    axes = draw.traversal(Moments(20), codes, method="vae").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"number {n}" for n in range(1, 21, 2)]
    assert "10 of 20" in axes.get_title()


def test_points_are_in_the_two_directions_that_vary_most():
    rng = np.random.default_rng(0)
    codes = rng.normal(0, [3, 1, 0.1], (400, 3)) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    axes = draw.scatter({"ae": codes}, None, []).axes[0]
    points = np.asarray(axes.collections[0].get_offsets())
    np.testing.assert_allclose(points.std(axis=0), [3, 1], rtol=0.1)
    assert "of 3 numbers (9" in axes.get_xlabel()


def test_samples_are_shown_in_turn_of_their_classes(samples):
    shuffled = samples.isel(sample=np.random.default_rng(0).permutation(30))
    chosen = of_all_classes(shuffled, 6)
    assert shuffled.label.values[chosen].tolist() == [0, 1, 2, 0, 1, 2]
    assert len(set(chosen.tolist())) == 6
    np.testing.assert_array_equal(of_all_classes(samples.drop_vars("label"), 4), [0, 1, 2, 3])
