"""Commands in forks of one process that has imported everything: tenths of a second each instead of seconds.

`Forks` starts that process, which is this file run as a script. Each command gets a fork of its own, the very entry
that `python -m dlgd.<command>` calls, its working folder and environment, a time after which it may be asked to stop,
and one after which it counts as hanging. What a library reads while it is imported, such as OMP_NUM_THREADS, is that
of the process.
"""

from __future__ import annotations

import atexit
import faulthandler
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = tuple(sorted(path.stem for path in (ROOT / "dlgd").glob("*.py") if path.stem not in ("__init__", "build")))
IMPORTED = (
    *("dlgd.build", "dlgd.cli.training", "dlgd.scoring.report", "dlgd.tracking.off", "dlgd.tracking.mlflow"),
    *("mlflow.pyfunc", "matplotlib.figure"),
)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int  # exit code; negative: the signal that ended it
    stdout: str
    stderr: str
    seconds: float
    stopped: bool  # whether it was still at work when it was asked to stop
    hung: bool  # whether it did not end


class Forks:
    """A process that runs commands in forks of itself."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            env={**environment, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(
        self,
        command: str,
        *arguments: str,
        cwd: Path,
        environment: Mapping[str, str],
        hangs_after: float,
        stop_after: float | None = None,
        memory: int | None = None,
    ) -> Ended:
        """Run a command: its name and what is typed after it.

        stop_after, hangs_after: seconds until it gets SIGTERM, and until it is killed. memory: bytes that it may use.
        """
        stdin, stdout = self._server.stdin, self._server.stdout
        assert stdin is not None
        assert stdout is not None
        streams = [str(Path(self._folder.name, name)) for name in ("stdout", "stderr")]
        asked = {
            "command": command, "arguments": arguments, "cwd": str(cwd), "environment": dict(environment),
            "streams": streams, "stop_after": stop_after, "hangs_after": hangs_after, "memory": memory,
        }  # fmt: skip
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        found = json.loads(stdout.readline())
        said, errors = (Path(one).read_text(errors="replace") for one in streams)
        return Ended(stdout=said, stderr=errors, **found)

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(timeout=60)
        self._folder.cleanup()


# --- in the process that forks -----------------------------------------------------------------------------------


def serve() -> None:
    """Read commands from the standard input, a line each, and answer each with a line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing but answers goes there
    entries = {name: importlib.import_module(f"dlgd.{name}").main for name in COMMANDS}
    for module in IMPORTED:
        importlib.import_module(module)
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(forked(entries[asked["command"]], asked)) + "\n")
        answers.flush()


def forked(entry: Any, asked: dict[str, Any]) -> dict[str, object]:
    """Run an entry in a fork. Returns the fields of Ended but for its streams."""
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        be(entry, asked)
    stopped, hung, status = False, False, 0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        seconds = time.monotonic() - started
        if asked["stop_after"] is not None and seconds > asked["stop_after"] and not stopped:
            stopped = True
            os.kill(child, signal.SIGTERM)
        if seconds > asked["hangs_after"] and not hung:
            hung = True
            os.kill(child, signal.SIGABRT)  # faulthandler says where it was
        time.sleep(0.005)
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, "seconds": time.monotonic() - started, "stopped": stopped, "hung": hung}


def be(entry: Any, asked: dict[str, Any]) -> None:
    """Be the command; never returns."""
    for number, name in enumerate(asked["streams"], start=1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", 1, closefd=False)
    faulthandler.enable()
    if asked["memory"] is not None:  # what is too large is refused, not swapped
        resource.setrlimit(resource.RLIMIT_AS, (asked["memory"], asked["memory"]))
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    places = [asked["cwd"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path[:0] = [place for place in places if place not in sys.path]
    sys.argv = [str(ROOT / "dlgd" / f"{asked['command']}.py"), *asked["arguments"]]
    code = 1
    try:
        entry()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001  # what Python prints of an error that nobody catches
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()  # what Python does at the end of a process
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
