"""Whether more of a score is better, as the evaluations in conf/evaluation and the networks of the runs say it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from omegaconf import OmegaConf

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.core.score import Score
from dlgd.results.finished import FinishedRun
from dlgd.scoring.descriptions import LOSS, SECONDS, find, of_class

WORDS = {True: "more", False: "less", None: "neither more nor less"}


@functools.cache
def scores_of_evaluations() -> tuple[Score, ...]:
    """Of all in conf/evaluation."""
    targets: dict[str, None] = {}
    for path in sorted((CONF / "evaluation").glob("*.yaml")):
        scores = OmegaConf.to_container(OmegaConf.load(path)).get("scores")
        if isinstance(scores, dict) and "_target_" in scores:  # else it is another file's
            targets[scores["_target_"]] = None
    return tuple(score for target in targets for score in of_class(target))


def scores_of_networks(runs: Collection[FinishedRun]) -> list[Score]:
    """Of the networks that the runs trained, as far as there are still such networks."""
    found = []
    for target in sorted({run.params["model._target_"] for run in runs if "model._target_" in run.params}):
        with contextlib.suppress(ImportError, AttributeError):
            found += of_class(target)
    return found


def directions(
    scores: Sequence[str], runs: Collection[FinishedRun], *, higher: Sequence[str], neither: Sequence[str]
) -> tuple[dict[str, bool | None], list[str]]:
    """Of each score whether more is better (None: neither is), and sentences on those of which nobody says it.

    runs: those that gave them. higher, neither: patterns that say it of scores that are not known. Refusal where they
    contradict a known one.
    """
    found: dict[str, bool | None] = {}
    notes = []
    for name in scores:
        score = find((LOSS, SECONDS, *scores_of_evaluations()), name)
        if score is None:  # networks are imported only where they are needed
            score = find(scores_of_networks(runs), name)
        typed = _typed(name, higher, neither)
        if score is None and typed is None:
            notes.append(
                f"Less is taken to be better of {name}, of which nobody says it: type higher=[{name}] or "
                f"neither=[{name}]."
            )
        if score is not None and typed is not None and typed[1] is not score.higher_is_better:
            raise Refusal(
                f"{typed[0]} has {name}, but {WORDS[score.higher_is_better]} of {name} is better: leave it out"
            )
        if score is not None:
            found[name] = score.higher_is_better
        else:
            found[name] = False if typed is None else typed[1]
    return found, notes


def _typed(name: str, higher: Sequence[str], neither: Sequence[str]) -> tuple[str, bool | None] | None:
    """The option that has the name, and the direction that it gives."""
    for option, patterns, direction in (("neither", neither, None), ("higher", higher, True)):
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return option, direction
    return None
