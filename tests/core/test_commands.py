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
