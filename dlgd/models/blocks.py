"""Pieces of which networks are made, and the questions that they ask of the data.

Where nothing else is said, convolutions are "valid": context comes from the data's halo. Those of sequences keep their
size: see `SequenceConv`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Batch, Loss, Network, Output, Spec
from dlgd.core.errors import Refusal
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.core.specs import FIRST_GUESS, MapSpec, SequenceSpec

M = TypeVar("M", bound=nn.Module)

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "prelu": nn.PReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
NORMALIZATIONS = ("batch", "group", "none")
LARGEST_LOG_STD = 8.0  # of scaled numbers, either way: from 1/3000 of the data's standard deviation to 3000 times it
WITHIN_STD = math.erf(math.sqrt(0.5))  # 0.683: share of normal errors within one standard deviation
SCORES_OF_STD = (  # of networks that predict the standard deviations of their errors
    Score("negative_log_likelihood", "-log likelihood", "nats", higher_is_better=False, in_table=False),
    Score("share_within_std", "in 1 std", higher_is_better=None, written=decimals(2)),
    Score("miscalibration", "miscal.", higher_is_better=False, written=decimals(3)),
)

# For each kind of data (of sequences there are two, and of fields): what a network that fits it does, what the data do,
# and a choice that fits them.
KINDS = {
    "field": ("predicts fields", "gives fields", "model=resnet"),
    "interpolation": ("interpolates maps", "asks for the interpolation of maps", "model=unet"),
    "label": ("predicts labels", "gives labels", "model=cnn"),
    "forecast": ("makes forecasts", "asks for forecasts", "model=neural_ode"),
    "assimilation": ("assimilates observations", "asks for the assimilation of observations", "model=unet"),
    "generated": ("makes new samples", "asks for new samples", "model=gan"),
}


# --- does it fit? ------------------------------------------------------------------------------------------


def kind_of(spec: Spec) -> str:
    """One of KINDS: sequences are to be continued where leading steps are given, and to be assimilated elsewhere; maps
    of days are to be interpolated."""
    if isinstance(spec, SequenceSpec):
        return "forecast" if spec.context_steps > 0 else "assimilation"
    return "interpolation" if isinstance(spec, MapSpec) else spec.kind


def check_kind(name: str, spec: Spec, kinds: Sequence[str]) -> None:
    """Refusal when data are of none of the KINDS that the network model=<name> is for."""
    kind = kind_of(spec)
    if kind not in kinds:
        does = " or ".join(KINDS[known][0] for known in kinds)
        _, gives, hint = KINDS[kind]
        raise Refusal(f"model={name} {does} but data={spec.name} {gives}: try {hint}")


def check_whole(name: str, spec: Spec) -> None:
    """Refusal when a network made for one size of samples would be given pieces of them."""
    if not spec.whole:
        raise Refusal(f"model={name} needs whole samples but data={spec.name} trains on patches: try model=resnet")


def check_share(option: str, value: float) -> None:
    """Refusal unless 0 <= value < 1."""
    checks.number(f"model.{option}", value, least=0, below=1)


# --- layers ------------------------------------------------------------------------------------------------


def activation(name: str) -> nn.Module:
    """By name; see ACTIVATIONS."""
    checks.choice("model.activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()


def normalization(name: str, channels: int, *, cells: bool = True) -> nn.Module:
    """Of `channels` feature maps, or, without cells, numbers: "batch", "group" (8 channels each; one group if there
    are fewer) or "none"."""
    checks.choice("model.normalization", name, NORMALIZATIONS)
    if name == "batch":
        return nn.BatchNorm2d(channels) if cells else nn.BatchNorm1d(channels)
    if name == "group":
        if channels > 8 and channels % 8:
            raise Refusal(
                f"model.normalization=group wants a multiple of 8 channels in each layer, not {channels}: change "
                "model.width"
            )
        return nn.GroupNorm(max(channels // 8, 1), channels)
    return nn.Identity()


@dataclass(frozen=True)
class Frame:
    """The size of convolutions, and what they find beyond the boundary of what they are given."""

    kernel: int = 3
    padding: int = 0  # cells of zeros on each side
    ring: int = 0  # of sequences, the number of variables on it; then nothing is lost, see `SequenceConv`

    @property
    def lost(self) -> int:
        """Cells on each side that a convolution consumes."""
        return 0 if self.ring else self.kernel // 2 - self.padding


VALID = Frame()


def odd(kernel: int) -> int:
    """Itself; Refusal unless a convolution of this size has a middle."""
    checks.odd_number("model.kernel", kernel, least=1, hint="a convolution has a cell in its middle")
    return kernel


def frame_of(spec: Spec, kernel: int = 3) -> Frame:
    """Fields bring their halo, labels are padded with zeros, sequences keep their size."""
    odd(kernel)
    if spec.kind == "sequence":
        return Frame(kernel, ring=spec.grid[-1])
    return Frame(kernel, padding=kernel // 2 if spec.kind == "label" else 0)


def conv(
    inputs: int, outputs: int, *, norm: str, act: str | None, frame: Frame = VALID, stride: int = 1
) -> nn.Sequential:
    """Convolution, normalization, activation (none for act=None)."""
    checks.whole_number("model.width", outputs, least=1)
    if frame.ring:
        convolution: nn.Module = SequenceConv(inputs, outputs, frame.kernel, frame.ring)
    else:
        convolution = nn.Conv2d(inputs, outputs, frame.kernel, stride, frame.padding)
    layers = [convolution, normalization(norm, outputs)]
    return nn.Sequential(*layers, *([] if act is None else [activation(act)]))


def close_ring(x: Tensor, width: int) -> Tensor:
    """(..., X) -> (..., X + width - 1): what `width` cells around each of the ring need, X >= width."""
    before, after = width // 2, (width - 1) // 2
    return torch.cat((x[..., x.shape[-1] - before :], x, x[..., :after]), dim=-1) if width > 1 else x


class SequenceConv(nn.Conv2d):
    """Of (B, C, T, X), T and X kept: beyond the first and last steps stand zeros, and the ring is closed.

    Its kernel is `kernel` steps long, and as wide, or as wide as the ring where that is smaller.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, ring: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, (kernel, min(kernel, ring)), padding=(kernel // 2, 0), bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Any T."""
        if input.shape[3] > 1:
            return super().forward(close_ring(input, self.kernel_size[1]))
        # Without a ring time goes last, where the CPU's convolutions are up to five times as fast; nothing is copied.
        lying = functional.conv2d(input.mT, self.weight.mT, self.bias, padding=self.padding[::-1])
        return lying.mT


def kept_conv(inputs: int, outputs: int, kernel: int, ring: int, *, bias: bool = True) -> nn.Conv2d:
    """One that keeps the size: of sequences (ring > 0) a `SequenceConv`, of maps (ring 0) with zeros around them."""
    if ring > 0:
        return SequenceConv(inputs, outputs, kernel, ring, bias=bias)
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)


