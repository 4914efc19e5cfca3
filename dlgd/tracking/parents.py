"""The parent run in MLflow, under which all runs of a multirun lie. Its folder is that of the multirun.

The first run that reaches MLflow creates it, in any process and on any machine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlgd.core.files import write_text
from dlgd.tracking import moved, store

if TYPE_CHECKING:
    from mlflow import MlflowClient

RECORD = "multirun.json"  # in the folder of a multirun
PARENT_TAG = "mlflow.parentRunId"  # as MLflow's pages know it
STUDY_TAG = "dlgd.study"  # of the run of a search, and of its trials
ERROR_TAG = "dlgd.error"  # of a run that failed: why, in one sentence
NOTE_TAG = "mlflow.note.content"  # what MLflow's page of a run shows as its description, in Markdown
LONGEST_NOTE = 8000  # characters of a tag; MLflow's limit


def begin(folder: Path, name: str, varied: Sequence[str]) -> None:
    """Make `folder` the folder of a multirun, which belongs to this process.

    varied: the options in which its runs differ.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RECORD, json.dumps({"name": name, "owner": store.owner(), "varied": list(varied)}))


def varied(folder: Path) -> list[str] | None:
    """Return the options in which the runs of a multirun differ; None where it was begun before they were recorded."""
    return json.loads((folder / RECORD).read_text()).get("varied")


def name(folder: Path) -> str:
    """Return the name of the run of a multirun in MLflow."""
    return json.loads((folder / RECORD).read_text())["name"]


def folder_of(run_folder: Path) -> Path | None:
    """Return the folder of the multirun that a run belongs to; None for a single run."""
    return next((folder for folder in run_folder.absolute().parents if (folder / RECORD).is_file()), None)


def parent_tags(client: MlflowClient, uri: str, experiment_id: str, run_folder: Path) -> dict[str, str]:
    """Return the tag that places a run under the parent of its multirun, which is created where it is missing; nothing
    for a single run.

    The parent of a multirun over several data sets lies in the experiment of the first one.
    """
    from filelock import FileLock

    folder = folder_of(run_folder)
    if folder is None:
        return {}
    with FileLock(folder / f"{RECORD}.lock", timeout=120):  # runs that begin together create one parent
        parent = store.read_run_id(folder)
        if parent is None or not _is_known(client, parent):
            record = json.loads((folder / RECORD).read_text())
            tags = {
                store.FOLDER_TAG: moved.recorded_folder(folder, store.database(uri)),
                store.OWNER_TAG: record["owner"],
            }
            parent = client.create_run(experiment_id, run_name=record["name"], tags=tags).info.run_id
            write_text(folder / store.RUN_ID_FILE, f"{parent}\n")
    return {PARENT_TAG: parent}


def _is_known(client: MlflowClient, run_id: str) -> bool:
    """Return whether MLflow has the run: that of a multirun may lie in another one, from which its runs have moved."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True
