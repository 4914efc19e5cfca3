"""Scores of generated images: closed forms, SciPy's root of a matrix, scikit-learn's neighbours, a known classifier."""

import numpy as np
import pytest
import xarray as xr
from matplotlib import image
from scipy.linalg import sqrtm
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from dlgd.plotting import style
from dlgd.problems.images.figures import generation as draw
from dlgd.problems.images.scores.frechet import frechet_distance
from dlgd.problems.images.scores.generation import COMPONENTS, GenerationEvaluation, by_class, nearest

DIMS = ("sample", "y", "x")


def real(part, training=None):
    """A part of scikit-learn's digits of 8 x 8 pixels."""
    digits = load_digits()
    variables = {
        "intensity": (DIMS, (digits.images[part] / 16).astype(np.float32)),
        "label": ("sample", digits.target[part]),
    }
    if training is not None:
        variables["train_intensity"] = (("train_sample", "y", "x"), (digits.images[training] / 16).astype(np.float32))
    return xr.Dataset(variables, attrs={"classes": ",".join(map(str, range(10))), "task": "generate"})


@pytest.fixture
def samples():
    return real(slice(0, 400), slice(400, 1400))


@pytest.fixture
def others():
    """Real images that are neither samples nor training images, of the very same classes."""
    rest = real(slice(1400, 1797))
    rng = np.random.default_rng(0)
    return lambda labels: np.stack([rng.choice(rest.intensity.values[rest.label.values == label]) for label in labels])


# --- the distance ------------------------------------------------------------------------------------------


def reference(first, second):
    """As the formula stands, with SciPy's root of a matrix."""
    c1, c2 = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    between = first.mean(axis=0) - second.mean(axis=0)
    return between @ between + np.trace(c1 + c2 - 2 * np.real(sqrtm(c1 @ c2)))


def test_the_distance_agrees_with_scipy():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(300, 12)) @ rng.normal(size=(12, 12))
    second = 1 + rng.normal(size=(500, 12)) @ rng.normal(size=(12, 12))
    assert reference(first, second) > 1
    assert frechet_distance(first, second) == pytest.approx(reference(first, second), rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(reference(first, second), rel=1e-9)


def test_the_distance_of_gaussians_on_the_axes_is_that_of_their_means_and_deviations():
    rng = np.random.default_rng(1)
    # whitened, so that the moments of the samples are those asked for
    draws = rng.normal(size=(200, 6))
    unit = np.linalg.qr(draws - draws.mean(axis=0))[0] * np.sqrt(199)
    mean1, mean2, std1, std2 = rng.random((4, 6))
    expected = ((mean1 - mean2) ** 2 + (std1 - std2) ** 2).sum()
    assert frechet_distance(mean1 + std1 * unit, mean2 + std2 * unit) == pytest.approx(expected, rel=1e-10)


def test_fewer_samples_than_features_is_no_trouble():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(20, 64))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-10)
    assert frechet_distance(features, features + 0.5) == pytest.approx(64 * 0.25)
    assert frechet_distance(features, 3 * features - 2 * features.mean(axis=0)) == pytest.approx(
        4 * features.var(axis=0, ddof=1).sum()
    )


def test_features_without_a_covariance_are_refused():
    with pytest.raises(ValueError, match="two samples"):
        frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))
    with pytest.raises(ValueError, match="not finite"):
        frechet_distance(np.full((5, 3), np.nan), np.zeros((5, 3)))


# --- scores ------------------------------------------------------------------------------------------------


def test_principal_components_are_those_of_the_real_images(samples, others):
    images = others(samples.label.values)
    fitted = PCA(COMPONENTS, svd_solver="full").fit(samples.intensity.values.reshape(400, -1).astype(np.float64))
    features = [
        fitted.transform(each.reshape(400, -1).astype(np.float64)) for each in (images, samples.intensity.values)
    ]
    assert GenerationEvaluation().scores(samples, images)["frechet_pca"] == pytest.approx(
        reference(*features), rel=1e-6
    )


