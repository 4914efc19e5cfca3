"""A folder with an MLmodel file becomes a model of a run in MLflow, which can be loaded by its name and registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from dlgd.core.files import write_text

if TYPE_CHECKING:
    from mlflow import MlflowClient

MLMODEL = "MLmodel"
PARAMS = ("model", "data", "loss")  # options of the run that are those of the model, too
TAGS = ("mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit")
USE = "`mlflow.pyfunc.load_model(...).predict({name: array, ...})` gives the outputs by name, where dlgd is installed."


def send(client: MlflowClient, run_id: str, folder: Path, name: str) -> None:
    """Record the model of the folder. Raises one of `store.failures()`; it may be tried again then.

    A server that knows no models, being older than MLflow 3, gets the folder among the files of the run.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    if _is_sent(client, run_id, folder):
        return
    run = client.get_run(run_id)
    params = {key: value for key, value in run.data.params.items() if key.partition(".")[0] in PARAMS}
    tags = {key: run.data.tags[key] for key in TAGS if key in run.data.tags}
    tags["mlflow.note.content"] = description(folder)
    try:
        model = client.create_logged_model(run.info.experiment_id, name, run_id, tags, params, model_type="dlgd")
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise
        client.log_artifacts(run_id, str(folder), name)
        return
    _note_ids(folder / MLMODEL, run_id=run_id, model_id=model.model_id, artifact_path=model.artifact_location)
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])


def _is_sent(client: MlflowClient, run_id: str, folder: Path) -> bool:
    """Return whether the run has this very model: what was sent in part is sent again, and nothing twice."""
    import yaml
    from mlflow.exceptions import MlflowException

    model_id = yaml.safe_load((folder / MLMODEL).read_text()).get("model_id")
    if model_id is None:
        return False
    try:
        model = client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return model.source_run_id == run_id and model.status.value == "READY"


def description(folder: Path) -> str:
    """Return the fields of a model in Markdown: MLflow shows a signature, without units, of registered models alone."""
    import yaml

    model = yaml.safe_load((folder / MLMODEL).read_text())
    units = (model.get("metadata") or {}).get("units", {})
    lines = ["| field | | type | shape | unit |", "|---|---|---|---|---|"]
    for side in ("inputs", "outputs"):
        for field in json.loads((model.get("signature") or {}).get(side) or "[]"):
            spec = field["tensor-spec"]
            shape = " x ".join("any" if size == -1 else str(size) for size in spec["shape"])
            words = [field["name"], side[:-1], spec["dtype"], shape, units.get(field["name"], "")]
            lines.append(f"| {' | '.join(words)} |")
    return "\n".join([*lines, "", USE])


def _note_ids(file: Path, **ids: str) -> None:
    """Note in MLmodel what MLflow calls the model, so that its pages find the run."""
    import yaml

    write_text(file, yaml.safe_dump(yaml.safe_load(file.read_text()) | ids, sort_keys=True))
