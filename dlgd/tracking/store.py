"""Where MLflow keeps its records: the address, the database, experiments, run folders and stale runs.

Without an address everything lies in the working folder: mlflow.db (SQLite) and mlartifacts/, which may be moved
together: see `moved`. This serves many processes of one machine. Several machines need a server, because SQLite's WAL
mode does not work across machines on a shared disk.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
import sqlite3
import tempfile
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dlgd.core import commands, passwords
from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole
from dlgd.tracking import moved

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

FOLDER_TAG = "dlgd.folder"
OWNER_TAG = "dlgd.owner"
KIND_TAG, KIND = "mlflow.experimentKind", "custom_model_development"  # else MLflow shows pages about language models
RUN_ID_FILE = "mlflow_run_id"
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")

# MLflow's own seven retries of 120 s each would stall a run for minutes; values that a person has set are kept.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}

# The tracker says what these loggers would say, once and in a sentence.
QUIET = {"mlflow": "ERROR", "mlflow.store.db": "CRITICAL", "alembic": "WARNING", "urllib3.connectionpool": "ERROR"}


def locate(uri: str | None) -> str:
    """Return `uri`, else $MLFLOW_TRACKING_URI, else mlflow.db in the working folder; SQLite paths are made absolute.

    Only the variable may have a password. Where `uri` is its address without one, the variable's is taken.
    """
    uri = passwords.from_environment(uri or "") or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if uri.partition(":")[0].partition("+")[0] not in SCHEMES:
        raise Refusal(
            f"tracking.uri={passwords.shown(uri)} is not an address that can record runs: type "
            f"http://HOST:PORT for a server, sqlite:///PATH for a file, or null for mlflow.db in the working folder."
        )
    path = database(uri)
    return uri if path is None else f"sqlite:///{path}"


def foreign_server(uri: str) -> str | None:
    """Return a server that is not that of MLFLOW_TRACKING_URI, as it can be shown; None for that one or for a file.

    An address in the folder of a run may be a stranger's, and MLflow sends the password of its environment along.
    """
    if not uri:
        return None
    server = passwords.shown(uri)
    own = server == passwords.shown(os.environ.get("MLFLOW_TRACKING_URI", ""))
    return None if own or database(uri) is not None else server


def send_command(uri: str) -> str:
    """Return the command that sends to this address what MLflow lacks."""
    server = foreign_server(uri)
    return commands.shown("send") + ("" if server is None else f" tracking.uri={server}")


def database(uri: str) -> Path | None:
    """Return the SQLite file of an address; None for a server."""
    head, separator, path = uri.partition(":///")
    return Path(path).absolute() if separator and head.startswith("sqlite") else None


def connect(uri: str) -> MlflowClient:
    """Return a client of the located `uri`, whose database then exists. Raises one of `failures()`.

    The first call takes 2 to 3 s (importing MLflow), and some more when the database is new.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # with its password; the log has the run's page
    from mlflow import MlflowClient

    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
    # MLflow 3.17 still uses what SQLAlchemy 2.1 deprecates.
    warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
    path = database(uri)
    try:
        if path is not None:
            _create_database(path)
            moved.follow(path)
        return MlflowClient(tracking_uri=uri)
    except ModuleNotFoundError as error:
        raise Refusal(
            f"tracking.uri={passwords.shown(uri)} needs a Python package: pip install {error.name}."
        ) from error


def reason(error: BaseException) -> str:
    """Return the first cause of a failure, in one short line: "[Errno 111] Connection refused"."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    lines = str(error).splitlines() or [type(error).__name__]
    return passwords.shown(lines[0])[:200]


def failures() -> tuple[type[Exception], ...]:
    """Return what MLflow raises when its records cannot be reached; a function, because the imports are slow."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, CommandError, OSError  # requests' errors are OSErrors


