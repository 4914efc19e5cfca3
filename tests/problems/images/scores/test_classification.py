"""Scores of probabilities against scikit-learn, PyTorch, loops and cases worked out by hand."""

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib import image
from sklearn import metrics

from dlgd.core.errors import Refusal
from dlgd.plotting import style
from dlgd.problems.images.figures import classification as draw
from dlgd.problems.images.scores.classification import BINS, ClassificationEvaluation, confusion, reliability

NAMES = ("T-shirt/top", "Bag", "Ankle boot", "Coat")


def samples_of(labels, names=NAMES):
    images = np.random.default_rng(0).random((len(labels), 6, 5), np.float32)
    variables = {"intensity": (("sample", "y", "x"), images), "label": ("sample", np.asarray(labels))}
    return xr.Dataset(variables, {"sample": np.arange(len(labels))}, {"classes": ",".join(names), "task": "classify"})


@pytest.fixture
def logits():
    """Good ones of four classes, not too sure."""
    rng = np.random.default_rng(1)
    labels = np.arange(200) % 4
    return labels, 2 * np.eye(4)[labels] + rng.normal(0, 1, (200, 4))


@pytest.fixture
def samples(logits):
    return samples_of(logits[0])


@pytest.fixture
def probabilities(logits):
    return torch.softmax(torch.tensor(logits[1]), 1).numpy()


def test_scores_agree_with_scikit_learn_and_pytorch(samples, logits, probabilities):
    scores = ClassificationEvaluation().scores(samples, probabilities)
    labels = logits[0]
    assert 0.5 < metrics.accuracy_score(labels, probabilities.argmax(1)) < 0.95
    assert scores["accuracy"] == pytest.approx(100 * metrics.accuracy_score(labels, probabilities.argmax(1)))
    assert scores["error"] == pytest.approx(100 - scores["accuracy"])
    assert scores["cross_entropy"] == pytest.approx(metrics.log_loss(labels, probabilities))
    loss = torch.nn.functional.cross_entropy(torch.tensor(logits[1]), torch.tensor(labels))
    assert scores["cross_entropy"] == pytest.approx(loss.item())
    recall = metrics.recall_score(labels, probabilities.argmax(1), average=None)
    names = ("T-shirt_top", "Bag", "Ankle_boot", "Coat")
    assert [scores[f"accuracy_of_{name}"] for name in names] == pytest.approx(list(100 * recall))
    np.testing.assert_array_equal(
        confusion(labels, probabilities), metrics.confusion_matrix(labels, probabilities.argmax(1))
    )
    assert {"accuracy", "error", "cross_entropy", "calibration_error"} <= set(scores)
    assert all(isinstance(value, float) and np.isfinite(value) for value in scores.values())


def test_the_calibration_error_agrees_with_a_loop(samples, logits, probabilities):
    error = 0.0
    for number in range(BINS):
        inside = [
            (max(row), row.argmax() == label)
            for row, label in zip(probabilities, logits[0], strict=True)
            if number / BINS < max(row) <= (number + 1) / BINS
        ]
        if inside:
            sure, right = np.mean(inside, axis=0)
            error += len(inside) / len(probabilities) * abs(sure - right)
    assert 0.01 < error < 0.3
    assert ClassificationEvaluation().scores(samples, probabilities)["calibration_error"] == pytest.approx(100 * error)


@pytest.mark.parametrize(("right", "error"), [(8, 0.0), (6, 0.2), (10, 0.2)])
def test_four_in_five_right_when_80_percent_sure_is_calibrated(right, error):
    probabilities = np.tile([0.8, 0.2], (10, 1))
    labels = np.array([0] * right + [1] * (10 - right))
    assert reliability(probabilities, labels).error == pytest.approx(error)


def test_a_perfect_answer(samples):
    scores = ClassificationEvaluation().scores(samples, np.eye(4)[samples.label.values])
    assert scores["accuracy"] == 100
    assert scores["error"] == scores["cross_entropy"] == scores["calibration_error"] == 0


def test_a_sure_and_wrong_answer_costs_much_but_is_finite(samples):
    scores = ClassificationEvaluation().scores(samples, np.eye(4)[(samples.label.values + 1) % 4])
    assert scores["cross_entropy"] == pytest.approx(87.3, abs=0.1)  # -log of the smallest normal float32
    assert scores["accuracy"] == 0


