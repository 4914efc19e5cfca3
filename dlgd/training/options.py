"""The options of the loop: the group `training` of the configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

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
        for name in ("steps", "batch_size", "accumulate", "patience", "validate_every", "log_every"):
            self._check(name, whole=True, positive=True, null=name in ("steps", "patience"))
        for name in ("epochs", "minutes", "clip_norm", "checkpoint_minutes", "ema_decay"):
            self._check(name, positive=True, null=name != "checkpoint_minutes")
        self._check("l1", positive=False)
        if self.ema_decay is not None and self.ema_decay >= 1:
            raise Refusal(f"training.ema_decay is {self.ema_decay}: give a number under 1, such as 0.999, or null.")
        for name in ("amp", "compile"):
            if not isinstance(getattr(self, name), bool):
                raise Refusal(f"training.{name} is {getattr(self, name)!r}: give true or false.")
        if self.steps is None and self.epochs is None and self.minutes is None:
            raise Refusal("The training has no end: set training.steps, training.epochs or training.minutes.")
        self._check_criteria()

    def budget(self, *, steps_per_epoch: float) -> Budget:
        """The limits, on data of so many optimizer steps per epoch."""
        return Budget(steps=self.steps, epochs=self.epochs, minutes=self.minutes, steps_per_epoch=steps_per_epoch)

    def _check(self, name: str, *, positive: bool, whole: bool = False, null: bool = False) -> None:
        value = getattr(self, name)
        if value is None and null:
            return
        right_type = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        # Written so that NaN is out of range too.
        if value is None or not (right_type and (value > 0 if positive else value >= 0) and value < float("inf")):
            kind = f"a {'whole ' if whole else ''}number {'above 0' if positive else 'of at least 0'}"
            raise Refusal(f"training.{name} is {value!r}: give {kind}{' or null' if null else ''}.")

    def _check_criteria(self) -> None:
        names = self.criteria
        if isinstance(names, str) or not isinstance(names, Sequence) or len(names) == 0:
            raise Refusal(f"training.criteria is {names!r}: give a list of validation scores, such as [loss].")
        for name in names:  # each becomes part of a file's name
            if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
                raise Refusal(f"training.criteria has {name!r}: give names of validation scores, such as loss.")
        object.__setattr__(self, "criteria", tuple(names))
