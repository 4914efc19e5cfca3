"""Real digits for the tests of the interface, with the cache of the session."""

from __future__ import annotations

import pytest

import dlgd
from tests.interface.few_digits import DIGITS


@pytest.fixture
def cached(cache, monkeypatch):
    """What is made is in the cache of the session."""
    monkeypatch.setenv("DLGD_CACHE", str(cache))


@pytest.fixture(scope="module")
def digits() -> dlgd.Data:
    """Digits to be denoised; a test that asks for samples is one with `cached`."""
    return dlgd.data("mnist_5k", **DIGITS)
