"""The natural loss of each kind of data, for data sets that offer several tasks."""

from __future__ import annotations

from dlgd.core.contract import Loss, Spec
from dlgd.losses.classification import CrossEntropy
from dlgd.losses.likelihoods import Bernoulli
from dlgd.losses.pointwise import mse


def natural(*, spec: Spec) -> Loss:
    """Return the cross-entropy for labels, the Bernoulli likelihood for new samples between 0 and 1, else the mean
    squared error."""
    if spec.kind == "label":
        return CrossEntropy(spec=spec, label_smoothing=0.0)
    if spec.kind == "generated" and spec.bounds == (0.0, 1.0):
        return Bernoulli(spec=spec)
    return mse(spec=spec)
