"""Ctrl-C while a command imports its libraries: one line, exit code 130; other programs keep theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dlgd.core.interruption import STOPPED
from dlgd.core.paths import ROOT

WAITING = "import time; print('importing', flush=True); time.sleep(100)"


def stopped(folder: Path, *words: str) -> tuple[int, str]:
    """The exit code and the errors of a Python program that is interrupted while it imports a library."""
    (folder / "omegaconf.py").write_text(WAITING)
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize("command", ["train", "compare", "normalize"])
@pytest.mark.parametrize("installed", [False, True])
def test_a_command_that_imports(tmp_path, command, installed):
    script = tmp_path / f"dlgd-{command}"
    script.write_text(f"from dlgd.{command} import main; main()")
    code, errors = stopped(tmp_path, *([str(script)] if installed else ["-m", f"dlgd.{command}"]))
    assert code == STOPPED
    assert errors == "dlgd: stopped before it began\n"


def test_another_program_that_imports_dlgd(tmp_path):
    code, errors = stopped(tmp_path, "-c", "import dlgd; import omegaconf")
    assert code != STOPPED
    assert "KeyboardInterrupt" in errors
