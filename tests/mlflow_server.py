"""Real servers on 127.0.0.1: `mlflow server` as `make ui` starts it, and PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """`mlflow server` on a free port, with one worker; its artifacts lie in folder/served by default."""

    def __init__(self, folder: Path, backend: str | None = None, *, served: bool = True):
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process = None
        self._backend = backend or f"sqlite:///{folder}/mlflow.db"
        self._artifacts = ["--artifacts-destination", str(folder / "served")] if served else []

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self._backend, *self._artifacts]
        command += ["--workers", "1", "--host", "127.0.0.1", "--port", str(self.port)]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("w") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment, cwd=self.folder, start_new_session=True
            )
        end = time.monotonic() + 400
        while not self._is_up():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < end, (self.folder / "server.log").read_text()
            time.sleep(0.3)

    def kill(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # the group is of our own making: the server and its worker
            self.process.wait()
            self.process = None

    def _is_up(self):
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a fresh PostgreSQL server, as an unprivileged user; skips the test where there can be none."""
    pytest.importorskip("psycopg", reason="PostgreSQL needs pip install 'psycopg[binary]'")
    places = ["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"]
    folders = [str(folder) for place in places for folder in Path("/").glob(place[1:])]
    programs = {
        name: shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders)) for name in ("initdb", "pg_ctl")
    }
    if None in programs.values():
        pytest.skip("there is no PostgreSQL server on this machine: Debian's package is postgresql")
    # It refuses to run as root.
    user = None if os.geteuid() != 0 else next(each.pw_name for each in pwd.getpwall() if each.pw_name == "nobody")
    with tempfile.TemporaryDirectory(prefix="dlgd-postgresql-", ignore_cleanup_errors=True) as folder:
        if user is not None:
            shutil.chown(folder, user)

        def run(name: str, *arguments: str) -> None:
            done = subprocess.run(
                [programs[name], "-D", f"{folder}/data", *arguments],
                user=user,
                cwd=folder,
                stdout=subprocess.PIPE if name == "initdb" else subprocess.DEVNULL,  # a server would keep a pipe open
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                pytest.skip(f"PostgreSQL does not start here: {name} ended with {done.returncode}: {done.stdout}")

        run("initdb", "-A", "trust", "-U", "dlgd", "--no-sync")
        port = free_port()
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder}"
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql://dlgd@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
