"""The descriptions of scores: of a name, of the columns of a table, of a training's validations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dlgd.core.number_format import seconds
from dlgd.core.score import Score

if TYPE_CHECKING:
    from dlgd.core.contract import Evaluation, Method, Network

# LOSS is in each validation, except of generated samples; SECONDS is in each row of a table.
LOSS = Score("loss", "loss", higher_is_better=False, in_table=False)
SECONDS = Score(
    "seconds_per_sample", "time", "s/sample", higher_is_better=False, written=seconds, in_validation=False
)  # fmt: skip


def find(scores: Iterable[Score], name: str) -> Score | None:
    """Return the description of the score of that name, or else a pattern that fits; None where none does."""
    fitting = [score for score in scores if score.describes(name)]
    fitting.sort(key=lambda score: score.name != name)
    return replace(fitting[0], name=name) if fitting else None


def columns(scores: Iterable[Score]) -> list[Score]:
    """Return the scores with a column in a table, in order, then the time; of two with one name, the first."""
    by_name: dict[str, Score] = {}
    for score in scores:
        if score.in_table and score.name != SECONDS.name:
            by_name.setdefault(score.name, score)
    return [*by_name.values(), SECONDS]


def of_report(evaluation: Evaluation, methods: Sequence[Method]) -> list[Score]:
    """Return all scores that a report on these methods may have."""
    return [*evaluation.all_scores, *(score for method in methods for score in method.scores_given), SECONDS]


def of_validation(evaluation: Evaluation, network: Network) -> list[Score]:
    """Return all scores that a validation of a network may have."""
    own = [score for score in evaluation.all_scores if score.in_validation]
    return [LOSS, *own, *network.scores_given]


def of_class(target: str) -> list[Score]:
    """Return all scores that an evaluation or a network of this `_target_` may give."""
    from dlgd.core.construct import locate

    made = locate(target, "scores")
    return [*getattr(made, "all_scores", ()), *getattr(made, "scores_given", ())]


def names(scores: Iterable[Score]) -> str:
    """Return the names of the scores as text, to choose among."""
    return ", ".join(dict.fromkeys(score.name for score in scores))
