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

CHECK_PASSED = "check_passed"  # attribute of an answer that was checked: 1 where all samples are within the tolerance

log = logging.getLogger(__name__)


def answer(run: Run, samples: xr.Dataset, source: DataSource | None, check: Check | None) -> xr.Dataset:
    """Return the predictions for samples that `run.read` gave. What a check finds is logged, a sentence a sample, and
    stands in the attributes of the answer."""
    from dlgd import build
    from dlgd.scoring import answers

    method = run.method(source)
    if check is not None and not method.data.knows_exact:
        name = method.data.spec.name
        raise Refusal(f"predictions for data={name} cannot be checked against exact answers: leave check out")
    prediction, variables, attributes = method.predict(samples), {}, {}
    if check is not None:
        repaired = method.data.repaired(samples, prediction, check)
        prediction, variables = repaired.prediction, repaired.variables
        attributes = {"check": "\n".join(repaired.sentences), CHECK_PASSED: int(repaired.good)}
        for sentence in repaired.sentences:
            log.log(logging.INFO if repaired.good else logging.WARNING, sentence)
    found = answers.dataset(build.evaluation(run.config), method, samples, prediction).assign(variables)
    return found.assign_attrs(source=f"dlgd run {run.path.name}", **attributes)
