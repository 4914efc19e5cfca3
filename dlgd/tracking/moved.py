"""A folder that was moved or copied with its MLflow database: run folders and artifacts are found beside the database.

MLflow writes absolute paths into its database. `follow` replaces those below the former folder; it runs whenever a
command opens the database, and before `make ui`: python -m dlgd.tracking.moved mlflow.db.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

logger = logging.getLogger(__name__)

ARTIFACTS = "mlartifacts"  # beside the database
LOCATIONS = (  # the columns of MLflow's tables with paths of files
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def recorded_folder(folder: Path, database: Path | None) -> str:
    """Return the path of a run folder as it is recorded: relative to the folder of an SQLite file, where it lies in it.

    database: the SQLite file; None for a server.
    """
    if database is not None and folder.is_relative_to(database.parent):
        return str(folder.relative_to(database.parent))
    return str(folder)


def run_folders(recorded: str, database: Path | None) -> Iterator[Path]:
    """Yield the places where a run folder may lie, the likeliest first: where it was recorded, and with the same last
    parts of its path beside the database."""
    if database is None:
        yield Path(recorded)
        return
    root, written = database.parent, Path(recorded)
    if not written.is_absolute() or written.is_relative_to(root):
        yield root / written
        return
    parts = written.parts[1:]
    yield from (root.joinpath(*parts[first:]) for first in range(len(parts)))
    yield written


def follow(database: Path) -> int:
    """Replace the paths of artifacts below the former folder of the database, where it was moved or copied with them.
    Returns their number.

    A path is replaced if the file lies beside the database now, or no longer where it was. Does nothing for a database
    that cannot be written.
    """
    here = database.parent
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=20)) as connection:
            former = _former_folders(connection, here)
        if not former:
            return 0
        with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
            count = sum(_replace(connection, *column, old, here) for old in former for column in LOCATIONS)
    except sqlite3.Error as error:
        logger.info("%s: the paths of artifacts are left as they are (%s)", database, error)
        return 0
    if count:
        logger.info("%s was moved from %s: the paths of its artifacts follow", database, ", ".join(map(str, former)))
    return count


def _former_folders(connection: sqlite3.Connection, here: Path) -> list[Path]:
    """Return the folders in which the artifacts of experiments lay, if the artifacts lie beside the database now."""
    if not (here / ARTIFACTS).is_dir():
        return []
    locations = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    paths = [path for (text,) in locations if (path := _path(text)) is not None and path.name == ARTIFACTS]
    return [path.parent for path in paths if not path.exists() or not path.samefile(here / ARTIFACTS)]


def _replace(connection: sqlite3.Connection, table: str, column: str, old: Path, here: Path) -> int:
    """Replace the paths below `old` in a column by those below `here`. Returns their number."""
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}  # none in other versions of MLflow
    if column not in columns:
        return 0
    moved = []
    for row, text in connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall():
        path = _path(text)
        if path is None or not path.is_relative_to(old):
            continue
        new = here / path.relative_to(old)
        if new.exists() or not path.exists():
            moved.append((new.as_uri() if text.startswith("file:") else str(new), row))
    connection.executemany(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", moved)
    return len(moved)


def _path(location: str | None) -> Path | None:
    """Return the absolute local path of a location, file:///PATH or PATH; None for one that is neither."""
    text = unquote(location.removeprefix("file://")) if location and location.startswith("file:///") else location
    return Path(text) if text and text.startswith("/") else None


if __name__ == "__main__":
    path = Path(sys.argv[1]).absolute()
    if path.exists() and (count := follow(path)):
        print(f"{path} was moved: {count} paths of artifacts lead to its new folder")
