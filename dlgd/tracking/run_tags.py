"""What a run says of itself in tags of MLflow, beside its params: the directions of its scores and which of them make
its table, and the values of options that a later session of the run has changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from dlgd.core.renames import updated_params
from dlgd.core.score import Score

# {"more": ["accuracy"], "less": ["rmse"], "neither": ["spread_*"], "table": ["rmse", "accuracy"]}, in JSON
SCORES_TAG = "dlgd.scores"
WORDS = {"more": True, "less": False, "neither": None}  # what is better
LAST = "seconds_per_sample"  # in a table
IN_FORCE = "in_force."  # before the name of an option: a tag with its value since the run was resumed
LONGEST = 8000  # characters of a tag; MLflow's limit


def scores_tag(scores: Iterable[Score]) -> dict[str, str]:
    """Return the tag that describes scores, so that a comparison needs no import of what computes them.

    scores: in the order of the table.
    A list that would be longer than a tag may be is left out; `dlgd.results.known_scores` then asks the program.
    """
    scores = list(scores)
    found = {word: sorted({one.name for one in scores if one.higher_is_better is d}) for word, d in WORDS.items()}
    columns = dict.fromkeys(one.name for one in scores if one.in_table)
    text = json.dumps(found | {"table": sorted(columns, key=lambda name: name == LAST)})
    return {SCORES_TAG: text} if len(text) <= LONGEST else {}


def directions(text: str) -> dict[str, bool | None]:
    """Return whether more of each score is better, by its name or pattern, from the text of the tag; None: neither is.
    Nothing where the text is empty, or where another program has written something else."""
    found = _lists(text)
    return {name: direction for word, direction in WORDS.items() for name in found.get(word, ())}


def table(text: str) -> list[str]:
    """Return the scores with a column in the table of a run, in order, from the text of the tag."""
    return _lists(text).get("table", [])


def _lists(text: str) -> dict[str, list[str]]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    names = found.items() if isinstance(found, dict) else ()
    return {key: [str(name) for name in value] for key, value in names if isinstance(value, list)}


def changed_values(params: Mapping[str, str], tags: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the tags for options whose values `now` differ from those in force so far.

    params, tags: of the run in MLflow, which never changes a param.
    """
    recorded = updated_params(params)
    before = recorded | values_in_force(tags)
    return {f"{IN_FORCE}{key}": now[key] for key in sorted(now.keys() & recorded.keys()) if before[key] != now[key]}


def values_in_force(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the options that a later session has changed, with present names."""
    return updated_params({key.removeprefix(IN_FORCE): tags[key] for key in tags if key.startswith(IN_FORCE)})