def test_real_images_are_nearer_than_noisy_or_few_ones(samples, others):
    scores = GenerationEvaluation().scores
    images = others(samples.label.values)
    noisy = images + np.random.default_rng(0).normal(0, 0.3, images.shape)
    collapsed = np.repeat(images[:4], 100, axis=0)
    assert scores(samples, samples.intensity.values)["frechet_pca"] < 1e-6
    new, worse, worst = (scores(samples, each)["frechet_pca"] for each in (images, noisy, collapsed))
    assert 1.5 * new < worse < worst


def test_copies_of_training_images_are_found_out(samples, others):
    copies = samples.train_intensity.values[:400]
    assert GenerationEvaluation().scores(samples, copies)["nearest_ratio"] == 0
    assert GenerationEvaluation().scores(samples, others(samples.label.values))["nearest_ratio"] == pytest.approx(
        1, abs=0.15
    )
    without = samples.drop_vars("train_intensity")
    assert "nearest_ratio" not in GenerationEvaluation().scores(without, copies)


def test_neighbours_are_those_of_scikit_learn(samples):
    images, training = samples.intensity.values[:50], samples.train_intensity.values
    numbers, distances = nearest(images, training, neighbours=3)
    search = NearestNeighbors(n_neighbors=3).fit(training.reshape(1000, -1).astype(np.float64))
    expected, places = search.kneighbors(images.reshape(50, -1).astype(np.float64))
    np.testing.assert_allclose(distances, expected, rtol=1e-5)
    assert (numbers == places).mean() > 0.9  # equal but for ties:
    found = np.linalg.norm((images[:, None] - training[numbers]).astype(np.float64), axis=(2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert nearest(images, training[:2], neighbours=3)[0].shape == (50, 2)


class Reader:
    """Judges by a mark in the first pixel; its features are pixels in the middle."""

    def __call__(self, images):
        assert images.dtype == np.float32
        return np.eye(10)[np.round(9 * images[:, 0, 0]).astype(int)], images[:, 2, 2:6].astype(np.float64)


def marked(samples, classes):
    images = samples.intensity.values.copy()
    images[:, 0, 0] = np.asarray(classes) / 9
    return images


def test_a_judge_tells_what_was_made_from_what_was_asked(samples):
    samples = samples.drop_vars("train_intensity")
    asked = samples.label.values
    samples["intensity"] = (DIMS, marked(samples, asked))
    evaluation = GenerationEvaluation(classifier=Reader())
    perfect = evaluation.scores(samples, samples.intensity.values)
    assert perfect["asked_recognised"] == 100
    assert perfect["histogram_deviation"] == 0
    assert perfect["frechet_classifier"] == pytest.approx(0, abs=1e-9)
    seen = np.where(asked == 3, 4, asked)  # every three is a four
    wrong = evaluation.scores(samples, marked(samples, seen))
    threes = 100 * (asked == 3).mean()
    assert wrong["asked_recognised"] == pytest.approx(100 - threes)
    assert wrong["histogram_deviation"] == pytest.approx(threes)
    rolled = np.roll(samples.intensity.values, 1, axis=0)  # right classes, for others
    unasked = evaluation.scores(samples, rolled)
    assert unasked["histogram_deviation"] == 0
    assert unasked["asked_recognised"] < 20
    blurred = 0.5 * samples.intensity.values
    blurred[:, 0, 0] = samples.intensity.values[:, 0, 0]
    features = [each[:, 2, 2:6].astype(np.float64) for each in (blurred, samples.intensity.values)]
    assert evaluation.scores(samples, blurred)["frechet_classifier"] == pytest.approx(reference(*features), rel=1e-3)


def test_other_samples_are_not_judged_by_those_before(samples):
    evaluation = GenerationEvaluation()
    first = evaluation.scores(samples, samples.intensity.values)
    half = samples.isel(sample=slice(0, 200))
    assert evaluation.scores(half, half.intensity.values)["frechet_pca"] < 1e-6
    assert evaluation.scores(samples, samples.intensity.values) == first


def test_what_cannot_be_scored_is_refused(samples):
    images = samples.intensity.values.copy()
    with pytest.raises(ValueError, match=r"where \(sample, y, x\) = \(400, 8, 8\)"):
        GenerationEvaluation().scores(samples, images[:10])
    with pytest.raises(ValueError, match="two real ones"):
        GenerationEvaluation().scores(samples.isel(sample=[0]), images[:1])
    with pytest.raises(ValueError, match=r"where \(image, class\) = \(400, 10\)"):
        GenerationEvaluation(classifier=lambda given: (np.ones((len(given), 3)), given[:, 0])).scores(samples, images)
    with pytest.raises(ValueError, match=r"evaluation.classifier gives numbers that are not finite"):
        GenerationEvaluation(classifier=lambda given: (np.full((len(given), 10), np.nan), given[:, 0])).scores(
            samples, images
        )
    images[5, 1, 1] = np.inf
    with pytest.raises(ValueError, match="not finite in 1 pixels, first in sample 5"):
        GenerationEvaluation().scores(samples, images)


def test_generated_images_survive_netcdf(samples, tmp_path):
    GenerationEvaluation().dataset(samples, samples.intensity.values).to_netcdf(tmp_path / "predictions.nc")
    with xr.open_dataset(tmp_path / "predictions.nc") as read:
        assert set(read.data_vars) == {"intensity_generated", "label"}
        np.testing.assert_array_equal(read.label, samples.label)


# --- figures -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr(style, "DPI", 50)  # to be quick


def test_every_figure_is_written(samples, others, tmp_path):
    predictions = {"gan": others(samples.label.values), "training images": samples.train_intensity.values[:400]}
    GenerationEvaluation().figures(tmp_path / "plain", samples.drop_vars("train_intensity"), predictions)
    assert {path.name for path in (tmp_path / "plain").iterdir()} == {"samples.png", "methods.png"}
    GenerationEvaluation(classifier=Reader()).figures(tmp_path, samples, predictions)
    written = {path.name for path in tmp_path.glob("*.png")}
    assert written == {"samples.png", "methods.png", "nearest.png", "classes.png"}
    assert all(min(image.imread(path).shape[:2]) > 80 for path in tmp_path.glob("*.png"))
    with pytest.raises(ValueError, match="no prediction"):
        GenerationEvaluation().figures(tmp_path, samples, {})


def test_a_column_per_class(samples):
    images = samples.label.values[:, None, None] * np.ones((1, 8, 8))
    table = by_class(images, samples, 3)
    assert table.shape == (3, 10, 8, 8)
    np.testing.assert_array_equal(table[:, :, 0, 0], np.tile(np.arange(10), (3, 1)))
    few = by_class(images[:1], samples.isel(sample=slice(0, 1)), 2)
    assert few.sum() == images[:1].sum()


def test_snapshots_become_one_figure_of_twelve_rows_at_most(samples, tmp_path, monkeypatch):
    evaluation = GenerationEvaluation()
    snapshot = evaluation.snapshot(samples, samples.intensity.values)
    assert snapshot.dtype == np.uint8
    assert snapshot.shape == (2, 10, 8, 8)
    zeros = samples.intensity.values[samples.label.values == 0]
    np.testing.assert_array_equal(snapshot[:, 0], np.round(255 * zeros[:2]))
    drawn = []
    usual = draw.progress
    monkeypatch.setattr(draw, "progress", lambda images, of: drawn.append((list(images), of)) or usual(images, of=of))
    evaluation.progress(tmp_path, [snapshot] * 30)
    numbers, of = drawn[0]
    assert (len(numbers), numbers[0], numbers[-1], of) == (12, 1, 30, 30)
    evaluation.progress(tmp_path, [snapshot] * 3)
    assert drawn[1] == ([1, 2, 3], 3)
    assert (tmp_path / "progress.png").stat().st_size > 5_000
    evaluation.progress(tmp_path / "nothing", [])
    assert not (tmp_path / "nothing").exists()
