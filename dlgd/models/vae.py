"""Variational auto-encoder (Kingma and Welling 2014): the code of a sample is a normal distribution, and codes drawn
from the standard one decode to new samples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import Batch, Coder, Loss, Network, Output, Spec
from dlgd.core.errors import Refusal
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.models import basic_layers, coders, kinds


class VAE(Network, Coder):
    """An encoder to the distribution of a code, and a decoder from codes.

    For fields, it encodes the input. For new samples, it learns by encoding those of the batch, and answers by decoding
    codes that are drawn from the prior.

    form: "dense", "convolutional" or "linear", see `dlgd.models.coders`.
    latent: numbers in the code, 1 or more.
    width: size of the hidden layers, see `dlgd.models.coders.Style`.
    beta: weight of the term kl, 0 or more (Higgins et al. 2017). With 1, loss and kl are the negative evidence lower
    bound, in nats per cell.
    samples: draws of codes for the scores negative_elbo and negative_iwae, 1 or more; both hold for beta = 1.
    conditional: whether encoder and decoder read the class; only for new samples.
    activation: of the hidden layers, one of `basic_layers.ACTIVATIONS`.
    normalization: of the hidden layers, "batch", "group" or "none".
    """

    scores_given = (
        Score("negative_elbo", "-ELBO", "nats", higher_is_better=False, written=decimals(2)),
        Score("negative_iwae", "-IWAE", "nats", higher_is_better=False, written=decimals(2)),
    )

    def __init__(
        self,
        *,
        spec: Spec,
        form: str,
        latent: int,
        width: int,
        beta: float,
        samples: int,
        conditional: bool,
        activation: str,
        normalization: str,
    ) -> None:
        super().__init__()
        kinds.check_kind("vae", spec, ["field", "generated"])
        kinds.check_whole("vae", spec)
        self.style = style = coders.Style(form=form, width=width, activation=activation, normalization=normalization)
        checks.whole_number("model.latent", latent, least=1)
        checks.whole_number("model.samples", samples, least=1)
        checks.number("model.beta", beta, least=0)
        self.generates = spec.kind == "generated"
        if conditional and not self.generates:
            raise Refusal(f"model.conditional=true needs classes, which data={spec.name} does not give to fields")
        self.size, self.beta, self.samples, self.conditional = latent, beta, samples, conditional
        classes = len(spec.input_channels) if conditional else 0
        channels = len(spec.output_channels if self.generates else spec.input_channels)
        self.encoder = coders.Encoder(
            style=style, channels=channels, grid=spec.grid, outputs=2 * latent, classes=classes
        )
        self.decoder = coders.Decoder(style=style, inputs=latent, spec=spec, classes=classes)

    def check(self, loss: Loss) -> None:
        """Refuse a loss that is no likelihood, or that does not fit the linear form."""
        if not getattr(loss, "likelihood", False):
            raise Refusal("model=vae needs a likelihood, which this loss is not: try loss=bernoulli or loss=gaussian")
        self.style.check(loss)

    def posterior(self, samples: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the means and the logarithms of the variances of the codes, (B, latent) each."""
        mean, log_variance = basic_layers.at_least_float32(self.encoder(samples, classes)).chunk(2, dim=1)
        return mean, log_variance

    def encode(self, samples: Tensor) -> Tensor:
        """(B, C, Y, X) -> the mean codes, (B, latent)."""
        return self.posterior(samples)[0]

    def decode(self, codes: Tensor, classes: Tensor | None = None) -> Tensor:
        """(B, latent) -> (B, C_out, Y, X): the means of the distributions that the loss assumes for the cells."""
        return self.decoder(codes, classes)

    def coder(self) -> Coder | None:
        """Returns itself, unless it reads the class too."""
        return None if self.conditional else self

    def forward(self, input: Tensor) -> Output:
        """Fields: (B, C_in, Y, X) -> (B, C_out, Y, X), from drawn codes in training and from mean ones afterwards.
        New samples: one-hot classes (B, classes) -> (B, C_out, Y, X)."""
        if not self.generates:
            return self._through(input, None)
        codes = torch.randn(len(input), self.size, device=input.device, dtype=input.dtype)
        return Output(self.decode(codes, input if self.conditional else None))

    def objectives(self, batch: Batch, loss: Loss) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Minimize the negative evidence lower bound, in nats per cell."""
        self.check(loss)
        output = self._through(*self._seen(batch))
        value, terms = loss(prediction=output.prediction, target=batch.target, mask=batch.mask)
        kl = output.terms["kl"]
        yield "network", value + kl, terms | {"kl": kl.detach()}

    def scores(self, batch: Batch, loss: Loss) -> dict[str, Tensor]:
        """Return upper bounds of the negative log likelihood of a sample in nats: from the evidence lower bound, and
        from the importance-weighted one (Burda et al. 2016, equation 8), which is tighter."""
        self.check(loss)
        samples, classes = self._seen(batch)
        mean, log_variance = self.posterior(samples, classes)
        each = torch.vmap(lambda p, t, m: loss(prediction=p, target=t, mask=m)[0])
        cells = batch.mask.flatten(1).sum(dim=1)
        likelihoods, weights = [], []
        for _ in range(self.samples):
            noise = torch.randn_like(mean)
            codes = mean + torch.exp(0.5 * log_variance) * noise
            likelihoods.append(-cells * each(self.decode(codes, classes), batch.target, batch.mask))
            # log of prior over posterior; their factors 1 / sqrt(2 pi) cancel
            weights.append(likelihoods[-1] + 0.5 * (noise**2 + log_variance - codes**2).sum(dim=1))
        elbo = torch.stack(likelihoods).mean(dim=0) - kl_divergence(mean, log_variance)
        iwae = torch.logsumexp(torch.stack(weights), dim=0) - math.log(self.samples)
        return {"negative_elbo": -elbo.mean(), "negative_iwae": -iwae.mean()}

    def _seen(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return what is encoded, and the classes where they count."""
        if not self.generates:
            return batch.input, None
        return batch.target, batch.input if self.conditional else None

    def _through(self, samples: Tensor, classes: Tensor | None) -> Output:
        mean, log_variance = self.posterior(samples, classes)
        codes = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean) if self.training else mean
        prediction = self.decode(codes, classes)
        kl = self.beta * kl_divergence(mean, log_variance).mean() / prediction[0].numel()
        return Output(prediction, {"kl": kl})


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the divergence of the codes' distributions from the standard normal one, (B, latent) -> (B,), in nats
    (Kingma and Welling 2014, appendix B)."""
    return 0.5 * (mean**2 + torch.exp(log_variance) - log_variance - 1).sum(dim=1)
