"""What estimating networks have in common: the first guess to which they add, the standard deviations of their errors,
and the scores of these."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from dlgd.core.contract import Batch, Loss, Network, Output, Spec
from dlgd.core.errors import Refusal
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.core.specs import FIRST_GUESS, MapSpec
from dlgd.models.basic_layers import at_least_float32
from dlgd.models.convolutions import crop
from dlgd.models.kinds import kind_of

LARGEST_LOG_STD = 8.0  # of scaled numbers, either way: from 1/3000 of the data's standard deviation to 3000 times it
WITHIN_STD = math.erf(math.sqrt(0.5))  # 0.683: share of normal errors within one standard deviation
SCORES_OF_STD = (  # of networks that predict the standard deviations of their errors
    Score("negative_log_likelihood", "-log likelihood", "nats", higher_is_better=False, in_table=False),
    Score("share_within_std", "in 1 std", higher_is_better=None, written=decimals(2)),
    Score("miscalibration", "miscal.", higher_is_better=False, written=decimals(3)),
)


class Estimator(Network):
    """A network whose answer is that of its `body`. Where there are observations, of sequences or maps, the body's
    answer is added to the first guess.

    There the network can predict the standard deviations of its errors too (`predict_std`): then the body gives their
    logarithms behind the estimates, and both are learned by the likelihood of normal errors, which replaces the loss.
    """

    guess: slice | None = None  # channels of the input to which the body's answer is added
    scored = slice(None)  # channels of the answer that the network's own scores are about
    predicts_std = False
    scores_given = SCORES_OF_STD  # of a network, where it predicts standard deviations

    @abstractmethod
    def body(self, input: Tensor) -> Tensor:
        """Return the answer, of as many channels as `channels` says."""

    def channels(self, spec: Spec, *, predict_std: bool) -> int:
        """Return how many channels the body must give, and remember what they are for. Refuse to predict standard
        deviations where there are no observations."""
        count, kind = len(spec.output_channels), kind_of(spec)
        if predict_std and kind not in ("assimilation", "interpolation"):
            raise Refusal(
                "model.predict_std=true is for the assimilation or interpolation of observations, which "
                f"data={spec.name} does not ask for: try model.predict_std=false"
            )
        if kind == "assimilation":
            self.guess = spec.input_slice(FIRST_GUESS)
        elif isinstance(spec, MapSpec):
            guesses = range(len(spec.input_channels))[spec.input_slice(FIRST_GUESS)][spec.predicted_days]
            self.guess, self.scored = slice(guesses.start, guesses.stop), slice(count // 2, count // 2 + 1)
        self.predicts_std = predict_std
        self.scores_given = SCORES_OF_STD if predict_std else ()
        return 2 * count if predict_std else count

    def forward(self, input: Tensor) -> Output:
        """Sizes are those of the body; standard deviations are left out."""
        return Output(self.with_std(input)[0] if self.predicts_std else self._on_guess(input, self.body(input)))

    def with_std(self, input: Tensor) -> tuple[Tensor, Tensor]:
        """The input -> estimates and the logarithms of their standard deviations, (B, C_out, ...) each, scaled."""
        change, log_std = at_least_float32(self.body(input)).chunk(2, dim=1)
        return self._on_guess(input, change), LARGEST_LOG_STD * torch.tanh(log_std / LARGEST_LOG_STD)

    def error_std(self, input: Tensor) -> Tensor | None:
        """Return the standard deviations where the network predicts them."""
        return self.with_std(input)[1].exp() if self.predicts_std else None

    def objectives(self, batch: Batch, loss: Loss) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Minimize the loss; with standard deviations, minus the log likelihood of the target, and the loss is only
        recorded."""
        if not self.predicts_std:
            yield from super().objectives(batch, loss)
            return
        mean, log_std = self.with_std(batch.input)
        value = negative_log_likelihood(mean, log_std, batch)
        _, terms = loss(prediction=mean.detach(), target=batch.target, mask=batch.mask)
        yield "network", value, terms | {"negative_log_likelihood": value.detach()}

    def scores(self, batch: Batch, loss: Loss) -> dict[str, Tensor]:
        """Return negative_log_likelihood and the scores of `calibration` where the network predicts standard
        deviations; of maps, those of the day in the middle."""
        if not self.predicts_std:
            return {}
        mean, log_std = (part[:, self.scored] for part in self.with_std(batch.input))
        batch = replace(batch, target=batch.target[:, self.scored], mask=batch.mask[:, self.scored])
        likelihood = {"negative_log_likelihood": negative_log_likelihood(mean, log_std, batch)}
        return likelihood | calibration(mean, log_std, batch)

    def _on_guess(self, input: Tensor, change: Tensor) -> Tensor:
        """Add the body's answer to the first guess, where there is one."""
        return change if self.guess is None else change + crop(input[:, self.guess], self.halo)


class Stack(Estimator):
    """A network of one layer after the other. `last` makes the answer from the output of the `layers`."""

    layers: nn.Module
    last: nn.Module

    def body(self, input: Tensor) -> Tensor:
        """(B, C_in, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X) of fields, (B, classes) of labels; of sequences, sizes
        are kept."""
        return self.last(self.layers(input))

    def features(self, input: Tensor) -> Tensor:
        """Of labels: the numbers (B, n) from which the last dense layer makes the answer."""
        return self.layers(input)


def negative_log_likelihood(mean: Tensor, log_std: Tensor, batch: Batch) -> Tensor:
    """Return minus the log likelihood of the target under independent normal errors, where the mask says that it
    counts; nats per scaled number."""
    error = torch.where(batch.mask, batch.target - mean, 0.0)
    nats = 0.5 * (error * torch.exp(-log_std)) ** 2 + log_std + 0.5 * math.log(2 * math.pi)
    return torch.where(batch.mask, nats, 0.0).sum() / batch.mask.sum().clamp(min=1)


def calibration(mean: Tensor, log_std: Tensor, batch: Batch) -> dict[str, Tensor]:
    """Return two scores, means over the samples in which something counts.

    share_within_std: the share of a sample's target within one standard deviation of the estimate; WITHIN_STD where
    errors are normal and the standard deviations are right. miscalibration: how far from WITHIN_STD the share is.
    """
    within = batch.mask & ((batch.target - mean).abs() <= torch.exp(log_std))
    counts = batch.mask.flatten(1).sum(dim=1)
    shares = within.flatten(1).sum(dim=1) / counts.clamp(min=1)
    values = {"share_within_std": shares, "miscalibration": (shares - WITHIN_STD).abs()}
    some = (counts > 0).sum().clamp(min=1)
    return {name: torch.where(counts > 0, value, 0.0).sum() / some for name, value in values.items()}