def test_a_class_that_no_sample_has_is_left_out():
    scores = ClassificationEvaluation().scores(samples_of([0, 1, 1]), np.full((3, 4), 0.25))
    assert {key for key in scores if key.startswith("accuracy_of")} == {"accuracy_of_T-shirt_top", "accuracy_of_Bag"}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_chances_that_are_not_finite_are_refused(samples, probabilities, bad):
    probabilities[7, 2] = bad
    with pytest.raises(ValueError, match="probabilities of 1 samples are not finite, first of sample 7"):
        ClassificationEvaluation().scores(samples, probabilities)


def test_rows_that_are_no_chances_are_refused(samples, logits, probabilities):
    with pytest.raises(ValueError, match="no probabilities"):
        ClassificationEvaluation().scores(samples, logits[1])
    probabilities[3] = [1.2, -0.2, 0, 0]
    with pytest.raises(ValueError, match=r"1 rows .* sample 3 sum to 1 and the lowest is -0.2"):
        ClassificationEvaluation().scores(samples, probabilities)


def test_another_shape_and_no_sample_are_refused(samples, probabilities):
    with pytest.raises(ValueError, match=r"where \(sample, class\) = \(200, 4\)"):
        ClassificationEvaluation().scores(samples, probabilities[:, :3])
    with pytest.raises(ValueError, match="no sample"):
        ClassificationEvaluation().scores(samples.isel(sample=[]), probabilities[:0])


def test_published_rows():
    row = {"name": "CNN", "accuracy": 90.72, "source": "a course"}
    assert ClassificationEvaluation(published=[row]).published == [
        {"method": "CNN", "accuracy": 90.72, "source": "a course"}
    ]
    with pytest.raises(Refusal, match="needs name and source"):
        ClassificationEvaluation(published=[{"name": "CNN", "mse": 1, "source": "a course"}])
    for nonsense in ("nonsense", ["nonsense"]):
        with pytest.raises(Refusal, match=r"nonsense.* must be a list of rows"):
            ClassificationEvaluation(published=nonsense)


def test_predictions_survive_netcdf(samples, probabilities, tmp_path):
    ClassificationEvaluation().dataset(samples, probabilities).to_netcdf(tmp_path / "predictions.nc")
    with xr.open_dataset(tmp_path / "predictions.nc") as read:
        np.testing.assert_allclose(read.probability.values, probabilities, rtol=1e-6)
        assert read["class"].values.tolist() == list(NAMES)
        np.testing.assert_array_equal(read.label_predicted, probabilities.argmax(1))
        np.testing.assert_array_equal(read.label, samples.label)


# --- figures -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr(style, "DPI", 50)  # to be quick


def test_every_figure_is_written(samples, probabilities, tmp_path):
    ClassificationEvaluation().figures(
        tmp_path, samples, {"cnn": probabilities, "even": np.full_like(probabilities, 0.25)}
    )
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["accuracy_by_class.png", "confusion.png", "reliability.png", "wrong.png"]
    assert all(min(image.imread(path).shape[:2]) > 80 for path in tmp_path.iterdir())


def test_no_method_is_refused(samples, tmp_path):
    with pytest.raises(ValueError, match="no prediction"):
        ClassificationEvaluation().figures(tmp_path, samples, {})


def test_the_confusion_matrix_shows_numbers_of_samples():
    axes = draw.confusion(np.array([[9, 1], [0, 5]]), ["cat", "dog"], method="cnn").axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "5", "9"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[90, 10], [0, 100]])
    assert axes.get_title() == "cnn: 93.33 % of 15 samples are right"


def test_wrong_examples_begin_with_the_surest():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]])
    images = np.arange(4)[:, None, None] * np.ones((4, 3, 3))
    figure = draw.wrong(images, labels, probabilities, ["cat", "dog"], method="cnn")
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.images[0].get_array()[0, 0] for axes in shown] == [2, 1]
    assert shown[0].get_title() == "is dog\nnot cat\n(80 % sure)"
    perfect = draw.wrong(images, labels, np.eye(2)[labels], ["cat", "dog"], method="cnn")
    assert perfect.get_suptitle().endswith("none")


def test_every_method_has_its_reliability(logits, probabilities):
    even = np.full_like(probabilities, 0.25)
    figure = draw.reliability({"cnn": reliability(probabilities, logits[0]), "even": reliability(even, logits[0])})
    _, ours, others = figure.axes[0].lines
    assert ours.get_label().startswith("cnn: ")
    np.testing.assert_allclose(others.get_xydata(), [[0.25, 0.25]])


def test_the_hardest_class_stands_on_top():
    axes = draw.accuracy_by_class({"cnn": {"cat": 90.0, "dog": 70.0}, "even": {"cat": 50.0, "dog": 60.0}}).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    assert [list(line.get_xdata()) for line in axes.lines] == [[90, 70], [50, 60]]
