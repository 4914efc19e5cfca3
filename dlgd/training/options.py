"""The options of the loop: the group `training` of the configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.training.budget import Budget
from dlgd.training.device import has_bfloat16


@dataclass(frozen=True, kw_only=True)
class Options:
    """Values are checked here: Refusal for one of the wrong type or range.

    steps, epochs, minutes: limits, above 0 or null for none, at least one of them a number; the first one that is
    reached ends the training. Steps and epochs end a repeated training at the same step, minutes do not.
    batch_size: samples in a batch, 1 or more.
    accumulate: batches per optimizer step, 1 or more; all count alike, whatever their masks. The gradient is that of
    larger batches, in the memory of one.
    clip_norm: largest norm of the gradient over all weights of a player, above 0, or null for no limit; longer
    gradients are shortened, so that one bad batch cannot ruin the weights.
    l1: adds l1 * sum |w| over all weights to what is minimized, 0 or more.
    adversarial: 0 or more, 0 for none. Each batch is learned as it is and once more with each number of its input moved
    by so much in the direction in which the loss grows, in the units of the input as a network sees it: adversarial
    training by the fast gradient sign method. A step takes about three times as long.
    ema_decay: decay of a moving average of the weights, between 0 and 1, such as 0.999; or null for none. The average
    is then what is validated, kept as best and used afterwards.
    patience: ends the training after so many validations without a new best of the first criterion, 1 or more, or null.
    validate_every: steps between two validations, 1 or more.
    log_every: steps between two records of the losses, 1 or more; a record makes the program wait for a GPU.
    criteria: names of validation scores, each with a best checkpoint of its own.
    checkpoint_minutes: minutes between two writings of last.pt, above 0; each validation writes it too.
    amp: whether networks compute in bfloat16 where PyTorch's autocast thinks it safe: faster on a GPU. "auto": where
        the device does so itself, some CPUs among them. Validation, scores and predictions are in float32 in any case.
    compile: whether networks go through torch.compile: a minute of waiting, then faster steps.
    """

    steps: int | None
    epochs: float | None
    minutes: float | None
    batch_size: int
    accumulate: int
    clip_norm: float | None
    l1: float
    ema_decay: float | None
    patience: int | None
    validate_every: int
    log_every: int
    criteria: Sequence[str]
    checkpoint_minutes: float
    amp: bool | str
    compile: bool
    adversarial: float = 0.0  # has a default for checkpoints from before it was an option

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulate", "validate_every", "log_every"):
            checks.whole_number(f"training.{name}", getattr(self, name), least=1)
        for name in ("steps", "patience"):
            checks.whole_number(f"training.{name}", getattr(self, name), least=1, null=True)
        for name in ("epochs", "minutes", "clip_norm"):
            checks.number(f"training.{name}", getattr(self, name), above=0, null=True)
        checks.number("training.checkpoint_minutes", self.checkpoint_minutes, above=0)
        for name in ("l1", "adversarial"):
            checks.number(f"training.{name}", getattr(self, name), least=0)
        checks.number("training.ema_decay", self.ema_decay, above=0, below=1, null=True)
        checks.of_kind("training.compile", self.compile, bool)
        if not isinstance(self.amp, bool) and self.amp != "auto":
            raise Refusal(f"training.amp={self.amp} must be true, false or auto.")
        if self.steps is None and self.epochs is None and self.minutes is None:
            raise Refusal("The training has no end: set training.steps, training.epochs or training.minutes.")
        self._check_criteria()

    def budget(self, *, steps_per_epoch: float) -> Budget:
        """Return the limits, for data of so many optimizer steps per epoch."""
        return Budget(steps=self.steps, epochs=self.epochs, minutes=self.minutes, steps_per_epoch=steps_per_epoch)

    def in_bfloat16(self, device: torch.device) -> bool:
        """Return whether networks compute in bfloat16 on the device."""
        return has_bfloat16(device) if self.amp == "auto" else bool(self.amp)

    def _check_criteria(self) -> None:
        checks.names("training.criteria", self.criteria, example="[loss]")
        for name in self.criteria:  # each becomes part of a file's name
            if not re.fullmatch(r"[\w.-]+", name):
                raise Refusal(f"training.criteria has {name!r}: give names of validation scores, such as loss.")
            if list(self.criteria).count(name) > 1:
                raise Refusal(f"training.criteria has {name} more than once: each has one best checkpoint.")
        object.__setattr__(self, "criteria", tuple(self.criteria))
