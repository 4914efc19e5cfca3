"""Cross-entropy and likelihoods against other libraries; what does not count; which loss is natural."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import log_loss

from dlgd.core.contract import Spec
from dlgd.losses.classification import CrossEntropy
from dlgd.losses.likelihoods import LEAST, Bernoulli, Gaussian
from dlgd.losses.natural import natural
from dlgd.losses.pointwise import mse

LABELS = Spec(name="digits", kind="label", input_channels=("g",), output_channels=tuple("abcd"), grid=(8, 8))
PICTURES = replace(LABELS, name="pictures", kind="field", output_channels=("g",), bounds=(0.0, 1.0))
NEW = replace(PICTURES, name="new", kind="generated")
WAVES = replace(PICTURES, name="waves", bounds=None)
NAN = float("nan")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def labels():
    """Logits (40, 4), classes, and a mask with a few outside of it."""
    logits = 3 * torch.randn(40, 4, generator=generator(), dtype=torch.float64)
    target = torch.randint(4, (40,), generator=generator())
    return logits, target, torch.arange(40) % 5 > 0


# --- cross-entropy -----------------------------------------------------------------------------------------


def test_cross_entropy_against_sklearn(labels):
    logits, target, mask = labels
    value, terms = CrossEntropy(spec=LABELS, label_smoothing=0.0)(prediction=logits, target=target, mask=mask)
    probabilities = torch.softmax(logits, dim=1)[mask].numpy()
    assert value.item() == pytest.approx(log_loss(target[mask].numpy(), probabilities, labels=range(4)), rel=1e-9)
    assert terms == {"cross_entropy": value}


def test_smoothed_labels(labels):
    """The truth is 1 - s + s / 4 for the class and s / 4 for each other one."""
    logits, target, mask = labels
    truth = 0.8 * np.eye(4)[target.numpy()] + 0.2 / 4
    expected = -(truth * np.log(torch.softmax(logits, dim=1).numpy())).sum(axis=1)[mask.numpy()].mean()
    value, _ = CrossEntropy(spec=LABELS, label_smoothing=0.2)(prediction=logits, target=target, mask=mask)
    assert value.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_labels_that_do_not_count(labels, label_smoothing):
    logits, target, mask = labels
    loss = CrossEntropy(spec=LABELS, label_smoothing=label_smoothing)
    expected, _ = loss(prediction=logits[mask], target=target[mask], mask=mask[mask])
    leaf = torch.where(mask[:, None], logits, NAN).requires_grad_()
    value, _ = loss(prediction=leaf, target=torch.where(mask, target, -100), mask=mask)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert (leaf.grad[~mask] == 0).all()
    assert torch.isfinite(leaf.grad).all()
    nothing, _ = loss(prediction=logits, target=target, mask=torch.zeros_like(mask))
    assert nothing.item() == 0.0


# --- likelihoods -------------------------------------------------------------------------------------------


def pictures() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Probabilities, black and white cells, mask, (3, 1, 4, 5)."""
    probabilities, target = torch.rand(2, 3, 1, 4, 5, generator=generator(), dtype=torch.float64)
    return probabilities, (target > 0.5).double(), torch.rand(3, 1, 4, 5, generator=generator()) > 0.3


def test_bernoulli_against_scipy():
    probabilities, target, mask = pictures()
    value, terms = Bernoulli(spec=PICTURES)(prediction=probabilities, target=target, mask=mask)
    expected = -stats.bernoulli(probabilities[mask].numpy()).logpmf(target[mask].numpy()).mean()
    assert value.item() == pytest.approx(expected, rel=1e-9)
    assert terms == {"bernoulli": value}


def test_bernoulli_of_grey_is_the_mean_over_black_and_white():
    probabilities, _, mask = pictures()
    loss, grey = Bernoulli(spec=PICTURES), torch.full_like(probabilities, 0.3)
    black, white = (loss(prediction=probabilities, target=torch.full_like(grey, c), mask=mask)[0] for c in (0.0, 1.0))
    torch.testing.assert_close(loss(prediction=probabilities, target=grey, mask=mask)[0], 0.7 * black + 0.3 * white)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_surest_prediction_is_finite(dtype):
    loss, ones = Bernoulli(spec=PICTURES), torch.ones(1, 1, 2, 2, dtype=dtype)
    for probability, target, expected in [(1, 1, 0.0), (0, 0, 0.0), (1, 0, -np.log(LEAST)), (0, 1, -np.log(LEAST))]:
        prediction = (probability * ones).requires_grad_()
        value, _ = loss(prediction=prediction, target=target * ones, mask=ones > 0)
        value.backward()
        assert value.item() == pytest.approx(expected, rel=0.02, abs=1e-6)
        assert torch.isfinite(prediction.grad).all()


