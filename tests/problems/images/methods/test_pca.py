"""Principal components against scikit-learn, the theorem of the discarded variances, and conditional Gaussians."""

import hydra
import numpy as np
import pytest
import xarray as xr
from omegaconf import OmegaConf
from sklearn import decomposition
from sklearn.datasets import load_digits

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.problems.images.methods.identity import Identity
from dlgd.problems.images.methods.pca import PCA

DIMS = ("sample", "y", "x")


def part(which, **given):
    """Images of 8 x 8 pixels, and what is given of them."""
    images = load_digits().images[which] / 16
    variables = {"intensity": (DIMS, images)} | {name: (DIMS, values) for name, values in given.items()}
    return xr.Dataset(variables, attrs={"task": "reconstruct", "name": "digits"})


TRAIN, TEST = slice(0, 1200), slice(1200, 1500)


def fitted(modes, variable="intensity", train=None):
    method = PCA(variable=variable, modes=modes)
    method.fit(part(TRAIN) if train is None else train)
    return method


def rows(images):
    return np.asarray(images).reshape(len(images), -1)


@pytest.fixture
def test():
    return part(TEST)


def test_projections_are_those_of_scikit_learn(test):
    method = fitted(5)
    answer = method.predict(test)
    reference = decomposition.PCA(5, svd_solver="full").fit(rows(part(TRAIN).intensity))
    expected = reference.inverse_transform(reference.transform(rows(test.intensity)))
    np.testing.assert_allclose(rows(answer), expected, atol=1e-10)
    np.testing.assert_allclose(method.coder().explained, reference.explained_variance_ratio_, rtol=1e-8)
    assert (method.name, method.learns) == ("PCA 5", True)


@pytest.mark.parametrize("modes", [1, 4, 20])
def test_the_error_on_the_training_part_is_the_discarded_variance(modes):
    train = part(TRAIN)
    values = rows(train.intensity)
    variances = np.linalg.eigvalsh(np.cov(values, rowvar=False, bias=True))[::-1]
    error = ((fitted(modes).predict(train) - train.intensity.values) ** 2).mean()
    assert error == pytest.approx(variances[modes:].sum() / values.shape[1], rel=1e-9)


def test_no_other_plane_is_nearer(test):
    train = part(TRAIN)
    values, best = rows(train.intensity), ((fitted(4).predict(train) - train.intensity.values) ** 2).mean()
    rng, mean = np.random.default_rng(0), values.mean(axis=0)
    for spread in (1e-2, 1e-1, 10):
        plane = np.linalg.svd(values - mean, full_matrices=False)[2][:4] + rng.normal(0, spread, (4, 64))
        plane = np.linalg.qr(plane.T)[0]
        assert ((mean + (values - mean) @ plane @ plane.T - values) ** 2).mean() > best


def test_all_modes_give_back_the_field():
    train = part(slice(0, 30))
    np.testing.assert_allclose(fitted(29, train=train).predict(train), train.intensity.values, atol=1e-10)


def test_few_and_many_samples_are_treated_alike():
    """The covariance of the cells and the singular values of the samples are two ways to the same modes."""
    train = part(slice(0, 64))
    by_covariance, by_values = fitted(3, train=train), fitted(3, train=train.isel(sample=slice(0, 63)))
    assert by_covariance.coder().explained == pytest.approx(by_values.coder().explained, rel=0.05)


def test_codes_lead_there_and_back(test):
    coder = fitted(6).coder()
    codes = coder.encode(test)
    assert codes.shape == (300, coder.size) == (300, 6)
    np.testing.assert_allclose(coder.decode(codes), fitted(6).predict(test), atol=1e-12)
    assert coder.decode(np.zeros((1, 6)))[0] == pytest.approx(part(TRAIN).intensity.values.mean(axis=0))


def test_noisy_images_are_projected(test):
    noisy = test.intensity.values + np.random.default_rng(0).normal(0, 0.3, test.intensity.shape)
    method = fitted(15)
    answer = method.predict(part(TEST, given=noisy))
    np.testing.assert_allclose(answer, method.predict(test.assign(intensity=(DIMS, noisy))))
    assert ((answer - test.intensity.values) ** 2).mean() < 0.5 * ((noisy - test.intensity.values) ** 2).mean()


# --- filling in --------------------------------------------------------------------------------------------


def hidden(seed=0):
    rng = np.random.default_rng(seed)
    observed = rng.random((300, 8, 8)) > 0.5
    truth = load_digits().images[TEST] / 16
    return part(TEST, given=np.where(observed, truth, 0), observed=observed), truth, observed


