"""A terminal that closes without a signal, and a pipe that nobody reads, end no work."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from dlgd.core import lost_output
from dlgd.core.paths import ROOT
from tests.commands.tiny_digits import DIGITS

OPTIONS = [*DIGITS, "tracking=off", "training.steps=100", "hydra.run.dir=run"]
PRINTS = """
import sys, time
from dlgd.core import lost_output
with lost_output.dropped():
    print("begun", flush=True)
    sys.stdin.read()
    for stream in (sys.stdout, sys.stderr):
        print("said into the void", file=stream, flush=True)
        assert not stream.isatty()
sys.exit(7)
"""


def begun(arguments: list[str], where: Path, *, stdin: int | None = None, stdout: int, stderr: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=where,
        env=os.environ | {"PYTHONPATH": str(ROOT), "DLGD_CACHE": str(where / "cache")},
        start_new_session=True,  # so that the system sends it no SIGHUP
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )


def line(leader: int) -> bytes:
    """Return what was written up to a line break."""
    read = b""
    while not read.endswith(b"\n"):
        read += os.read(leader, 1000)
    return read


@pytest.mark.filterwarnings("ignore:.*use of fork")
def test_a_training_outlives_its_terminal(tmp_path):
    leader, terminal = pty.openpty()
    process = begun(["-m", "dlgd.train", *OPTIONS], tmp_path, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    assert b"run folder" in line(leader)
    os.close(leader)
    assert process.wait(200) == 0
    assert "everything is in" in (tmp_path / "run" / "train.log").read_text()
    assert (tmp_path / "run" / "scores.json").exists()


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_training_outlives_a_reader(tmp_path, closed):
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {closed: writer}
    process = begun(["-m", "dlgd.train", *OPTIONS], tmp_path, **streams)
    os.close(writer)
    assert process.wait(200) == 0
    assert "everything is in" in (tmp_path / "run" / "train.log").read_text()


@pytest.mark.parametrize("unbuffered", [[], ["-u"]])
def test_what_is_printed_is_dropped_and_the_exit_code_kept(tmp_path, unbuffered):
    leader, terminal = pty.openpty()
    process = begun([*unbuffered, "-c", PRINTS], tmp_path, stdin=subprocess.PIPE, stdout=terminal, stderr=terminal)
    os.close(terminal)
    assert line(leader).startswith(b"begun")
    os.close(leader)
    process.communicate()
    assert process.returncode == 7


def test_head(tmp_path):
    shell = f"{sys.executable} -m dlgd.train --help | head -1"
    done = subprocess.run(
        shell, shell=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_other_streams_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    before = sys.stdout
    with lost_output.dropped():
        assert sys.stdout is before


def test_a_log_handler_that_a_call_leaves_goes_on():
    """One that was made within a call from Python keeps the stream of then, which is still the file of the process."""
    script = (
        "import logging\nfrom dlgd.core import lost_output\n"
        "with lost_output.dropped():\n    logging.basicConfig(level='INFO', format='%(message)s')\n"
        "logging.getLogger('later').info('said later')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "said later\n"
