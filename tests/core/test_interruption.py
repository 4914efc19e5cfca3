"""Signals that ask a command to end: all act alike, and those of one wish count once."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from dlgd.core import interruption
from dlgd.core.interruption import Interruption, interruptible, uninterrupted
from dlgd.core.paths import ROOT

HANG_UP = """
import time
from dlgd.core.interruption import interruptible, say
try:
    with interruptible():
        print("begun", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    print("said into the void", flush=True)
    say("and this")
    open("done", "w").close()
"""


@pytest.fixture(autouse=True)
def no_earlier_wish(monkeypatch):
    monkeypatch.setattr(interruption, "_asked_at", -interruption.SAME_WISH_S)


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_each_interrupts_a_command(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_each_is_noted_once(number, capfd):
    with interruptible():
        with Interruption(b"stopping\n") as wish:
            signal.raise_signal(number)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
        assert wish.requested
        signal.raise_signal(signal.SIGTERM)  # still the same wish
        assert capfd.readouterr().err == "stopping\n"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_later_it_is_another_wish(monkeypatch):
    with interruptible(), Interruption() as wish:
        signal.raise_signal(signal.SIGTERM)
        assert wish.requested
        monkeypatch.setattr(interruption, "_asked_at", interruption._asked_at - interruption.SAME_WISH_S)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_what_must_be_whole_is_finished_first():
    done = []

    def work():
        with interruptible(), uninterrupted():
            signal.raise_signal(signal.SIGHUP)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done


def test_what_is_ignored_stays_ignored():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(), Interruption() as wish:
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert not wish.requested
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.filterwarnings("ignore:.*use of fork")
def test_a_terminal_that_closes(tmp_path):
    """What is printed afterwards goes nowhere; the command ends in order."""
    leader, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", HANG_UP],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    assert _line(leader).startswith(b"begun")
    os.close(leader)
    process.send_signal(signal.SIGHUP)  # as the system does where the terminal controls the process
    assert process.wait(30) == 0
    assert (tmp_path / "done").exists()


def _line(leader: int) -> bytes:
    """Return what was written up to a line break: a terminal closed within a write refuses the rest of it."""
    read = b""
    while not read.endswith(b"\n"):
        read += os.read(leader, 100)
    return read
