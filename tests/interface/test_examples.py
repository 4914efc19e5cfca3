"""The examples of the docstrings and of docs/python.md, run as they stand."""

from __future__ import annotations

import doctest
import importlib
import shutil

import pytest

from dlgd.core.paths import ROOT

MODULES = ("data", "method", "run", "loading", "training", "comparing")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, cache):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLGD_CACHE", str(cache))
    return tmp_path


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    module = importlib.import_module(f"dlgd.interface.{name}")
    failed, tried = doctest.testmod(module, optionflags=FLAGS)
    assert (failed, tried > 0) == (0, True)


def test_the_page(folder, template):
    shutil.copy(template, folder / "mlflow.db")
    page = ROOT / "docs" / "python.md"
    failed, tried = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS)
    assert (failed, tried > 10) == (0, True)
