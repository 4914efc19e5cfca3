"""What a person sees of work that takes a while."""

import logging

import pytest

from dlgd.core.progress import duration, progress


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (3 * 3600 + 1200, "3 h 20 min"), (86400, "24 h 00 min")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.fixture
def clock(monkeypatch):
    """Seconds, moved by hand."""
    now = [100.0]
    monkeypatch.setattr("dlgd.core.progress.time.monotonic", lambda: now[0])
    return now


def test_without_a_terminal_there_is_a_line_line_timer(clock, caplog, monkeypatch):
    monkeypatch.setattr("dlgd.core.progress.sys.stderr.isatty", lambda: False)
    with caplog.at_level(logging.INFO):
        for item in progress("abcdef", "letters"):
            assert item in "abcdef"
            clock[0] += 20
    assert [record.getMessage() for record in caplog.records] == [
        "letters: 2 of 6, about 1 min 20 s left",
        "letters: 4 of 6, about 40 s left",
    ]


def test_short_work_says_nothing(clock, caplog):
    assert list(progress(range(1000), "numbers")) == list(range(1000))
    assert caplog.records == []


def test_on_a_terminal_there_is_a_bar_and_no_line(caplog, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("dlgd.core.progress.sys.stderr.isatty", lambda: True)
    assert list(progress([1, 2, 3], "a [b] c")) == [1, 2, 3]
    assert caplog.records == []
    assert "a [b] c" in capsys.readouterr().err
