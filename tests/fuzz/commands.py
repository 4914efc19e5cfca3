"""Commands in forks of one process that has imported everything: tens of milliseconds each instead of seconds.

`Commands` starts that process, which is this file run as a script. Each command gets a fork of its own, the very entry
that `python -m dlgd.<command>` calls, a working folder, a time after which it is asked to stop and one after which it
counts as hanging.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("train", "baseline", "evaluate", "predict", "simulate", "compare", "sweep", "send")
STOP_AFTER = 20.0  # s, then the command gets SIGTERM, as from a person who has waited long enough
HANGS_AFTER = 60.0  # s more, then it is killed


MEMORY = 4 * 2**30  # bytes that a command may use


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    arguments: tuple[str, ...]  # the command's name first
    code: int  # exit code; negative: the signal that ended it
    stderr: str
    seconds: float
    stopped: bool  # whether it was still at work then, and was asked to stop
    hung: bool  # whether it did not stop

    @property
    def kind(self) -> str:
        """One of: accepted, refused, hangs, traceback; "poor" for a refusal of more or less than one sentence."""
        if self.hung:
            return "hangs"
        if self.stopped and "Exception ignored in" in self.stderr:  # the signal came while a library cleaned up
            return "accepted"
        if "Traceback" in self.stderr or self.code not in (0, 2, 130, -signal.SIGTERM):
            return "traceback"
        if self.stderr.startswith("usage: "):  # of a flag, such as -x
            return "refused"
        if self.code == 2:
            lines = [line for line in self.stderr.splitlines() if line.startswith("dlgd: ")]
            return "refused" if len(lines) == 1 and self.stderr.endswith(lines[0] + "\n") else "poor"
        return "accepted"


class Commands:
    """A process that runs commands in forks of itself."""

    def __init__(self, folder: Path, cache: Path) -> None:
        """Start it. folder: where commands work and write. cache: of data."""
        self.folder = folder
        own = {"DLGD_CACHE": str(cache), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        environment = os.environ | own | {"MLFLOW_DISABLE_TELEMETRY": "true"}
        self.server = subprocess.Popen(
            [sys.executable, __file__],
            cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, stop_after: float = STOP_AFTER) -> Done:
        """Run a command: its name and what is typed after it. It is asked to stop after so many seconds."""
        stdin, stdout = self.server.stdin, self.server.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([stop_after, *arguments]) + "\n")
        stdin.flush()
        found = json.loads(stdout.readline())
        return Done(arguments=tuple(arguments), **found)

    def close(self) -> None:
        """End the process."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait(timeout=60)


# --- in the process that forks -----------------------------------------------------------------------------------


def serve() -> None:
    """Read commands from the standard input, a line each, and answer each with a line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing but answers goes there
    entries = {name: importlib.import_module(f"dlgd.{name}").main for name in COMMANDS}
    for module in (
        "dlgd.cli.training",
        "dlgd.build",
        "dlgd.scoring.report",
        "dlgd.tracking.off",
        "dlgd.tracking.mlflow",
    ):
        importlib.import_module(module)
    import torch

    torch.set_num_threads(1)
    for number, line in enumerate(sys.stdin):
        stop_after, name, *overrides = json.loads(line)
        answers.write(
            json.dumps(forked(entries[name], name, overrides, Path(f".stderr-{number % 2}"), stop_after)) + "\n"
        )
        answers.flush()


def forked(entry: object, name: str, overrides: list[str], errors: Path, stop_after: float) -> dict[str, object]:
    """Run an entry in a fork. Returns the fields of Done."""
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        run_entry(entry, name, overrides, errors)
    stopped, hung, status = False, False, 0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        seconds = time.monotonic() - started
        if seconds > stop_after and not stopped:
            stopped = True
            os.kill(child, signal.SIGTERM)
        if seconds > stop_after + HANGS_AFTER and not hung:
            hung = True
            os.kill(child, signal.SIGABRT)  # faulthandler says where it was
        time.sleep(0.005)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "stderr": errors.read_text(errors="replace"),
        "seconds": time.monotonic() - started,
        "stopped": stopped,
        "hung": hung,
    }


def run_entry(entry: object, name: str, overrides: list[str], errors: Path) -> None:
    """Be the command; never returns."""
    file = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # what is too large is refused, not swapped
    sys.argv = [f"dlgd/{name}.py", *overrides]
    code = 1
    try:
        entry()  # type: ignore[operator]
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001  # what Python prints of an error that nobody catches
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
