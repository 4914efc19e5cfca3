"""First guesses by a classical method: networks start from its trajectories and not from interpolated observations.

A method such as 4D-Var takes long for what a training step needs, so training windows are observed a certain number of
times before the training, and the method answers for each of these observations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal

OPTIONS = ("method", "observation_draws")


def check(first_guess: Mapping[str, Any], *, task: str, resampled: bool) -> None:
    """Refuse options of data.first_guess that cannot work, in one sentence each.

    resampled: whether training windows may be observed otherwise than in their samples.
    """
    if unknown := set(first_guess) - set(OPTIONS):
        raise Refusal(f"data.first_guess has {', '.join(sorted(unknown))}: it may give {' and '.join(OPTIONS)}")
    method, draws = first_guess.get("method"), first_guess.get("observation_draws", 1)
    checks.whole_number("data.first_guess.observation_draws", draws, least=1)
    if method is None:
        if draws > 1:
            raise Refusal(
                f"data.first_guess.observation_draws={draws} counts the answers of a method: type "
                "+baseline@data.first_guess.method=weak_4dvar too, or leave it out"
            )
        return
    if not isinstance(method, Method):
        raise Refusal(
            f"data.first_guess.method={method} must be a classical method: type "
            "+baseline@data.first_guess.method=weak_4dvar, or null for interpolation in time"
        )
    if task != "assimilate":
        raise Refusal(
            f"data.first_guess.method is for data.task=assimilate, not {task}, whose known steps are no guess: leave "
            "it out"
        )
    if draws > 1 and not resampled:
        raise Refusal(
            f"data.first_guess.observation_draws={draws} observes training windows anew, but "
            "data.resample_observations=false keeps their observations: choose one"
        )
