"""What a person is told to type has the form of what was typed."""

from __future__ import annotations

import sys

import pytest

from dlgd.core import commands


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("/usr/bin/dlgd-sweep", "dlgd-train"),
        ("/somewhere/dlgd/sweep.py", "python -m dlgd.train"),
        ("/usr/bin/pytest", "python -m dlgd.train"),
    ],
)
def test_form(monkeypatch, program, shown):
    monkeypatch.setattr(sys, "argv", [program])
    assert commands.shown("train") == shown


def test_a_run_of_a_multirun_shows_what_was_typed_for_all(monkeypatch):
    monkeypatch.setenv(commands.FORM, "")
    monkeypatch.delenv(commands.FORM)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dlgd-train"])
    commands.hand_on()
    monkeypatch.setattr(sys, "argv", ["/somewhere/dlgd/train.py"])
    assert commands.shown("train") == "dlgd-train"
