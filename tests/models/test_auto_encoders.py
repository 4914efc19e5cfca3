"""Auto-encoders: through a code and back at any size, the linear one against principal components, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from dlgd.core.errors import Refusal
from dlgd.losses.likelihoods import Bernoulli, Gaussian
from dlgd.models import coders
from tests.models.made import FORECAST, LABELS, NEW, PATCHES, PICTURES, batch_of, make, narrow, seeded

GRIDS = [(28, 28), (8, 8), (8, 31), (9, 14), (33, 17), (4, 5), (3, 3)]
SERIOUS = replace(PICTURES, grid=(28, 28), input_channels=("grey",))


@pytest.mark.parametrize("name", ["ae", "vae"])
@pytest.mark.parametrize("form", coders.FORMS)
@pytest.mark.parametrize("grid", GRIDS)
def test_there_and_back_at_any_size(name, form, grid):
    spec = replace(PICTURES, grid=grid, output_channels=("a", "b", "c"))
    network = narrow(name, spec, form=form, latent=5)
    batch = batch_of(spec)
    codes = network.coder().encode(batch.input)
    assert codes.shape == (6, network.coder().size) == (6, 5)
    assert network.decode(codes).shape == network(batch.input).prediction.shape == (6, 3, *grid)


def test_halvings():
    assert coders.halvings((28, 28)) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert coders.halvings((8, 31)) == [(8, 31), (4, 16)]
    assert coders.halvings((4, 9)) == [(4, 9)]


@pytest.mark.parametrize("form", coders.FORMS)
def test_it_is_its_decoder_after_its_encoder(form):
    network = narrow("ae", PICTURES, form=form).eval()
    input = batch_of(PICTURES).input
    torch.testing.assert_close(network(input).prediction, network.decode(network.encode(input)))
    assert network.coder() is network


@pytest.mark.parametrize("form", coders.FORMS)
def test_bounds_but_for_the_linear_form(form):
    network = narrow("ae", PICTURES, form=form).eval()
    prediction = network.decode(300 * torch.randn(50, 4, generator=seeded()))
    inside = bool(((prediction >= 0) & (prediction <= 1)).all())
    assert inside == (form != "linear")


@pytest.mark.parametrize("form", coders.FORMS)
@pytest.mark.parametrize("name", ["ae", "vae"])
def test_every_parameter_gets_a_gradient(name, form):
    network = narrow(name, PICTURES, form=form, activation="elu")
    network.eval() if name == "ae" else network.train()
    output = network(batch_of(PICTURES).input)
    (output.prediction.square().sum() + sum(output.terms.values())).backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def test_number_of_weights_of_the_linear_form():
    network = make("ae", SERIOUS, form="linear", latent=4)
    assert sum(parameter.numel() for parameter in network.parameters()) == 784 * 4 + 4 + 4 * 784 + 784


def test_the_linear_form_with_the_components_is_the_pca():
    """Its encoder and decoder set to the principal components: the same reconstruction, so its optimum is no worse."""
    spec = replace(SERIOUS, grid=(6, 5))
    samples = torch.randn(80, 1, 6, 5, generator=seeded()).cumsum(dim=3)
    flat = samples.flatten(1).numpy()
    pca = PCA(3).fit(flat)
    network = make("ae", spec, form="linear", latent=3)
    components, mean = torch.as_tensor(pca.components_), torch.as_tensor(pca.mean_)
    with torch.no_grad():
        network.encoder.head.weight.copy_(components)
        network.encoder.head.bias.copy_(-components @ mean)
        network.decoder.head.weight.copy_(components.T)
        network.decoder.head.bias.copy_(mean)
        found = network(samples).prediction.flatten(1).numpy()
    np.testing.assert_allclose(found, pca.inverse_transform(pca.transform(flat)), atol=1e-5)
    np.testing.assert_allclose(network.encode(samples).detach().numpy(), pca.transform(flat), atol=1e-5)


def test_the_linear_form_learns_the_error_of_the_pca():
    """Baldi and Hornik 1989: within 1 % of the same rank."""
    spec = replace(SERIOUS, grid=(6, 5))
    samples = torch.randn(80, 1, 6, 5, generator=seeded()).cumsum(dim=3)
    flat = samples.flatten(1).numpy()
    pca = PCA(3).fit(flat)
    best = np.mean((pca.inverse_transform(pca.transform(flat)) - flat) ** 2)
    network = make("ae", spec, form="linear", latent=3)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for step in range(1500):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 1500)
        optimizer.zero_grad()
        loss = (network(samples).prediction - samples).square().mean()
        loss.backward()
        optimizer.step()
    assert best * 0.9999 < loss.item() < 1.01 * best


@pytest.mark.parametrize(
    ("spec", "change", "words"),
    [
        (replace(PATCHES, name="nemovar"), {}, "model=ae needs whole samples but data=nemovar trains on patches: "),
        (LABELS, {}, "model=ae predicts fields but data=digits gives labels: try model=cnn"),
        (FORECAST["lorenz63"], {}, "model=ae predicts fields but data=lorenz63 asks for forecasts: try model=neural_o"),
        (NEW, {}, "model=ae predicts fields but data=new_digits asks for new samples: try model=gan"),
        (PICTURES, {"form": "round"}, "model.form=round is unknown: choose one of dense, convolutional, linear"),
        (PICTURES, {"latent": 0}, "model.latent=0 must be a whole number of at least 1"),
        (PICTURES, {"width": 0}, "model.width=0 must be a whole number of at least 1"),
        (PICTURES, {"form": "linear", "activation": "rely"}, "activation=rely is unknown"),
        (PICTURES, {"form": "linear", "normalization": "batsh"}, "normalization=batsh is unknown"),
    ],
)
def test_refusals(spec, change, words):
    with pytest.raises(ValueError, match=words):
        make("ae", spec, **change)


def test_the_linear_form_gives_no_chances():
    linear, dense = (make("ae", PICTURES, form=form) for form in ("linear", "dense"))
    with pytest.raises(Refusal, match=r"model.form=linear.*try loss=gaussian"):
        linear.check(Bernoulli(spec=PICTURES))
    linear.check(Gaussian(spec=PICTURES, std=1.0))
    dense.check(Bernoulli(spec=PICTURES))
