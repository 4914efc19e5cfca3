"""The data of a run as MLflow's datasets: a split each, with its checksum.

They travel in a tag, so that a run that MLflow learns of late has them as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlgd.core.constants import SPLITS

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from dlgd.core.contract import Spec

DATASETS_TAG = "dlgd.datasets"  # for `send` alone; no run has it
LONGEST_DIGEST = 36  # characters; MLflow's limit


def tag(data: Mapping[str, Any], spec: Spec, checksum: str, splits: Sequence[str] = SPLITS) -> dict[str, str]:
    """Return the tag for the splits that a run uses.

    data: the options of the data set. checksum: of the prepared data, where it has one for each split with - between
    them.
    """
    digests = checksum.split("-")
    by_split: dict[str, str] = dict(zip(SPLITS, digests, strict=True)) if len(digests) == len(SPLITS) else {}
    source = {"source": str(data.get("path") or data.get("_target_")), "options": json.dumps(data, default=str)}
    profile = {
        "grid": list(spec.grid), "inputs": list(spec.input_channels), "outputs": list(spec.output_channels),
        "units": spec.units,
    }  # fmt: skip
    rows = [
        {
            "name": f"{spec.name}-{split}",
            "digest": by_split.get(split, checksum)[:LONGEST_DIGEST],
            "source_type": "files" if data.get("path") else "dlgd",
            "source": json.dumps(source),
            "profile": json.dumps(profile),
            "context": split,
        }
        for split in splits
    ]
    return {DATASETS_TAG: json.dumps(rows)}


def send(client: MlflowClient, run_id: str, text: str) -> None:
    """Record the data sets of the tag; those that the run has already stay as they are."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for row in json.loads(text):
        context = InputTag("mlflow.data.context", row.pop("context"))
        inputs.append(DatasetInput(Dataset(**row), [context]))
    client.log_inputs(run_id, inputs)