@pytest.mark.parametrize("std", [0.1, 2.0])
def test_gaussian_against_scipy(std):
    prediction, target, mask = pictures()
    value, terms = Gaussian(spec=WAVES, std=std)(prediction=prediction, target=target, mask=mask)
    expected = -stats.norm(prediction[mask].numpy(), std).logpdf(target[mask].numpy()).mean()
    assert value.item() == pytest.approx(expected, rel=1e-9)
    assert terms == {"gaussian": value}


@pytest.mark.parametrize("loss", [Bernoulli(spec=PICTURES), Gaussian(spec=PICTURES, std=0.3)])
def test_cells_that_do_not_count(loss):
    probabilities, target, mask = pictures()
    leaf = torch.where(mask, probabilities, NAN).requires_grad_()
    value, _ = loss(prediction=leaf, target=torch.where(mask, target, NAN), mask=mask)
    expected, _ = loss(prediction=probabilities[mask], target=target[mask], mask=mask[mask])
    torch.testing.assert_close(value, expected)
    value.backward()
    assert (leaf.grad[~mask] == 0).all()
    assert (leaf.grad[mask] != 0).all()
    nothing, _ = loss(prediction=probabilities, target=target, mask=torch.zeros_like(mask))
    assert nothing.item() == 0.0


@pytest.mark.parametrize("loss", [Bernoulli(spec=PICTURES), Gaussian(spec=PICTURES, std=0.3)])
def test_gradients(loss):
    probabilities, target, mask = pictures()
    leaf = (0.1 + 0.8 * probabilities).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(prediction=p, target=target, mask=mask)[0], (leaf,))


@pytest.mark.parametrize("loss", [Bernoulli(spec=PICTURES), Gaussian(spec=PICTURES, std=0.3)])
def test_one_sample_at_a_time(loss):
    """As a network with codes asks for it."""
    given = pictures()
    each = torch.vmap(lambda p, t, m: loss(prediction=p, target=t, mask=m)[0])(*given)
    alone = [loss(prediction=p, target=t, mask=m)[0] for p, t, m in zip(*given, strict=True)]
    torch.testing.assert_close(each, torch.stack(alone))


def test_which_losses_are_likelihoods():
    assert Bernoulli(spec=PICTURES).likelihood
    assert Gaussian(spec=PICTURES, std=1.0).likelihood
    assert not getattr(mse(spec=PICTURES), "likelihood", False)


# --- natural -----------------------------------------------------------------------------------------------


def test_natural_losses(labels):
    logits, target, mask = labels
    value, _ = natural(spec=LABELS)(prediction=logits, target=target, mask=mask)
    torch.testing.assert_close(
        value, CrossEntropy(spec=LABELS, label_smoothing=0.0)(prediction=logits, target=target, mask=mask)[0]
    )
    probabilities, target, mask = pictures()
    given = {"prediction": probabilities, "target": target, "mask": mask}
    for spec, expected in [
        (NEW, Bernoulli(spec=NEW)),
        (PICTURES, mse(spec=PICTURES)),
        (WAVES, mse(spec=WAVES)),
        (replace(NEW, bounds=None), mse(spec=NEW)),
    ]:
        assert natural(spec=spec)(**given)[0] == expected(**given)[0]


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CrossEntropy(spec=WAVES, label_smoothing=0.0), "loss=cross_entropy.*data=waves.*try loss=mse"),
        (lambda: CrossEntropy(spec=LABELS, label_smoothing=1.0), "loss.label_smoothing=1.0"),
        (lambda: CrossEntropy(spec=LABELS, label_smoothing=-0.1), "loss.label_smoothing=-0.1"),
        (lambda: Bernoulli(spec=WAVES), "loss=bernoulli wants targets between 0 and 1.*data=waves.*try loss=gaussian"),
        (lambda: Bernoulli(spec=LABELS), "loss=bernoulli.*data=digits gives labels: try loss=cross_entropy"),
        (lambda: Gaussian(spec=LABELS, std=1.0), "loss=gaussian.*data=digits gives labels: try loss=cross_entropy"),
        (lambda: Gaussian(spec=WAVES, std=0.0), "loss.std=0.0 must be a number above 0"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()
