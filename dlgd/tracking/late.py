"""Records that reach MLflow after their run has ended, because the server was away or the run was killed.

The tracker keeps in the run folder what MLflow is told beside the metrics: mlflow_run.json. So the folder is all that
is needed to send a run, and nothing of the run's configuration is built.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dlgd.core import passwords
from dlgd.core.errors import Refusal
from dlgd.core.files import refuse_links, write_text
from dlgd.tracking import store
from dlgd.tracking.sender import Sender

RUN_RECORD = "mlflow_run.json"
METRICS_PER_BATCH = 1000  # MLflow's limit


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What MLflow is told of a run beside its metrics.

    uri: the address, without the password that it may have. artifacts: path and folder in MLflow of each.
    owner: the process that records, see `store.owner`. started, ended: milliseconds since 1970.
    status: RUNNING, FINISHED, FAILED or KILLED. sent: whether MLflow has everything.
    """

    uri: str
    experiment: str
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    owner: str
    started: int
    artifacts: tuple[tuple[str, str], ...] = ()
    status: str = "RUNNING"
    ended: int | None = None
    sent: bool = False

    def write(self, folder: Path) -> None:
        """Write it into the run folder. Raises OSError."""
        write_text(folder / RUN_RECORD, json.dumps(asdict(self), indent=1))

    def with_artifact(self, path: Path, under: str, folder: Path) -> RunRecord:
        """Return the record with a file or folder more; its path is relative to the run folder, if it lies there."""
        own = path.relative_to(folder) if path.is_relative_to(folder) else path
        found = (str(own), under)
        return self if found in self.artifacts else replace(self, artifacts=(*self.artifacts, found))

    def with_end(self, status: str) -> RunRecord:
        """Return the record of the run that ends now."""
        return replace(self, status=status, ended=now())

    def is_running(self) -> bool:
        """Return whether the process that records still runs, or may run on another machine."""
        return self.status == "RUNNING" and store.is_alive(self.owner)


def begun(
    folder: Path, *, uri: str, experiment: str, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
) -> RunRecord:
    """Return the record of a run that begins now, or goes on: it keeps its artifacts and its beginning."""
    former = read(folder)
    record = RunRecord(
        uri=passwords.without_password(uri), experiment=experiment, name=name,
        params={key: str(value) for key, value in params.items()}, tags=dict(tags), owner=store.owner(), started=now(),
    )  # fmt: skip
    return record if former is None else replace(record, started=former.started, artifacts=former.artifacts)


def now() -> int:
    """Return the milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def read(folder: Path) -> RunRecord | None:
    """Return the record of the run in this folder; None where there is none, or none that can be read."""
    try:
        values = json.loads((folder / RUN_RECORD).read_text())
        return RunRecord(**values | {"artifacts": tuple((path, under) for path, under in values["artifacts"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def unsent(folders: Iterable[Path], uri: str | None = None, *, move: bool = False) -> dict[Path, RunRecord]:
    """Return the records of runs that have ended and have not reached MLflow, by run folder.

    folders: those of runs, or folders that have them in any depth.
    uri: a located address; only runs that are recorded there are returned. None: all.
    move: whether runs that are recorded elsewhere are returned, too, also those that have reached it.
    """
    found = {path.parent.absolute() for folder in folders for path in folder.rglob(RUN_RECORD)}
    records = {folder: record for folder in sorted(found) if (record := read(folder)) is not None}
    there = None if uri is None else passwords.without_password(uri)
    return {
        folder: record
        for folder, record in records.items()
        if not record.is_running() and (move if there not in (None, record.uri) else not record.sent)
    }


def _is_within(folder: Path, artifact: str) -> bool:
    """Return whether there is such a file in the run's folder: the record of a stranger may name any other."""
    path = (folder / artifact).resolve()
    return path.exists() and path.is_relative_to(folder.resolve())


def send(folder: Path, record: RunRecord, uri: str | None = None) -> str:
    """Send what MLflow lacks of a run that has ended. Returns its id there. A run that was killed becomes KILLED.

    uri: the address, if it is not that of the record. Raises Refusal for a server that the record alone names and for
    links out of the folder, and one of `store.failures()` where MLflow cannot be reached; it may be tried again then.
    """
    server = None if uri is not None else store.foreign_server(record.uri)
    if server is not None:
        raise Refusal(
            f"{folder} was to be recorded in {server}, which neither this command nor MLFLOW_TRACKING_URI names: type "
            f"tracking.uri={server} if it is yours"
        )
    refuse_links(folder)
    where = store.locate(uri or record.uri)
    path = store.database(where)
    if uri is None and path is not None and not path.parent.is_dir():
        raise Refusal(f"{folder} was to be recorded in {path}, which is not there: type tracking.uri=...")
    status = "KILLED" if record.status == "RUNNING" else record.status
    sender = Sender(
        uri=where, experiment=record.experiment, folder=folder, name=record.name, params=record.params,
        tags=record.tags, run_id=store.read_run_id(folder), started=record.started,
    )  # fmt: skip
    try:
        for artifact, under in record.artifacts:
            if _is_within(folder, artifact):
                sender.add_artifact(folder / artifact, under)
        sender.open()
        while sender.send_metrics(METRICS_PER_BATCH):
            pass
        while sender.send_artifact():
            pass
        sender.close(status, record.ended)
    finally:
        sender.journal.close()
    replace(record, status=status, uri=passwords.without_password(where), sent=True).write(folder)
    assert sender.run_id is not None, "the run is open"
    return sender.run_id
