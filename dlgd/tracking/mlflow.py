"""tracking=mlflow: a run in MLflow, sent by a thread of its own so that the training never waits.

`log` writes a line to metrics.jsonl in the run folder; the thread sends the lines in batches. Where the server is away
the lines stay in the file, the run goes on, and the thread tries again from time to time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlgd.core import checks, passwords
from dlgd.core.contract import Tracker
from dlgd.core.errors import Refusal
from dlgd.core.interruption import uninterrupted
from dlgd.core.paths import ROOT
from dlgd.tracking import late, naming, pages, parents, provenance, store, system
from dlgd.tracking.sender import Sender

logger = logging.getLogger(__name__)

# Python runs one thread at a time, so sending (0.1 ms per metric) takes time from the training. A batch holds it for
# about 25 ms, and the thread then rests for 100 times the CPU time it took, so that it never takes more than 1 %. This
# allows some 80 metrics per second; more of them wait in the file, at the latest until `finish`.
METRICS_PER_BATCH = 200
REST_PER_WORK = 100
METRICS_PER_LAST_BATCH = 1000  # MLflow's limit

LONGEST_SILENCE_S = 300.0  # between two tries to reach a server that is away
PATIENCE_S = 30.0  # how long `finish` waits for a thread that gets nothing done
SYSTEM_EVERY_S = 10.0
RESERVED = ("mlflow.", "dlgd.", naming.COMPARISON)  # first parts of the names of tags that the program sets


class MLflow(Tracker):
    """Records a run in MLflow, and in the run folder whether or not MLflow answers.

    In the folder: metrics.jsonl (every metric), mlflow_run.json (all else), mlflow_run_id, mlflow_sent. The thread
    sends artifacts from where they lie, so they must stay there until `finish`. What has not arrived by then,
    `dlgd.tracking.late` sends later.

    experiment: MLflow's experiment in which the run lies.
    folder: the run folder.
    uri: address of MLflow: http://HOST:PORT, sqlite:///PATH, or null for $MLFLOW_TRACKING_URI, else for the file
    mlflow.db in the working folder.
    system_metrics: whether to record the use of CPU, memory and GPU too, every SYSTEM_EVERY_S seconds.
    flush_seconds: seconds between two batches to MLflow; longer after a failure.
    tags: further tags of the run, such as {campaign: winter}; `python -m dlgd.compare runs.tag=...` finds them.
    note: a text in Markdown at the head of the run's page; null for none.
    model: whether the best network is recorded as a model of MLflow, see `dlgd.cli.mlflow_model`.
    """

    def __init__(
        self,
        *,
        experiment: str,
        folder: Path | str,
        uri: str | None = None,
        system_metrics: bool = False,
        flush_seconds: float = 5.0,
        tags: Mapping[str, Any] | None = None,
        note: str | None = None,
        model: bool = True,
    ) -> None:
        checks.of_kind("tracking.model", model, bool)
        self.keeps_models = model
        self.run_id: str | None = None  # as long as MLflow has not been reached
        self._uri = store.locate(uri)
        self._experiment = experiment
        self._folder = Path(folder).absolute()
        self._system_metrics = system_metrics
        self._flush_seconds = flush_seconds
        self._started: Sender | None = None
        self._record: late.RunRecord | None = None
        self._thread: threading.Thread | None = None
        self._finishing = threading.Event()
        self._status = "FINISHED"
        self._own_tags, self._note = _own_tags(tags), _own_note(note)
        self._warned = False
        self._samples = 0  # of the machine
        self._failures = 0  # in a row
        self._last_success = self._last_sample = 0.0  # time.monotonic()

    @property
    def _sender(self) -> Sender:
        assert self._started is not None, "a run must be started before anything is recorded in it"
        return self._started

    def start(
        self, *, name: str, params: Mapping[str, Any], tags: Mapping[str, str], run_id: str | None = None
    ) -> None:
        try:
            with uninterrupted():  # no run is left half made
                self._start(name=name, params=params, tags=tags, run_id=run_id)
        except KeyboardInterrupt:
            self.finish("KILLED")
            raise

    def _start(self, *, name: str, params: Mapping[str, Any], tags: Mapping[str, str], run_id: str | None) -> None:
        sent, targets = naming.sent_params(params)
        own = {
            **self._own_tags,
            **tags,
            **targets,
            **provenance.mlflow_tags(tags),
            **({parents.NOTE_TAG: self._note} if self._note else {}),
        }
        record = late.begun(self._folder, uri=self._uri, experiment=self._experiment, name=name, params=sent, tags=own)
        self._started = Sender(
            uri=self._uri,
            experiment=self._experiment,
            folder=self._folder,
            name=name,
            params=sent,
            tags=own,
            run_id=run_id,
            started=record.started,
        )
        self._keep(record)
        try:
            self._round()
        except Refusal:  # a database whose driver is not installed
            self._sender.journal.close()
            (self._folder / late.RUN_RECORD).unlink(missing_ok=True)
            raise
        if self._sender.experiment_id is not None:
            logger.info(
                "Recording in MLflow at %s as run %s: see %s", passwords.shown(self._uri), self.run_id, self._page()
            )
        # A daemon: no server may keep a program from ending.
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        try:
            self._sender.journal.append(metrics, step)
        except OSError as error:  # a full disk
            self._warn(error)

    def tag(self, tags: Mapping[str, str]) -> None:
        try:
            self._sender.journal.append_tags(tags)
        except OSError as error:
            self._warn(error)

    def describe(self, text: str) -> None:
        """Show a text below the person's own note."""
        both = "\n\n".join(part for part in (self._note, text) if part)
        self.tag({parents.NOTE_TAG: both[: parents.LONGEST_NOTE]})

    def compare(self, rows: Sequence[Mapping[str, Any]], step: int) -> None:
        """Record the scores as tags, because charts of single numbers would hide the curves of the training."""
        tags, metrics = naming.comparison(rows)
        self.tag(tags)
        self.log(metrics, step)

    def artifact(self, path: Path, folder: str = "") -> None:
        path = Path(path).absolute()
        self._sender.add_artifact(path, folder)
        if self._record is not None:
            self._keep(self._record.with_artifact(path, folder, self._folder))

    def finish(self, status: str) -> None:
        with uninterrupted():
            self._finish(status)

    def _finish(self, status: str) -> None:
        if self._thread is None:
            return
        self._status = status
        if self._record is not None:
            self._keep(self._record.with_end(status))
        begun = time.monotonic()
        self._finishing.set()
        while self._thread.is_alive() and time.monotonic() - max(begun, self._last_success) < PATIENCE_S:
            self._thread.join(0.1)
        if self._thread.is_alive() or self._sender.unsent():
            logger.info(
                "Not everything reached MLflow: the rest of the run's records is in %s; send it later by %s",
                self._folder,
                store.send_command(self._uri),
            )
        self._thread = None

    def _work(self) -> None:
        """Run the thread: rounds until `finish`, then everything that is left."""
        rest = self._flush_seconds
        while not self._finishing.wait(rest):
            rest = self._round()
        try:
            self._send_the_rest()
        except store.failures() as error:
            self._warn(error)
        self._sender.journal.close()

    def _page(self) -> str:
        """Return the address of the run's page, and what serves it where the address is a file."""
        served = self._uri.startswith("http")
        address = passwords.shown(self._uri) if served else pages.SERVED
        path = pages.page(address, self._sender.experiment_id or "", self.run_id)
        in_checkout = (ROOT / "Makefile").is_file()
        server = "make ui" if in_checkout else f"mlflow server --backend-store-uri {passwords.shown(self._uri)}"
        return path if served else f"{path} (served by `{server}`)"

    def _round(self) -> float:
        """Send a batch and a file, and return the seconds to rest."""
        begun = time.thread_time()
        try:
            if self._system_metrics and time.monotonic() - self._last_sample > SYSTEM_EVERY_S:
                self._sample_system()
            self._open()
            more = self._sender.send_metrics(METRICS_PER_BATCH)
            more |= self._sender.send_artifact()
        except store.failures() as error:
            self._warn(error)
            self._failures += 1
            return min(self._flush_seconds * 2**self._failures, LONGEST_SILENCE_S)
        if self._failures:
            logger.info("MLflow at %s answers again: it gets what it missed", passwords.shown(self._uri))
        self._failures = 0
        rest = REST_PER_WORK * (time.thread_time() - begun)
        return rest if more else max(rest, self._flush_seconds)

    def _open(self) -> None:
        try:
            self._sender.open()
        finally:  # it may have created the run and failed at the next request
            self.run_id = self._sender.run_id

    def _send_the_rest(self) -> None:
        self._open()
        while self._sender.send_metrics(METRICS_PER_LAST_BATCH):
            self._last_success = time.monotonic()
        try:
            while self._sender.send_artifact():
                self._last_success = time.monotonic()
        finally:  # a file that cannot be sent must not leave the run open
            self._sender.close(self._status)
        if self._record is not None:
            self._keep(replace(self._record, sent=True))

    def _keep(self, record: late.RunRecord) -> None:
        """Keep what MLflow is told, to be sent later where it cannot be reached."""
        self._record = record
        try:
            record.write(self._folder)
        except OSError as error:  # a full disk
            self._warn(error)

    def _sample_system(self) -> None:
        self._last_sample = time.monotonic()
        self._sender.journal.append(system.sample(), step=self._samples)
        self._samples += 1

    def _warn(self, error: Exception) -> None:
        """Warn once, however often MLflow fails."""
        if self._warned:
            return
        self._warned = True
        logger.warning(
            "Cannot record in MLflow at %s (%s): the run goes on, and its records are kept in %s",
            passwords.shown(self._uri),
            store.reason(error),
            self._folder,
        )


def _own_tags(tags: Any) -> dict[str, str]:
    """Return the tags that a person typed. Refusal where they are no names with texts, or are the program's own."""
    if tags is None:
        return {}
    plain = isinstance(tags, Mapping) and all(isinstance(value, str | int | float) for value in tags.values())
    if not plain:
        raise Refusal(
            f"tracking.tags={tags} must be names with texts or numbers, such as {{campaign: winter}}, or null"
        )
    for name in map(str, tags):
        if naming.safe_name(name) != name or name.startswith(RESERVED):
            raise Refusal(
                f"tracking.tags has {name}: choose a name of letters, digits, spaces, _ - . that begins with none of "
                f"{', '.join(RESERVED)}"
            )
    return {str(name): str(value) for name, value in tags.items()}


def _own_note(note: Any) -> str:
    """Return the note that a person typed. Refusal where it is no text."""
    if note is None:
        return ""
    checks.of_kind("tracking.note", note, str)
    return note
