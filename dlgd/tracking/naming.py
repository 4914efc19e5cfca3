"""How MLflow has what a run records, and back: names that its pages put in a useful order, and nothing twice.

Charts stand in the alphabetical order of their sections, the first parts of the names of metrics. The training's curves
therefore have a prefix that comes before "test", and scores of classical methods, which have no curve, are tags. Params
are the choices and the options that can change scores; config.yaml, among the files of the run, has all of them.

Runs recorded before have everything under its own name; what reads them understands both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dlgd.core.constants import TARGET
from dlgd.core.settings_without_effect import NAMES, changes_no_score

CURVES = "curves/"  # before the names of metrics that have a curve
CURVED = ("train/", "valid/")
COMPARISON = "comparison/"  # before the name of a classical method: a tag with its scores, in JSON
TARGETS_TAG = "dlgd.targets"  # the `_target_` of each choice, by the name of the option, in JSON
LONGEST_NAME = 250
LONGEST_TAG = 8000  # characters of a tag's value; MLflow's limit
KEPT = ("table",)  # settings without effect on scores that tables read


def safe_name(name: str) -> str:
    """Return a name that MLflow accepts: letters, digits and _ - . space : /, the last one only between two names."""
    parts = re.sub(r"[^A-Za-z0-9_\-. :/]", "_", name).split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))[:LONGEST_NAME] or "_"


# --- metrics -------------------------------------------------------------------------------------------------------


def sent_metric(name: str) -> str:
    """Return the name that a metric has in MLflow: "curves/train/loss" for "train/loss"."""
    return safe_name(CURVES + name if name.startswith(CURVED) else name)


def read_and_sent(filter: str) -> list[str]:
    """Return a filter in MLflow's language as it was typed, and with the names that metrics have in MLflow now."""
    now = re.sub(r"(metrics?\.[`\"]?)(?=" + "|".join(CURVED) + ")", rf"\1{CURVES}", filter)
    return list(dict.fromkeys((filter, now)))


# --- scores of classical methods -------------------------------------------------------------------------------------


def comparison(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str], dict[str, float]]:
    """Return the tags with the scores of classical methods, and as metrics the scores that are too many for a tag.

    rows: of a table of scores, {"method": name, score: number}.
    """
    tags, metrics = {}, {}
    for row in rows:
        name = f"{COMPARISON}{row['method']}"
        scores = {score: float(value) for score, value in row.items() if score != "method"}
        text = json.dumps(scores)
        if len(text) <= LONGEST_TAG:
            tags[name] = text
        else:
            metrics |= {f"{name}/{score}": value for score, value in scores.items()}
    return tags, metrics


def read_metrics(metrics: Mapping[str, float], tags: Mapping[str, str]) -> dict[str, float]:
    """Return the metrics of a run under the names with which they were logged, those of classical methods included."""
    found = dict(metrics)
    for name in metrics:
        if name.startswith(CURVES):
            found[name.removeprefix(CURVES)] = found.pop(name)
    for tag, text in tags.items():
        if tag.startswith(COMPARISON):
            found |= {safe_name(f"{tag}/{score}"): float(value) for score, value in _mapping(text).items()}
    return found


# --- params ------------------------------------------------------------------------------------------------------


def sent_params(params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the params of a run that are sent, each choice once, and the tag with what its choices stand for.

    params: the flat configuration and the choice of each group, {"model": "cnn", "model._target_": ..., ...}.
    """
    targets = {key: str(value) for key, value in params.items() if key.rpartition(".")[2] == TARGET}
    text = json.dumps({key: value for key, value in targets.items() if not _is_left_out(key)})
    tagged = len(text) <= LONGEST_TAG
    left = {key: value for key, value in params.items() if not _is_left_out(key) and not (tagged and key in targets)}
    if str(left.get("data.name")) == str(left.get("data")):
        left.pop("data.name", None)
    return left, {TARGETS_TAG: text} if tagged and targets else {}


def _is_left_out(key: str) -> bool:
    return key not in NAMES and key.partition(".")[0] not in KEPT and changes_no_score(key)


def read_params(params: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """Return the params of a run as its configuration has them, from those that were sent and from its tags."""
    found = dict(params) | {key: str(value) for key, value in _mapping(tags.get(TARGETS_TAG, "")).items()}
    if "data" in found:
        found.setdefault("data.name", found["data"])
    return found


def _mapping(text: str) -> Mapping[str, Any]:
    """Return a mapping from JSON; an empty one where another program has written something else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
