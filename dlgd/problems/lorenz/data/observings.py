"""Training windows that are observed in several ways, for one network that serves them all: data.more_observings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.data.observations import Observing


def check(more: Mapping[str, Any], *, task: str, resampled: bool) -> None:
    """Refuse data.more_observings where they have no meaning; `Observings` are checked by themselves.

    resampled: whether training windows may be observed otherwise than in their samples.
    """
    if more and task != "assimilate":
        raise Refusal(f"data.more_observings is for data.task=assimilate, not {task}, whose known steps are no choice")
    if more and not resampled:
        raise Refusal(
            "data.more_observings observes training windows anew, but data.resample_observations=false keeps their "
            "observations: choose one"
        )


@dataclass(frozen=True)
class Observings:
    """Observings in turn: of K of them, the training window of number n has number n modulo K.

    names: of data.more_observings, after that of the first one, which is data.observations itself.
    """

    names: tuple[str, ...]
    each: tuple[Observing, ...]

    @classmethod
    def of(cls, options: Mapping[str, Any], more: Mapping[str, Mapping[str, Any]]) -> Observings:
        """Return data.observations, and those that change some of its options; Refusal of other options."""
        known = [field.name for field in fields(Observing)]
        if not isinstance(more, Mapping):
            raise Refusal(f"data.more_observings={more} must give options of data.observations for each name")
        for name, changes in more.items():
            if not isinstance(changes, Mapping) or not set(changes) <= set(known):
                raise Refusal(f"data.more_observings.{name} may give {', '.join(known)}, nothing else")
        return cls(("", *more), tuple(Observing(**(dict(options) | dict(changes))) for changes in ({}, *more.values())))

    @property
    def several(self) -> bool:
        """Whether there is more than data.observations."""
        return len(self.each) > 1

    def check(self, names: Sequence[str], steps: int) -> None:
        """Refuse observations that windows of `steps` steps cannot have."""
        for own, observing in zip(self.names, self.each, strict=True):
            try:
                observing.check(names, steps)
            except Refusal as error:
                if not own:
                    raise
                raise Refusal(f"data.more_observings.{own}: {error}") from error

    def variances(self, numbers: Tensor) -> Tensor:
        """Return the noise's variance (B,) of windows of these numbers (B,)."""
        variances = [observing.noise_variance for observing in self.each]
        return torch.tensor(variances, device=numbers.device)[numbers % len(self.each)]

    def seen(
        self,
        numbers: Tensor,
        starts: Tensor,
        steps: int,
        allowed: Callable[[Observing], Tensor],
        generator: torch.Generator,
    ) -> Tensor:
        """Return, bool (B, T, N), which values are observed of windows of these numbers (B,); see `Observing.seen`.

        allowed: returns, bool (N,), the variables that an observing may observe.
        """
        kind = numbers % len(self.each)
        found = torch.zeros(0)
        for number, observing in enumerate(self.each):
            seen = observing.seen(starts, steps, allowed(observing).to(starts.device), generator)
            found = seen if number == 0 else torch.where((kind == number)[:, None, None], seen, found)
        return found
