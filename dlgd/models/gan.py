"""Generative adversarial network (Goodfellow et al. 2014): the generator makes samples, and the discriminator learns to
distinguish them from real ones."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from dlgd.core import checks
from dlgd.core.contract import Batch, Loss, Network, Output, Spec
from dlgd.core.errors import Refusal
from dlgd.models import basic_layers, coders, discriminators, kinds


def non_saturating(real: Tensor, made: Tensor) -> Tensor:
    """Return the cross-entropy of "real or made?"; D gives the logarithm of the odds (Goodfellow et al. 2014)."""
    return softplus(-real).mean() + softplus(made).mean()


def wasserstein(real: Tensor, made: Tensor) -> Tensor:
    """Return minus the distance between the distributions, if D has slope 1 at most (Arjovsky et al. 2017)."""
    return made.mean() - real.mean()


def hinge(real: Tensor, made: Tensor) -> Tensor:
    """Return the hinge loss, which asks of D no answer beyond 1 or -1 (Lim and Ye 2017)."""
    return relu(1 - real).mean() + relu(1 + made).mean()


OBJECTIVES = {"non_saturating": non_saturating, "wasserstein": wasserstein, "hinge": hinge}  # of the discriminator


class GAN(Network):
    """The generator decodes numbers drawn from the standard normal distribution, as the convolutional form of
    `dlgd.models.coders` does.

    latent: numbers that are drawn for a sample, 1 or more.
    width: channels of both players at half the resolution, 1 or more, and twice as many after each other halving.
    conditional: whether both players read the class.
    objective: of the discriminator, one of OBJECTIVES.
    gradient_penalty: weight, 0 or more, of a penalty on the discriminator's gradient: with objective=wasserstein it
    asks for a length of 1 between real and made samples (10 is usual), else for 0 at real samples.
    spectral_norm: whether the largest singular value of each matrix of the discriminator is kept at 1; with
    objective=wasserstein this bounds the slope where there is no penalty.
    critic_steps: steps of the discriminator, with new draws, for each step of the generator, 1 or more; 5 is usual with
    objective=wasserstein.
    activation: of both players, one of `basic_layers.ACTIVATIONS`.
    normalization: of the generator, "batch", "group" or "none"; the discriminator has none.
    """

    def __init__(
        self,
        *,
        spec: Spec,
        latent: int,
        width: int,
        conditional: bool,
        objective: str,
        gradient_penalty: float,
        spectral_norm: bool,
        critic_steps: int,
        activation: str,
        normalization: str,
    ) -> None:
        super().__init__()
        kinds.check_kind("gan", spec, ["generated"])
        kinds.check_whole("gan", spec)
        checks.choice("model.objective", objective, OBJECTIVES)
        checks.number("model.gradient_penalty", gradient_penalty, least=0)
        if objective == "wasserstein" and gradient_penalty == 0 and not spectral_norm:
            raise Refusal(
                "model.objective=wasserstein needs a bound of the slope: "
                "try model.gradient_penalty=10 or model.spectral_norm=true"
            )
        checks.whole_number("model.latent", latent, least=1)
        checks.whole_number("model.critic_steps", critic_steps, least=1)
        self.objective, self.gradient_penalty, self.critic_steps = objective, gradient_penalty, critic_steps
        self.latent, self.conditional = latent, conditional
        classes = len(spec.input_channels) if conditional else 0
        style = coders.Style(form="convolutional", width=width, activation=activation, normalization=normalization)
        self.generator = coders.Decoder(style=style, inputs=latent, spec=spec, classes=classes)
        self.discriminator = discriminators.Discriminator(
            channels=len(spec.output_channels),
            grid=spec.grid,
            classes=classes,
            width=width,
            activation=activation,
            spectral_norm=spectral_norm,
        )

    def players(self) -> dict[str, nn.Module]:
        """Return the two parts; each has an optimizer of its own."""
        return {"discriminator": self.discriminator, "generator": self.generator}

    def forward(self, input: Tensor) -> Output:
        """One-hot classes (B, classes) -> new samples (B, C_out, Y, X)."""
        codes = torch.randn(len(input), self.latent, device=input.device, dtype=input.dtype)
        return Output(self.generator(codes, self._classes(input)))

    def objectives(self, batch: Batch, loss: Loss) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Minimize the discriminator's objective `critic_steps` times, then that of the generator, which meets the
        discriminator as it then is. The loss is left out: there is no target that a new sample should be near to.

        Terms: d_real and d_fake, the mean answers for real and made samples, which are probabilities of being real
        where the objective is non_saturating; penalty, where there is one.
        """
        real, classes = batch.target, self._classes(batch.input)
        for _ in range(self.critic_steps):
            with torch.no_grad():
                made = self(batch.input).prediction
            yield "discriminator", *self._discriminate(real, made, classes)
        score = self._critic(self(batch.input).prediction, classes)
        fooled = softplus(-score) if self.objective == "non_saturating" else -score
        yield "generator", fooled.mean(), {}

    def _discriminate(self, real: Tensor, made: Tensor, classes: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_made = self._critic(real, classes), self._critic(made, classes)
        total = OBJECTIVES[self.objective](on_real, on_made)
        answer = torch.sigmoid if self.objective == "non_saturating" else nn.Identity()
        terms = {"d_real": answer(on_real.detach()).mean(), "d_fake": answer(on_made.detach()).mean()}
        if self.gradient_penalty > 0:
            if self.objective == "wasserstein":
                penalty = discriminators.unit_slope_penalty(self._critic, real, made, classes)
            else:
                penalty = discriminators.zero_slope_penalty(self._critic, real, classes)
            total = total + self.gradient_penalty * penalty
            terms["penalty"] = penalty.detach()
        return total, terms

    def _critic(self, samples: Tensor, classes: Tensor | None) -> Tensor:
        return basic_layers.at_least_float32(self.discriminator(samples, classes))

    def _classes(self, input: Tensor) -> Tensor | None:
        return input if self.conditional else None