def experiment_id(client: MlflowClient, uri: str, name: str) -> str:
    """Return the experiment of that name, created where it is new. Files of its runs lie beside an SQLite file."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        if KIND_TAG not in found.tags:
            client.set_experiment_tag(found.experiment_id, KIND_TAG, KIND)
        return found.experiment_id
    path = database(uri)
    artifacts = None if path is None else (path.parent / moved.ARTIFACTS).as_uri()
    try:
        return client.create_experiment(name, artifact_location=artifacts, tags={KIND_TAG: KIND})
    except MlflowException:  # another process may have created it just now
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found.experiment_id


def _create_database(path: Path) -> None:
    """Create MLflow's tables in a new file, in WAL mode; do nothing where the file exists.

    This takes seconds of migrations. Meanwhile Ctrl-C must leave no half database, so the file gets its name when it is
    complete, and a second process must wait, so there is a lock.
    """
    from filelock import FileLock
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", timeout=120):
        if path.exists():
            return
        logger.info("Creating MLflow's database %s, once; this takes 5 to 10 s", path)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mlflow_db_") as folder:
            draft, complete = Path(folder, "draft.db"), Path(folder, "complete.db")
            MlflowClient(tracking_uri=f"sqlite:///{draft}").search_experiments(max_results=1)
            # A copy, because MLflow keeps its connection to the draft open.
            with closing(sqlite3.connect(draft)) as source, closing(sqlite3.connect(complete)) as target:
                source.backup(target)
                target.execute("PRAGMA journal_mode=WAL")  # stays with the file; writers wait half as long
            with written_whole(path) as partial:
                shutil.copyfile(complete, partial)


def read_run_id(folder: Path) -> str | None:
    """Return the MLflow run that a run folder belongs to; None where it was never recorded there."""
    try:
        return (folder / RUN_ID_FILE).read_text().strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None


def find_run_folder(run_id: str, *, uri: str | None = None) -> Path:
    """Return the local folder of an MLflow run. Raises Refusal that says why there is none."""
    uri = locate(uri)
    path = database(uri)
    if path is not None and not path.exists():
        raise Refusal(f"{run_id} is neither a run folder nor an MLflow run: there is no database {path}.")
    try:
        run = connect(uri).get_run(run_id)
    except failures() as error:
        if getattr(error, "error_code", None) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise Refusal(f"{run_id} is neither a run folder nor a run of MLflow at {passwords.shown(uri)}.") from error
        raise Refusal(
            f"MLflow at {passwords.shown(uri)} cannot be asked for {run_id}: name the run's folder instead."
        ) from error
    folder = run.data.tags.get(FOLDER_TAG)
    if folder is None:
        raise Refusal(f"MLflow run {run_id} was not made by dlgd: it has no tag {FOLDER_TAG}.")
    found = next((one for one in moved.run_folders(folder, path) if read_run_id(one) == run_id), None)
    if found is None:
        host = run.data.tags.get("host", "another machine")
        raise Refusal(f"MLflow run {run_id} kept its folder at {folder} on {host}: it is not on this machine.")
    return found


def owner() -> str:
    """Return a name of this process, host:pid:start in seconds since 1970: the start distinguishes it from a later
    process of the same number."""
    import psutil

    return f"{platform.node()}:{os.getpid()}:{psutil.Process().create_time():.0f}"


def is_alive(owner: str) -> bool:
    """False for a process of this host that has ended, zombies included; other hosts are never judged."""
    import psutil

    host, pid, started = owner.rsplit(":", 2)
    if host != platform.node():
        return True
    try:
        process = psutil.Process(int(pid))
        # The clock may have been set since: some seconds of difference are the same process.
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - float(started)) < 5
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False


def close_stale(client: MlflowClient) -> list[str]:
    """Mark as KILLED every run that is called RUNNING though its process has ended, and return their run ids."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    running = client.search_runs(experiments, "attributes.status = 'RUNNING'")
    owned = [run for run in running if OWNER_TAG in run.data.tags]  # the others were made by another program
    stale = [run.info.run_id for run in owned if not is_alive(run.data.tags[OWNER_TAG])]
    for run_id in stale:
        client.set_terminated(run_id, "KILLED")
    return stale
