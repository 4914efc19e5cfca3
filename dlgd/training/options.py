"""The options of the loop: the group `training` of the configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.training.budget import Budget


@dataclass(frozen=True, kw_only=True)
class Options:
    """Checked where they are made. Raises Refusal for a value of the wrong type or range."""

    steps: int | None  # limits: the first one reached ends the training
    epochs: float | None
    minutes: float | None
    batch_size: int
    accumulate: int  # batches per optimizer step; each one counts the same, whatever its mask
    clip_norm: float | None  # longest gradient, over all weights of a player
    l1: float  # adds l1 * sum |w| to what is minimized, over all weights as weight_decay does
    ema_decay: float | None  # moving average of the weights: validated, kept as best and used afterwards
    patience: int | None  # validations without a new best of the first criterion
    validate_every: int  # steps
    log_every: int  # steps
    criteria: Sequence[str]  # validation scores, each with a best checkpoint of its own
    checkpoint_minutes: float  # between two writings of last.pt, besides those at validations
    amp: bool  # bfloat16 where PyTorch's autocast thinks it safe
    compile: bool  # torch.compile: a minute of waiting, then faster steps

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulate", "validate_every", "log_every"):
            checks.whole_number(f"training.{name}", getattr(self, name), least=1)
        for name in ("steps", "patience"):
            checks.whole_number(f"training.{name}", getattr(self, name), least=1, null=True)
        for name in ("epochs", "minutes", "clip_norm"):
            checks.number(f"training.{name}", getattr(self, name), above=0, null=True)
        checks.number("training.checkpoint_minutes", self.checkpoint_minutes, above=0)
        checks.number("training.l1", self.l1, least=0)
        checks.number("training.ema_decay", self.ema_decay, above=0, below=1, null=True)
        for name in ("amp", "compile"):
            checks.of_kind(f"training.{name}", getattr(self, name), bool)
        if self.steps is None and self.epochs is None and self.minutes is None:
            raise Refusal("The training has no end: set training.steps, training.epochs or training.minutes.")
        self._check_criteria()

    def budget(self, *, steps_per_epoch: float) -> Budget:
        """The limits, on data of so many optimizer steps per epoch."""
        return Budget(steps=self.steps, epochs=self.epochs, minutes=self.minutes, steps_per_epoch=steps_per_epoch)

    def _check_criteria(self) -> None:
        checks.names("training.criteria", self.criteria, example="[loss]")
        for name in self.criteria:  # each becomes part of a file's name
            if not re.fullmatch(r"[\w.-]+", name):
                raise Refusal(f"training.criteria has {name!r}: give names of validation scores, such as loss.")
        object.__setattr__(self, "criteria", tuple(self.criteria))