def test_hidden_pixels_are_the_mean_of_a_gaussian_given_the_observed_ones():
    samples, truth, observed = hidden()
    answer = fitted(8).predict(samples)
    values = rows(part(TRAIN).intensity)
    variances, modes = np.linalg.eigh(np.cov(values, rowvar=False))
    noise = variances[:-8].sum() / 64
    covariance = (modes[:, -8:] * variances[-8:]) @ modes[:, -8:].T + noise * np.eye(64)
    mean = values.mean(axis=0)
    for number in range(0, 300, 30):
        seen = observed[number].ravel()
        anomaly = (truth[number].ravel() - mean)[seen]
        gain = covariance[np.ix_(~seen, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
        np.testing.assert_allclose(answer[number].ravel()[~seen], mean[~seen] + gain @ anomaly, atol=1e-8)
        np.testing.assert_array_equal(answer[number].ravel()[seen], truth[number].ravel()[seen])


def test_filling_in_beats_the_mean_and_what_is_under_a_hidden_pixel_is_not_looked_at():
    samples, truth, observed = hidden()
    answer = fitted(8).predict(samples)
    error = ((answer - truth)[~observed] ** 2).mean()
    mean = part(TRAIN).intensity.values.mean(axis=0)
    assert error < 0.7 * ((mean - truth)[~observed] ** 2).mean()
    garbage = samples.assign(given=samples.given.where(samples.observed, 7.0), intensity=0 * samples.intensity)
    np.testing.assert_array_equal(fitted(8).predict(garbage)[~observed], answer[~observed])


def test_nothing_observed_gives_the_mean_and_everything_observed_the_image():
    samples, truth, _ = hidden()
    none = samples.assign(observed=samples.observed & False)
    np.testing.assert_allclose(fitted(8).predict(none)[3], part(TRAIN).intensity.values.mean(axis=0), atol=1e-12)
    everything = samples.assign(observed=samples.observed | True, given=(DIMS, truth))
    np.testing.assert_array_equal(fitted(8).predict(everything), truth)


def test_modes_that_explain_everything_can_fill_in():
    """No noise is left beyond them, and the least squares are singular."""
    train = part(slice(0, 20))
    samples, _, _ = hidden()
    assert np.isfinite(fitted(19, train=train).predict(samples)).all()


# --- fields with land --------------------------------------------------------------------------------------


def test_land_is_left_out():
    rng = np.random.default_rng(0)
    land = rng.random((6, 7)) < 0.3
    patterns, weights = rng.normal(size=(2, 6, 7)), rng.normal(size=(40, 2))
    fields = 5 + np.einsum("nk,kyx->nyx", weights, patterns)
    fields[:, land] = np.nan
    samples = xr.Dataset({"gamma": (DIMS, fields)}, attrs={"west_east": "periodic"})
    method = fitted(2, variable="gamma", train=samples)
    np.testing.assert_allclose(method.predict(samples), fields, atol=1e-10)  # NaN in the same places
    assert method.coder().explained.sum() == pytest.approx(1)
    holed = samples.copy(deep=True)
    holed["gamma"][3, *np.argwhere(~land)[0]] = np.nan
    with pytest.raises(ValueError, match="gamma is not finite in cells where"):
        method.predict(holed)


# --- refusals ----------------------------------------------------------------------------------------------


def test_few_training_samples_have_fewer_modes_than_asked_for(test, caplog):
    method = fitted(30, train=part(slice(0, 30)))
    assert method.name == "PCA 29"
    assert "baseline.modes=30 is more than these training samples have: 29 are taken" in caplog.text
    np.testing.assert_array_equal(method.predict(test), fitted(29, train=part(slice(0, 30))).predict(test))


@pytest.mark.parametrize("task", ["classify", "generate"])
def test_labels_and_new_samples_are_refused(task):
    with pytest.raises(Refusal, match=rf"gives fields, which data=digits data.task={task} does not ask for: type"):
        fitted(2, train=part(TRAIN).assign_attrs(task=task))


def test_what_does_not_fit_is_refused(test):
    with pytest.raises(ValueError, match=r"baseline.modes=0"):
        PCA(variable="intensity", modes=0)
    with pytest.raises(Refusal, match=r"baseline.variable=gamma is not among the fields .* try intensity"):
        fitted(2, variable="gamma")
    with pytest.raises(ValueError, match="only after fit"):
        PCA(variable="intensity", modes=2).predict(test)
    with pytest.raises(ValueError, match=r"\(7, 8\) do not fit the training samples"):
        fitted(2).predict(test.isel(y=slice(0, 7)))


def test_the_given_images_are_an_answer_too(test):
    samples, _, _ = hidden()
    Identity().fit(samples)
    np.testing.assert_array_equal(Identity().predict(samples), samples.given.values)
    with pytest.raises(Refusal, match=r"type data.task=denoise or inpaint"):
        Identity().predict(test)


@pytest.mark.parametrize("name", ["pca", "identity"])
def test_the_yaml_files_build(name):
    assert hydra.utils.instantiate(OmegaConf.load(CONF / "baseline" / f"{name}.yaml")).name in ("PCA 4", "given")
