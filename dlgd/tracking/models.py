"""A folder with an MLmodel file becomes a model of a run in MLflow, which can be loaded by its name and registered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dlgd.core.files import write_text

if TYPE_CHECKING:
    from mlflow import MlflowClient

MLMODEL = "MLmodel"


def send(client: MlflowClient, run_id: str, folder: Path, name: str) -> None:
    """Record the model of the folder. Raises one of `store.failures()`; it may be tried again then.

    A server that knows no models, being older than MLflow 3, gets the folder among the files of the run.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    run = client.get_run(run_id)
    try:
        model = client.create_logged_model(run.info.experiment_id, name, run_id, model_type="dlgd")
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise
        client.log_artifacts(run_id, str(folder), name)
        return
    _note_ids(folder / MLMODEL, run_id=run_id, model_id=model.model_id, artifact_path=model.artifact_location)
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])


def _note_ids(file: Path, **ids: str) -> None:
    """Note in MLmodel what MLflow calls the model, so that its pages find the run."""
    import yaml

    write_text(file, yaml.safe_dump(yaml.safe_load(file.read_text()) | ids, sort_keys=True))
