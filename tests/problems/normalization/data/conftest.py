"""Small data sets of normalization coefficients with each choice of features, and folders of the report's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.problems.normalization.data.small_data import FEATURES, ready
from tests.problems.normalization.report_files import simulated, write_nemo, write_processed


@pytest.fixture(scope="module", params=["nemovar", "mercator"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def prepared(name):
    """One data set per choice of features, by its name in FEATURES."""
    return {key: ready(name, **options) for key, options in FEATURES.items()}


@pytest.fixture(scope="module", params=FEATURES)
def source(request, prepared):
    return prepared[request.param]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "report"


@pytest.fixture
def processed(folder) -> Path:
    write_processed(folder, simulated("mercator"), over="sea")
    return folder


@pytest.fixture
def nemo(folder) -> Path:
    write_nemo(folder, simulated("mercator"))
    return folder
