"""Scores of methods on the same samples."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core.contract import Evaluation, Method
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text
from dlgd.core.timing import timed

if TYPE_CHECKING:
    import xarray as xr

LARGE = 2**23  # values of a prediction that is kept in single precision, once it is scored

log = logging.getLogger(__name__)


def score(
    methods: Sequence[Method], samples: xr.Dataset, evaluation: Evaluation
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Return a row for each method, {"method", the scores, "seconds_per_sample"}, and the predictions by method, those
    of more than LARGE values in single precision.

    The methods must be fitted. Raises Refusal, with the method's name, where a prediction cannot be scored.
    """
    names = [method.name for method in methods]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refusal(f"Two methods are called {twice[0]}: give each its own name, or name it once.")
    count = samples.sizes["sample"]
    if count == 0:
        raise Refusal("There is no sample to score: the dimension `sample` is empty.")
    rows, predictions = [], {}
    for number, method in enumerate(methods, start=1):
        # A line for each method, not a progress bar: a slow method draws its own bar.
        log.info("scoring %d/%d: %s on %d samples", number, len(methods), method.name, count)
        prediction, elapsed = timed(partial(method.predict, samples))
        try:
            scores = evaluation.scores(samples, prediction) | method.scores(samples)
            bad = [name for name, value in scores.items() if not math.isfinite(value)]
            if bad:
                raise Refusal(f"Its {bad[0]} is {scores[bad[0]]}.")
        except Refusal as refusal:
            raise Refusal(f"{method.name} cannot be scored. {refusal}") from refusal
        own = method.seconds_per_sample
        seconds = elapsed / count if own is None else own
        rows.append({"method": method.name, **scores, "seconds_per_sample": seconds})
        predictions[method.name] = prediction if prediction.size < LARGE else prediction.astype(np.float32)
    return rows, predictions


def write_scores(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows as JSON, whole or not at all. Raises ValueError, and writes nothing, for NaN or infinity."""
    text = json.dumps([dict(row) for row in rows], indent=2, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
