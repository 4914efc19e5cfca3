"""Sends the records of one run from its folder to MLflow, piece by piece; every piece may be tried again."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgd.core import passwords
from dlgd.core.files import write_text
from dlgd.tracking import datasets, models, moved, parents, run_tags, store
from dlgd.tracking.journal import Journal, Record
from dlgd.tracking.naming import safe_name, sent_metric

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, RunTag

logger = logging.getLogger(__name__)

SENT_FILE = "mlflow_sent"  # "<run id> <bytes of metrics.jsonl that MLflow has>"
BATCH = 100  # params in one request; MLflow's limit
LONGEST = 6000  # characters of a param's value; MLflow's limit


class Sender:
    """Each method raises one of `store.failures()` when MLflow cannot be reached; no record is lost then.

    uri, experiment, folder: as `mlflow.MLflow` has them, the address located.
    name, params, tags: of a run that is created.
    run_id: the run to continue; None for another one.
    started: milliseconds since 1970 at which a run that is created began; None: now.
    """

    def __init__(
        self,
        *,
        uri: str,
        experiment: str,
        folder: Path,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        run_id: str | None,
        started: int | None = None,
    ) -> None:
        self.run_id: str | None = None  # once the run is open; likewise the next
        self.experiment_id: str | None = None
        self.journal = Journal(folder / "metrics.jsonl")
        self._artifacts: deque[tuple[Path, str]] = deque()
        self._lock = threading.Lock()  # of the artifacts, which two threads change
        self._uri, self._experiment, self._folder = uri, experiment, folder
        self._name, self._wanted, self._started = name, run_id, started
        self._params = {safe_name(key): str(value)[:LONGEST] for key, value in params.items()}
        self._datasets = tags.get(datasets.DATASETS_TAG)
        tags = {key: value for key, value in tags.items() if key != datasets.DATASETS_TAG}
        self._tags = {**tags, store.FOLDER_TAG: moved.recorded_folder(folder, store.database(uri))}
        self._sent = self._first_byte()
        self._client: MlflowClient | None = None
        self._open = False

    @property
    def _mlflow(self) -> MlflowClient:
        assert self._client is not None, "`open` comes first"
        return self._client

    @property
    def _run(self) -> str:
        assert self.run_id is not None, "`open` comes first"
        return self.run_id

    def unsent(self) -> bool:
        """Return whether MLflow lacks anything."""
        return not self._open or self._sent < self.journal.size or bool(self._artifacts)

    def open(self) -> None:
        """Create the run, or continue the wanted one; do nothing where it is open already."""
        if self._open:
            return
        self._client = self._client or store.connect(self._uri)
        tags = {**self._tags, store.OWNER_TAG: store.owner()}
        new = False
        if self.run_id is None:
            self.run_id = self._find_wanted()
            if self.run_id is None:
                self.run_id, new = self._create(tags), True
            write_text(self._folder / store.RUN_ID_FILE, f"{self.run_id}\n")
        if not new:
            self._send_tags(tags)
        run = self._client.get_run(self.run_id)
        self.experiment_id, data = run.info.experiment_id, None if new else run.data
        self._send_params({} if data is None else data.tags, {} if data is None else data.params)
        if self._datasets is not None:
            datasets.send(self._client, self.run_id, self._datasets)
        if store.database(self._uri) is not None:
            for stale in store.close_stale(self._client):
                logger.info("MLflow run %s was never finished and its process has ended: marked as KILLED", stale)
        self._open = True

    def send_metrics(self, limit: int) -> bool:
        """Send about `limit` metrics, and return whether there may be more of them."""
        records, end = self.journal.read(self._sent, limit)
        if records:
            self._mlflow.log_batch(self._run, metrics=_metrics(records), tags=_tags(records))
        if end > self._sent:
            self._sent = end
            with suppress(OSError):  # a full disk: what MLflow has is sent again when the run is resumed
                write_text(self._folder / SENT_FILE, f"{self.run_id} {end}\n")
        return end < self.journal.size

    def add_artifact(self, path: Path, folder: str) -> None:
        """Queue a file or folder, only once if it is written again before it was sent."""
        with self._lock:
            if (path, folder) not in self._artifacts:
                self._artifacts.append((path, folder))

    def send_artifact(self) -> bool:
        """Send one file or folder, and return whether there are more of them."""
        with self._lock:
            if not self._artifacts:
                return False
            path, folder = self._artifacts.popleft()
        if not path.exists():
            logger.warning("%s cannot be recorded in MLflow: the file no longer exists", path)
            return bool(self._artifacts)
        try:
            if (path / models.MLMODEL).is_file():
                models.send(self._mlflow, self._run, path, folder)
            else:
                self._mlflow.log_artifact(self._run, str(path), folder or None)
        except store.failures():
            self.add_artifact(path, folder)
            raise
        return bool(self._artifacts)

    def close(self, status: str, ended: int | None = None) -> None:
        """Record that the run has ended with "FINISHED", "FAILED" or "KILLED", in `ended` ms since 1970; None: now."""
        self._mlflow.set_terminated(self._run, status, ended)

    def _first_byte(self) -> int:
        """Return the first byte of metrics.jsonl that the run lacks; an earlier process may have left some unsent."""
        if self._wanted is None and store.read_run_id(self._folder) is not None:
            return self.journal.size  # a new run in a used folder: those records are the former run's
        try:
            run_id, end = (self._folder / SENT_FILE).read_text().split()
        except (FileNotFoundError, ValueError):
            return 0
        return min(int(end), self.journal.size) if run_id == self._wanted else 0

    def _find_wanted(self) -> str | None:
        from mlflow.exceptions import MlflowException

        if self._wanted is None:
            return None
        try:
            self._mlflow.update_run(self._wanted, status="RUNNING")
            return self._wanted
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        logger.info("MLflow at %s has no run %s: a new run gets its records", passwords.shown(self._uri), self._wanted)
        self._sent = 0
        return None

    def _create(self, tags: Mapping[str, str]) -> str:
        experiment_id = store.experiment_id(self._mlflow, self._uri, self._experiment)
        sent = {safe_name(key): str(value) for key, value in tags.items()}
        sent |= parents.parent_tags(self._mlflow, self._uri, experiment_id, self._folder)
        run = self._mlflow.create_run(experiment_id, start_time=self._started, run_name=self._name, tags=sent)
        return run.info.run_id

    def _send_tags(self, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        rows: list[RunTag] = [RunTag(safe_name(key), str(value)) for key, value in tags.items()]
        for first in range(0, len(rows), BATCH):
            self._mlflow.log_batch(self._run, tags=rows[first : first + BATCH])

    def _send_params(self, tags: Mapping[str, str], known: Mapping[str, str]) -> None:
        """Send the params that the run lacks. MLflow never changes a param: tags have the new values of a resumed run.

        tags, known: the tags and params that the run has.
        """
        from mlflow.entities import Param

        changed = run_tags.changed_values(known, tags, self._params)
        for tag, value in changed.items():
            logger.info(
                "MLflow keeps the first value of %s: the tag %s has %s", tag.removeprefix(run_tags.IN_FORCE), tag, value
            )
        self._send_tags(changed)
        rows = [Param(key, value) for key, value in self._params.items() if key not in known]
        for first in range(0, len(rows), BATCH):
            self._mlflow.log_batch(self._run, params=rows[first : first + BATCH])


def _metrics(records: list[Record]) -> list[Metric]:
    """Return rows for MLflow. Infinity is sent as NaN: MLflow would store 1.8e308, which flattens every curve."""
    from mlflow.entities import Metric

    return [
        Metric(sent_metric(name), math.nan if math.isinf(value) else value, record.time, record.step)
        for record in records
        for name, value in record.metrics.items()
    ]


def _tags(records: list[Record]) -> list[RunTag]:
    """Return rows for MLflow; of a tag that was set twice, the last value."""
    from mlflow.entities import RunTag

    last = {safe_name(key): value for record in records for key, value in record.tags.items()}
    return [RunTag(key, value) for key, value in last.items()]
