"""A training that is stopped before its first record."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from dlgd.cli import training


def test_it_has_no_learning_curve_and_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(training.descriptions, "of_validation", lambda *_: [])
    monkeypatch.setattr(training, "report", lambda **_: pytest.fail("is not scored"))
    stopped = SimpleNamespace(history=[], status="KILLED")
    training.evaluate_best(MagicMock(), tmp_path, MagicMock(), MagicMock(), [], MagicMock(), stopped, printed=False)
    assert list((tmp_path / "figures").iterdir()) == []
