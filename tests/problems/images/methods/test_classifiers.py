"""Classical classifiers against scikit-learn's own answers."""

import hydra
import numpy as np
import pytest
import xarray as xr
from omegaconf import OmegaConf
from sklearn import linear_model, metrics, neighbors
from sklearn.datasets import load_digits

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.problems.images.methods.classifiers import Logistic, NearestCentroid, NearestNeighbours

DIGITS = load_digits()
TRAIN, TEST = slice(0, 1200), slice(1200, 1797)


def part(which, classes=10):
    variables = {
        "intensity": (("sample", "y", "x"), (DIGITS.images[which] / 16).astype(np.float32)),
        "label": ("sample", DIGITS.target[which].astype(np.int64)),
    }
    return xr.Dataset(variables, attrs={"classes": ",".join(map(str, range(classes))), "task": "classify"})


def pixels(samples):
    return samples.intensity.values.reshape(samples.sizes["sample"], -1)


METHODS = {
    "nearest_neighbours": lambda: NearestNeighbours(neighbours=3),
    "nearest_centroid": NearestCentroid,
    "logistic": lambda: Logistic(penalty=1.0),
}


@pytest.fixture(params=METHODS)
def method(request):
    made = METHODS[request.param]()
    made.fit(part(TRAIN))
    return made


def test_every_method_gives_chances_that_are_good(method):
    probabilities = method.predict(part(TEST))
    assert probabilities.shape == (597, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert probabilities.min() > 0, "no class that was seen in training is impossible"
    labels = part(TEST).label.values
    assert metrics.accuracy_score(labels, probabilities.argmax(axis=1)) > 0.85
    assert metrics.log_loss(labels, probabilities) < 0.7
    assert method.learns


@pytest.mark.parametrize("name", METHODS)
def test_the_yaml_files_build(name):
    built = hydra.utils.instantiate(OmegaConf.load(CONF / "baseline" / f"{name}.yaml"))
    assert type(built) is type(METHODS[name]())


def test_neighbours_vote_as_scikit_learns():
    method, train, test = NearestNeighbours(neighbours=5), part(TRAIN), part(TEST)
    method.fit(train)
    reference = neighbors.KNeighborsClassifier(5).fit(pixels(train), train.label)
    probabilities, shares = method.predict(test), reference.predict_proba(pixels(test))
    np.testing.assert_allclose(probabilities, (5 * shares + 0.01) / 5.1, atol=1e-9)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), reference.predict(pixels(test)))


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # the corners are always black
def test_the_nearest_centroid_is_scikit_learns():
    method, train, test = NearestCentroid(), part(TRAIN), part(TEST)
    method.fit(train)
    reference = neighbors.NearestCentroid(priors="uniform").fit(pixels(train), train.label)
    np.testing.assert_array_equal(method.predict(test).argmax(axis=1), reference.predict(pixels(test)))


def test_the_chances_of_centroids_are_as_sharp_as_the_training_part_wants():
    method, train = NearestCentroid(), part(TRAIN)
    method.fit(train)
    logarithms, labels = np.log(method.predict(train)), train.label.values

    def loss(factor):
        sharper = np.exp(factor * logarithms)
        return metrics.log_loss(labels, sharper / sharper.sum(axis=1, keepdims=True))

    assert loss(1) < min(loss(0.97), loss(1.03))


def test_logistic_regression_is_scikit_learns():
    method, train, test = Logistic(penalty=4.0), part(TRAIN), part(TEST)
    method.fit(train)
    reference = linear_model.LogisticRegression(C=0.25, max_iter=1000).fit(pixels(train), train.label)
    np.testing.assert_allclose(method.predict(test), reference.predict_proba(pixels(test)), atol=1e-6)


def test_a_class_that_training_never_saw_has_its_column(method):
    few = part(TRAIN, classes=11).isel(sample=np.flatnonzero(DIGITS.target[TRAIN] != 4))
    method.fit(few)
    probabilities = method.predict(part(TEST))
    assert probabilities.shape == (597, 11)
    assert probabilities[:, [4, 10]].max() < 0.02
    sevens = part(TEST).label.values == 7
    assert (probabilities[sevens].argmax(axis=1) == 7).mean() > 0.7


def test_other_tasks_are_refused(method):
    with pytest.raises(Refusal, match=rf"baseline={method.choice} gives labels.* type data.task=classify"):
        method.fit(part(TRAIN).assign_attrs(task="reconstruct"))
    with pytest.raises(Refusal, match=r"type data.task=classify"):
        method.fit(part(TRAIN).drop_vars("label"))


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match=r"baseline.neighbours=0"):
        NearestNeighbours(neighbours=0)
    with pytest.raises(ValueError, match=r"baseline.penalty=0"):
        Logistic(penalty=0)
    with pytest.raises(Refusal, match=r"baseline.neighbours=9 is more than the 5 training samples"):
        NearestNeighbours(neighbours=9).fit(part(slice(0, 5)))
    with pytest.raises(ValueError, match="only after fit"):
        NearestCentroid().predict(part(TEST))
