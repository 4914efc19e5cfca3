"""Which values of trajectories are observed, with which noise, and the first guess that observations give alone.

Trajectories are tensors (B, T, N): windows, steps, variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dlgd.core import checks
from dlgd.core.errors import Refusal

CHOICES = {
    "pattern": ("regular", "random", "random_components"),
    "pattern_per": ("window", "split"),
    "phase": ("fixed", "free"),
    "noise_per": ("window", "series"),
    "noise_on": ("known", "all"),
}


@dataclass(frozen=True, kw_only=True)
class Observing:
    """The options of data.observations: which values are observed.

    components: names of the variables that may be observed; "all"; or a share of them, drawn once for all windows.
    every, pattern: `regular`, those components at every k-th step; `random_components`, a random `share` of them at
        every k-th step; `random`, each value at any step with the probability `share`.
    pattern_per: `window`, each window has random choices of its own; or `split`, all windows of a split share them.
    phase: `fixed`, every k-th step is counted from the first step of the window; or `free`, from a step that is drawn
        for each window, or, with noise_per=series, from the first step of the series.
    hidden_edges: number of steps at both ends of a window that are never observed; or [at its start, at its end].
    noise_variance: variance of the Gaussian noise of each observation, in squared units of the state.
    noise_per: `window`, each window has noise of its own; or `series`, overlapping windows share the noise.
    noise_on: of forecasts, `known`, the known steps alone have noise; or `all`, all steps of the training and
        validation splits, as where a series was measured: then windows share the noise, and only the test split holds
        the truth.
    """

    components: Any
    every: int
    pattern: str
    share: float
    pattern_per: str
    phase: str
    hidden_edges: Any
    noise_variance: float
    noise_per: str
    noise_on: str = "known"

    @property
    def edges(self) -> tuple[int, int]:
        """The numbers of hidden steps at the start and at the end."""
        pair = self.hidden_edges if isinstance(self.hidden_edges, Sequence) else (self.hidden_edges,) * 2
        return tuple(pair)

    def check(self, names: Sequence[str], steps: int) -> None:
        """Refuse observations that windows of `steps` steps cannot have."""
        for option, known in CHOICES.items():
            checks.choice(f"data.observations.{option}", getattr(self, option), known)
        self.check_noise()
        self._check_components(names)
        checks.whole_number("data.observations.every", self.every, least=1, most=steps, hint="the steps of a window")
        checks.number("data.observations.share", self.share, above=0, most=1)
        self._check_edges(steps)

    def check_noise(self) -> None:
        """Refuse noise that no task can have."""
        checks.choice("data.observations.noise_on", self.noise_on, CHOICES["noise_on"])
        checks.number("data.observations.noise_variance", self.noise_variance, least=0)

    def _check_components(self, names: Sequence[str]) -> None:
        components, option = self.components, f"data.observations.components={self.components}"
        if isinstance(components, float):
            if not 0 < components <= 1:
                raise Refusal(f"{option} must be above 0 and at most 1 where it is a share of the variables")
            return
        if components == "all":
            return
        if isinstance(components, str) or not isinstance(components, Sequence) or len(components) == 0:
            raise Refusal(f"{option} must be all, a list such as [{names[0]}], or a share of the variables such as 0.5")
        unknown = [str(name) for name in components if name not in names]
        if unknown:
            raise Refusal(f"{option} has unknown variables: choose among {names[0]}, {names[1]}, ..., {names[-1]}")

    def _check_edges(self, steps: int) -> None:
        option = f"data.observations.hidden_edges={self.hidden_edges}"
        edges = self.edges
        if len(edges) != 2 or any(type(edge) is not int or edge < 0 for edge in edges):
            raise Refusal(f"{option} must be a number of steps, or two: [at the start, at the end]")
        seen = range(edges[0], steps - edges[1])
        if not seen:
            raise Refusal(f"{option} leaves nothing of windows of {steps} steps: choose less")
        regular = self.pattern != "random" and self.phase == "fixed"
        if regular and not any(step % self.every == 0 for step in seen):
            raise Refusal(
                f"no step of a window would be observed: data.observations.every={self.every} is too long for the "
                f"{len(seen)} steps that data.observations.hidden_edges leaves of {steps}"
            )

    def allowed(self, names: Sequence[str], generator: torch.Generator) -> Tensor:
        """Return, bool (N,), which variables may be observed."""
        if self.components == "all":
            return torch.ones(len(names), dtype=torch.bool)
        if isinstance(self.components, float):
            numbers = torch.randperm(len(names), generator=generator)[: max(1, round(self.components * len(names)))]
            return torch.zeros(len(names), dtype=torch.bool).index_fill_(0, numbers, True)
        return torch.tensor([name in self.components for name in names])

    def seen(self, starts: Tensor, steps: int, allowed: Tensor, generator: torch.Generator) -> Tensor:
        """Return, bool (B, T, N), which values are observed of windows that begin at the steps (B,) of the series.

        Everything is on the device of the generator.
        """
        device, count, size = starts.device, len(starts), len(allowed)
        patterns = count if self.pattern_per == "window" else 1
        clock = torch.arange(steps, device=device) + self._shifts(starts, generator)
        if self.pattern == "random":
            seen = torch.rand(patterns, steps, size, generator=generator, device=device) < self.share
        else:
            seen = (clock % self.every == 0)[..., None]
        if self.pattern == "random_components":
            times = (steps + self.every - 2) // self.every + 1  # at most, in a window
            priorities = torch.rand(patterns, times, size, generator=generator, device=device)
            several = max(1, round(self.share * int(allowed.sum())))
            lowest = priorities.masked_fill(~allowed, 2.0).topk(several, largest=False, sorted=False).indices
            drawn = torch.zeros_like(priorities, dtype=torch.bool).scatter_(-1, lowest, True)
            seen = seen & drawn[torch.arange(patterns, device=device)[:, None], clock // self.every]
        seen = (seen & allowed).expand(count, steps, size).clone()
        first, last = self.edges
        seen[:, :first] = False
        seen[:, steps - last :] = False
        return seen

    def _shifts(self, starts: Tensor, generator: torch.Generator) -> Tensor:
        """Return, (B or 1, 1), how many steps before the window its clock starts, at most every - 1."""
        if self.phase == "fixed":
            return torch.zeros(1, 1, dtype=torch.int64, device=starts.device)
        if self.noise_per == "series":
            return starts[:, None] % self.every
        return torch.randint(self.every, (len(starts), 1), generator=generator, device=starts.device)


def first_guess(values: Tensor, seen: Tensor, fill: Tensor) -> Tensor:
    """Return (B, T, N), linear in time between the seen values, constant before the first and after the last.

    A variable without any seen value in the window is `fill` (N,). All windows are computed at once, on their device.
    """
    steps = values.shape[1]
    time = torch.arange(steps, device=values.device)[:, None]
    before = torch.where(seen, time, -1).cummax(dim=1).values
    after = torch.where(seen, time, steps).flip(1).cummin(dim=1).values.flip(1)
    before, after = torch.where(before < 0, after, before), torch.where(after == steps, before, after)
    nothing = before == steps  # so are all steps of that variable
    before, after = before.masked_fill(nothing, 0), after.masked_fill(nothing, 0).clamp(min=0)
    left, right = values.gather(1, before), values.gather(1, after)
    weight = (time - before) / (after - before).clamp(min=1).to(values.dtype)
    return torch.where(nothing, fill, torch.where(seen, values, left + weight * (right - left)))
