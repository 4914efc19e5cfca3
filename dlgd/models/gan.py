"""Generative adversarial network (Goodfellow et al. 2014): one player makes samples, the other tells them from real
ones."""

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
    """Cross-entropy of "real or made?", of which D gives the logarithm of the odds (Goodfellow et al. 2014)."""
    return softplus(-real).mean() + softplus(made).mean()


def wasserstein(real: Tensor, made: Tensor) -> Tensor:
    """The negative distance between the distributions, if D has slope 1 at most (Arjovsky et al. 2017)."""
    return made.mean() - real.mean()


def hinge(real: Tensor, made: Tensor) -> Tensor:
    """D need not be surer than 1 either way (Lim and Ye 2017)."""
    return relu(1 - real).mean() + relu(1 + made).mean()


OBJECTIVES = {"non_saturating": non_saturating, "wasserstein": wasserstein, "hinge": hinge}  # of the discriminator


class GAN(Network):
    """The generator decodes `latent` numbers drawn from the standard normal distribution, as the convolutional form of
    `dlgd.models.coders` does; the discriminator has the same `width`. With `conditional`, both are told the class.

    gradient_penalty: its weight; for slopes of 1 between real and made samples if the objective is wasserstein, for
    none at real samples otherwise. critic_steps: of the discriminator, with new draws, for each of the generator.
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
        """Each with an optimizer of its own."""
        return {"discriminator": self.discriminator, "generator": self.generator}

    def forward(self, input: Tensor) -> Output:
        """One-hot classes (B, classes) -> new samples (B, C_out, Y, X)."""
        codes = torch.randn(len(input), self.latent, device=input.device, dtype=input.dtype)
        return Output(self.generator(codes, self._classes(input)))

    def objectives(self, batch: Batch, loss: Loss) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """The discriminator's turns, then the generator's, who meets it as it is then. The loss is left out: there is
        nothing that a new sample should be near to.

        Parts: d_real and d_fake, the mean answers for real and made samples, as probabilities of being real where the
        objective is non_saturating.
        """
        real, classes = batch.target, self._classes(batch.input)
        for _ in range(self.critic_steps):
            with torch.no_grad():
                made = self(batch.input).prediction
            yield "discriminator", *self._discriminate(real, made, classes)
        score = self._judge(self(batch.input).prediction, classes)
        fooled = softplus(-score) if self.objective == "non_saturating" else -score
        yield "generator", fooled.mean(), {}

    def _discriminate(self, real: Tensor, made: Tensor, classes: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_made = self._judge(real, classes), self._judge(made, classes)
        total = OBJECTIVES[self.objective](on_real, on_made)
        answer = torch.sigmoid if self.objective == "non_saturating" else nn.Identity()
        terms = {"d_real": answer(on_real.detach()).mean(), "d_fake": answer(on_made.detach()).mean()}
        if self.gradient_penalty > 0:
            if self.objective == "wasserstein":
                penalty = discriminators.unit_slope_penalty(self._judge, real, made, classes)
            else:
                penalty = discriminators.zero_slope_penalty(self._judge, real, classes)
            total = total + self.gradient_penalty * penalty
            terms["penalty"] = penalty.detach()
        return total, terms

    def _judge(self, samples: Tensor, classes: Tensor | None) -> Tensor:
        return basic_layers.at_least_float32(self.discriminator(samples, classes))

    def _classes(self, input: Tensor) -> Tensor | None:
        return input if self.conditional else None
