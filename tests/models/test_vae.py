"""The bounds of a VAE against Monte Carlo and against a likelihood that is known exactly; its draws; refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import distributions

from dlgd.core.contract import Batch
from dlgd.core.errors import Refusal
from dlgd.losses.likelihoods import Bernoulli, Gaussian
from dlgd.losses.pointwise import mse
from dlgd.models.vae import kl_divergence
from tests.models.made import LABELS, NEW, PATCHES, PICTURES, batch_of, make, narrow, seeded

CELLS = 11 * 14
SPECS = {"field": PICTURES, "generated": NEW}


# --- the divergence ----------------------------------------------------------------------------------------


def test_divergence_against_monte_carlo():
    mean, log_variance = torch.randn(2, 3, 2, generator=seeded(), dtype=torch.float64)
    torch.manual_seed(0)
    posterior = distributions.Normal(mean, torch.exp(0.5 * log_variance))
    draws = posterior.sample((200_000,))
    log_ratio = (posterior.log_prob(draws) - distributions.Normal(0.0, 1.0).log_prob(draws)).sum(dim=2)
    error = log_ratio.std(dim=0) / math.sqrt(len(draws))
    assert ((log_ratio.mean(dim=0) - kl_divergence(mean, log_variance)).abs() < 4 * error).all()
    assert (error < 0.01).all()


def test_divergence_of_the_prior_is_zero():
    assert kl_divergence(torch.zeros(2, 5), torch.zeros(2, 5)).tolist() == [0.0, 0.0]


# --- what is minimized -------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [1.0, 4.0])
@pytest.mark.parametrize("kind", SPECS)
def test_the_objective_is_the_negative_bound_per_cell(kind, beta):
    spec = SPECS[kind]
    network, batch = narrow("vae", spec, beta=beta, latent=3), batch_of(spec)
    loss = Bernoulli(spec=spec)
    torch.manual_seed(5)
    ((player, total, terms),) = network.objectives(batch, loss)
    assert player == "network"
    assert set(terms) == {"bernoulli", "kl"}
    torch.testing.assert_close(total.detach(), terms["bernoulli"] + terms["kl"])
    seen = batch.input if kind == "field" else batch.target
    mean, log_variance = network.posterior(seen)
    expected = beta * kl_divergence(mean, log_variance).mean() / CELLS
    torch.testing.assert_close(terms["kl"], expected.detach())
    torch.manual_seed(5)
    codes = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
    exact = distributions.Bernoulli(network.decode(codes)).log_prob(batch.target).sum(dim=(1, 2, 3)).mean()
    torch.testing.assert_close(terms["bernoulli"], -exact.detach() / CELLS)


def test_codes_are_drawn_in_training_and_mean_afterwards():
    network, input = narrow("vae", PICTURES), batch_of(PICTURES).input
    assert not torch.equal(network(input).prediction, network(input).prediction)
    network.eval()
    assert torch.equal(network(input).prediction, network(input).prediction)
    torch.testing.assert_close(network(input).prediction, network.decode(network.encode(input)))


# --- scores ------------------------------------------------------------------------------------------------


def scores(network, batch, loss) -> dict[str, float]:
    torch.manual_seed(7)
    with torch.no_grad():
        return {name: value.item() for name, value in network.eval().scores(batch, loss).items()}


@pytest.mark.parametrize("conditional", [False, True])
def test_more_draws_make_the_bound_tighter(conditional):
    """E[ELBO] <= E[IWAE of 5] <= E[IWAE of 200] (Burda et al. 2016, theorem 1)."""
    loss, batch = Bernoulli(spec=NEW), batch_of(NEW)
    network = narrow("vae", NEW, samples=200, conditional=conditional)
    with torch.no_grad():
        list(network.decoder.parameters())[-2].mul_(5.0)  # so that the draws differ in what they explain
    many = scores(network, batch, loss)
    network.samples = 5
    few = scores(network, batch, loss)
    assert set(many) == {score.name for score in network.scores_given}
    assert many["negative_iwae"] < few["negative_iwae"] < few["negative_elbo"]
    network.beta = 10.0
    assert scores(network, batch, loss) == few, "beta counts in training alone"


def linear_gaussian(latent: int = 3, cells: tuple[int, int] = (3, 4), std: float = 0.5):
    """A linear VAE, its Gaussian loss, a batch drawn from its decoder, and the mean of its exact -log p(x) in nats.

    x = W z + b + std * noise, so x is normal with mean b and covariance W W' + std^2 (probabilistic PCA, Tipping and
    Bishop 1999). The encoder is set near the exact posterior, with too large a variance.
    """
    spec = replace(PICTURES, grid=cells, bounds=None, input_channels=("g",))
    network = make("vae", spec, form="linear", latent=latent, samples=2000).double()
    weight = network.decoder.head.weight.detach()
    weight.mul_(2.0)
    bias = network.decoder.head.bias.detach()
    torch.manual_seed(1)
    x = torch.randn(40, latent, dtype=torch.float64) @ weight.T + bias
    x = x + std * torch.randn_like(x)
    covariance = weight @ weight.T + std**2 * torch.eye(len(weight), dtype=torch.float64)
    exact = stats.multivariate_normal(bias.numpy(), covariance.numpy()).logpdf(x.numpy())
    precision = torch.eye(latent, dtype=torch.float64) + weight.T @ weight / std**2
    gain = torch.linalg.solve(precision, weight.T) / std**2
    with torch.no_grad():
        network.encoder.head.weight.zero_()
        network.encoder.head.weight[:latent] = gain
        network.encoder.head.bias[:latent] = -gain @ bias
        network.encoder.head.bias[latent:] = torch.log(1.5 * torch.linalg.inv(precision).diagonal())
    fields = x.reshape(-1, 1, *cells)
    batch = Batch(input=fields, target=fields, mask=torch.ones_like(fields, dtype=torch.bool))
    return network, Gaussian(spec=spec, std=std), batch, -exact, (gain, bias, precision)


def test_the_importance_weighted_bound_reaches_the_exact_likelihood():
    network, loss, batch, exact, _ = linear_gaussian()
    found = scores(network, batch, loss)
    assert found["negative_iwae"] == pytest.approx(np.mean(exact), abs=0.02)


def test_the_lower_bound_lacks_the_divergence_from_the_exact_posterior():
    """-ELBO = -log p(x) + KL(q(z|x) || p(z|x)), the latter between two normal distributions of the same mean."""
    network, loss, batch, exact, (_, _, precision) = linear_gaussian()
    posterior = torch.linalg.inv(precision)
    q = torch.diag(1.5 * posterior.diagonal())
    latent = len(q)
    gap = 0.5 * (torch.trace(precision @ q) - latent + torch.logdet(posterior) - torch.logdet(q)).item()
    assert gap > 0.1
    found = scores(network, batch, loss)
    assert found["negative_elbo"] == pytest.approx(np.mean(exact) + gap, abs=0.05)


def test_cells_that_do_not_count():
    """Without half of its cells a sample has the likelihood of the other half."""
    network, loss, batch, _, _ = linear_gaussian()
    batch.mask[..., 2:] = False
    found = scores(network, batch, loss)
    weight, bias = network.decoder.head.weight.detach(), network.decoder.head.bias.detach()
    kept = batch.mask[0].flatten().nonzero()[:, 0]
    covariance = (weight @ weight.T + 0.25 * torch.eye(len(weight), dtype=torch.float64))[kept][:, kept]
    marginal = stats.multivariate_normal(bias[kept].numpy(), covariance.numpy())
    exact = -marginal.logpdf(batch.target.flatten(1)[:, kept].numpy()).mean()
    assert found["negative_iwae"] == pytest.approx(exact, abs=0.1)
    assert found["negative_iwae"] < found["negative_elbo"]


# --- new samples -------------------------------------------------------------------------------------------


def test_new_samples_are_decoded_draws():
    network = narrow("vae", NEW).eval()
    classes = batch_of(NEW).input
    torch.manual_seed(3)
    made = network(classes)
    torch.manual_seed(3)
    assert torch.equal(made.prediction, network.decode(torch.randn(6, 20)))
    assert not made.terms
    assert not torch.equal(made.prediction, network(classes).prediction)
    torch.manual_seed(3)
    assert torch.equal(made.prediction, network(classes.flip(1)).prediction), "the class does not count"


def test_a_conditional_one_is_told_the_class():
    network, batch = narrow("vae", NEW, conditional=True).eval(), batch_of(NEW)
    torch.manual_seed(3)
    made = network(batch.input).prediction
    torch.manual_seed(3)
    assert not torch.equal(made, network(batch.input.flip(1)).prediction)
    posterior, other = (network.posterior(batch.target, classes)[0] for classes in (batch.input, batch.input.flip(1)))
    assert not torch.equal(posterior, other)
    assert network.coder() is None
    ((_, total, _),) = network.objectives(batch, Bernoulli(spec=NEW))
    assert torch.isfinite(total)


# --- refusals ----------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_likelihood():
    network, batch = narrow("vae", NEW), batch_of(NEW)
    words = "model=vae needs a likelihood.*try loss=bernoulli or loss=gaussian"
    with pytest.raises(Refusal, match=words):
        next(network.objectives(batch, mse(spec=NEW)))
    with pytest.raises(Refusal, match=words):
        network.scores(batch, mse(spec=NEW))
    with pytest.raises(Refusal, match=r"form=linear.*loss=gaussian"):
        narrow("vae", NEW, form="linear").check(Bernoulli(spec=NEW))


@pytest.mark.parametrize(
    ("spec", "change", "words"),
    [
        (PATCHES, {}, "model=vae needs whole samples but data=waves trains on patches: try model=resnet"),
        (LABELS, {}, "model=vae predicts fields or makes new samples but data=digits gives labels: try model=cnn"),
        (PICTURES, {"conditional": True}, "model.conditional=true needs classes.*data=pictures"),
        (NEW, {"latent": 0}, "model.latent=0"),
        (NEW, {"samples": 0}, "model.samples=0"),
        (NEW, {"beta": -1.0}, "model.beta=-1.0"),
        (NEW, {"form": "round"}, "model.form=round"),
    ],
)
def test_refusals(spec, change, words):
    with pytest.raises(ValueError, match=words):
        make("vae", spec, **change)