def dense(inputs: int, outputs: int, *, norm: str, act: str) -> nn.Sequential:
    """Dense layer, normalization, activation."""
    return nn.Sequential(nn.Linear(inputs, outputs), normalization(norm, outputs, cells=False), activation(act))


def crop(field_BCYX: Tensor, cells: int) -> Tensor:
    """Without `cells` cells on each side."""
    return field_BCYX[..., cells:-cells, cells:-cells] if cells else field_BCYX


def at_least_float32(x: Tensor) -> Tensor:
    """For what bfloat16 is too coarse for: probabilities near 0 and 1, logarithms, sums."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Bounded(nn.Module):
    """Any number to one between the bounds: low + (high - low) / (1 + exp(-x))."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return self.low + (self.high - self.low) * torch.sigmoid(at_least_float32(x))


def within_bounds(spec: Spec) -> nn.Module:
    """What a network of fields ends with: it keeps predictions where the data say that the targets are."""
    return nn.Identity() if spec.bounds is None else Bounded(*spec.bounds)


# --- estimates ---------------------------------------------------------------------------------------------


class Estimator(Network):
    """A network whose answer is that of its `body`; where there are observations, of sequences or maps, what the body
    adds to the first guess.

    There it may be asked for the standard deviations of its errors too: then the body gives their logarithms behind
    the estimates, and both are learned by the likelihood of normal errors, which takes the place of the loss.
    """

    guess: slice | None = None  # channels of the input to which the body's answer is added
    scored = slice(None)  # channels of the answer that the network's own scores are about
    tells_std = False
    scores_given = SCORES_OF_STD  # of a network, where it predicts standard deviations

    @abstractmethod
    def body(self, input: Tensor) -> Tensor:
        """The answer, or, where there are observations, what `channels` says."""

    def channels(self, spec: Spec, *, predict_std: bool) -> int:
        """How many the body must give. Refusal where standard deviations make no sense."""
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
        self.tells_std = predict_std
        self.scores_given = SCORES_OF_STD if predict_std else ()
        return 2 * count if predict_std else count

    def forward(self, input: Tensor) -> Output:
        """As the body's; without standard deviations."""
        return Output(self.with_std(input)[0] if self.tells_std else self._guessed(input, self.body(input)))

    def with_std(self, input: Tensor) -> tuple[Tensor, Tensor]:
        """The input -> estimates and the logarithms of their standard deviations, (B, C_out, ...) each, scaled."""
        change, log_std = at_least_float32(self.body(input)).chunk(2, dim=1)
        return self._guessed(input, change), LARGEST_LOG_STD * torch.tanh(log_std / LARGEST_LOG_STD)

    def error_std(self, input: Tensor) -> Tensor | None:
        """Where it predicts them."""
        return self.with_std(input)[1].exp() if self.tells_std else None

    def objectives(self, batch: Batch, loss: Loss) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """The loss, or the likelihood of the target; then the loss is but one of the parts."""
        if not self.tells_std:
            yield from super().objectives(batch, loss)
            return
        mean, log_std = self.with_std(batch.input)
        value = negative_log_likelihood(mean, log_std, batch)
        _, terms = loss(prediction=mean.detach(), target=batch.target, mask=batch.mask)
        yield "network", value, terms | {"negative_log_likelihood": value.detach()}

    def scores(self, batch: Batch, loss: Loss) -> dict[str, Tensor]:
        """Where it predicts standard deviations, negative_log_likelihood and those of `calibration`; of maps, of the
        day in the middle."""
        if not self.tells_std:
            return {}
        mean, log_std = (part[:, self.scored] for part in self.with_std(batch.input))
        batch = replace(batch, target=batch.target[:, self.scored], mask=batch.mask[:, self.scored])
        likelihood = {"negative_log_likelihood": negative_log_likelihood(mean, log_std, batch)}
        return likelihood | calibration(mean, log_std, batch)

    def _guessed(self, input: Tensor, change: Tensor) -> Tensor:
        return change if self.guess is None else change + crop(input[:, self.guess], self.halo)


