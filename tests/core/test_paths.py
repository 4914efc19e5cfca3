"""Where things are, in a checkout and elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlgd.core import paths


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A working folder, and a person without a cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLGD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "theirs"))
    return tmp_path


def test_the_choices_of_a_checkout_are_those_that_people_edit():
    assert paths.CONF.resolve() == paths.ROOT / "conf"
    assert (paths.CONF / "experiment").resolve() == paths.ROOT / "experiments"


def test_the_cache_is_that_of_the_person(elsewhere):
    assert paths.cache_folder() == elsewhere / "theirs" / "dlgd"


def test_the_cache_is_in_a_checkout(monkeypatch, elsewhere):
    monkeypatch.chdir(paths.ROOT)
    assert paths.cache_folder() == paths.ROOT / "cache"


def test_the_cache_is_where_they_say(monkeypatch, elsewhere):
    for where in (elsewhere, paths.ROOT):
        monkeypatch.chdir(where)
        monkeypatch.setenv("DLGD_CACHE", "here")
        assert paths.cache_folder() == where / "here"


def test_files_of_experiments_are_found_from_anywhere(elsewhere):
    named = Path("experiments", "digits", "classifier.pt")
    assert paths.shipped(named).samefile(paths.ROOT / named)
    (elsewhere / named).parent.mkdir(parents=True)
    (elsewhere / named).touch()
    assert paths.shipped(named) == named, "a file of theirs comes first"
    assert paths.shipped(Path("experiments/none.pt")) == Path("experiments/none.pt")
    assert paths.shipped(Path("none.pt")) == Path("none.pt")
