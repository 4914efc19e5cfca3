"""The answer of a run: predictions with coordinates and attributes, repaired where that is asked for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    import xarray as xr

    from dlgd.core.contract import DataSource
    from dlgd.core.repair import Check
    from dlgd.interface.run import Run

log = logging.getLogger(__name__)


def answer(run: Run, samples: xr.Dataset, source: DataSource | None, check: Check | None) -> xr.Dataset:
    """Return the predictions for samples that `run.read` gave. What a check finds is logged, a sentence a sample."""
    from dlgd import build

    method = run.method(source)
    if check is not None and not method.data.knows_exact:
        name = method.data.spec.name
        raise Refusal(f"data={name} has no exact answer that predictions could be checked against: leave check out")
    prediction, variables = method.predict(samples), {}
    if check is not None:
        repaired = method.data.repaired(samples, prediction, check)
        prediction, variables = repaired.prediction, repaired.variables
        for sentence in repaired.sentences:
            log.log(logging.INFO if repaired.good else logging.WARNING, sentence)
    found = build.evaluation(run.config).dataset(samples, prediction).assign(variables)
    return found.assign_attrs(source=f"dlgd run {run.path.name}")