def negative_log_likelihood(mean: Tensor, log_std: Tensor, batch: Batch) -> Tensor:
    """Of the target where the mask says that it counts, under independent normal errors; nats per scaled number."""
    error = torch.where(batch.mask, batch.target - mean, 0.0)
    nats = 0.5 * (error * torch.exp(-log_std)) ** 2 + log_std + 0.5 * math.log(2 * math.pi)
    return torch.where(batch.mask, nats, 0.0).sum() / batch.mask.sum().clamp(min=1)


def calibration(mean: Tensor, log_std: Tensor, batch: Batch) -> dict[str, Tensor]:
    """share_within_std: the share of the target within one standard deviation of the estimate, of each sample; that of
    normal errors is WITHIN_STD, neither more nor less. miscalibration: how far from that it is.

    Means over the samples of which something counts.
    """
    within = batch.mask & ((batch.target - mean).abs() <= torch.exp(log_std))
    counts = batch.mask.flatten(1).sum(dim=1)
    shares = within.flatten(1).sum(dim=1) / counts.clamp(min=1)
    values = {"share_within_std": shares, "miscalibration": (shares - WITHIN_STD).abs()}
    some = (counts > 0).sum().clamp(min=1)
    return {name: torch.where(counts > 0, value, 0.0).sum() / some for name, value in values.items()}


# --- labels ------------------------------------------------------------------------------------------------


def widths(width: int) -> tuple[int, int, int]:
    """Channels of networks of labels at full, half and quarter resolution, where `width` is the most.

    A cell at full resolution costs as much as 16 times wider ones at a quarter: narrow there, they are fast.
    """
    return max(width // 4, 1), max(width // 2, 1), width


def pool() -> nn.Module:
    """The largest of 2 x 2 cells; of a last odd row or column, of those that are there."""
    return nn.MaxPool2d(2, ceil_mode=True)


def label_layers(*modules: nn.Module) -> nn.Sequential:
    """The modules and the mean over the cells: (B, C, Y, X) -> (B, channels of the last one).

    Weights lie in memory with channels last, and so will what they give: a third faster where channels are few.
    """
    return channels_last(nn.Sequential(*modules, CellMean()))


def channels_last(module: M) -> M:
    """The module itself, its weights with channels last in memory: faster on CPUs."""
    # PyTorch's annotations of Module.to know no memory format alone
    return module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


class CellMean(nn.Module):
    """(B, C, Y, X) -> (B, C), the mean over all cells."""

    def forward(self, x: Tensor) -> Tensor:
        """Of any size."""
        return x.mean(dim=(-2, -1))


class Stack(Estimator):
    """A network that is one layer after the other. `last` makes the answer of what the `layers` give."""

    layers: nn.Module
    last: nn.Module

    def body(self, input: Tensor) -> Tensor:
        """(B, C_in, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X) of fields, (B, classes) of labels; of sequences, sizes
        are kept."""
        return self.last(self.layers(input))

    def features(self, input: Tensor) -> Tensor:
        """Of labels: the numbers (B, n) of which the last dense layer makes the answer."""
        return self.layers(input)
