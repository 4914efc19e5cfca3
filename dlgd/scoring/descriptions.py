"""The descriptions of scores: which one a name has, which stand in a table, which a training can follow."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dlgd.core.number_format import seconds
from dlgd.core.score import Score

if TYPE_CHECKING:
    from dlgd.core.contract import Evaluation, Method, Network

# Of every validation, but for generated samples, and of every row of a table.
LOSS = Score("loss", "loss", higher_is_better=False, in_table=False)
SECONDS = Score(
    "seconds_per_sample", "time", "s/sample", higher_is_better=False, written=seconds, in_validation=False
)  # fmt: skip


def find(scores: Iterable[Score], name: str) -> Score | None:
    """The description of the score of that name, a pattern only where no other fits; None where nothing does."""
    fitting = [score for score in scores if score.describes(name)]
    fitting.sort(key=lambda score: score.name != name)
    return replace(fitting[0], name=name) if fitting else None


def columns(scores: Iterable[Score]) -> list[Score]:
    """Those with a column in a table, in order, and the time as the last; of one name the first."""
    by_name: dict[str, Score] = {}
    for score in scores:
        if score.in_table and score.name != SECONDS.name:
            by_name.setdefault(score.name, score)
    return [*by_name.values(), SECONDS]


def of_report(evaluation: Evaluation, methods: Sequence[Method]) -> list[Score]:
    """All scores that a report on these methods may have."""
    return [*evaluation.all_scores, *(score for method in methods for score in method.scores_given), SECONDS]


def of_validation(evaluation: Evaluation, network: Network) -> list[Score]:
    """All scores that a validation of a network may have."""
    own = [score for score in evaluation.all_scores if score.in_validation]
    return [LOSS, *own, *network.scores_given]


def of_class(target: str) -> list[Score]:
    """All scores that the evaluations or networks may give which are made of this `_target_`."""
    module, _, name = target.rpartition(".")
    made = getattr(importlib.import_module(module), name)
    return [*getattr(made, "all_scores", ()), *getattr(made, "scores_given", ())]


def names(scores: Iterable[Score]) -> str:
    """In words, to choose among."""
    return ", ".join(dict.fromkeys(score.name for score in scores))
