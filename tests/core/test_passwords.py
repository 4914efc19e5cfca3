"""Passwords in addresses are found, left out, and refused where they would be written."""

import pytest

from dlgd.core import passwords
from dlgd.core.errors import Refusal

WITH = {
    "http://me:secret@host:5000": "http://me@host:5000",
    "http://:secret@host": "http://@host",
    "https://me:se@cr@et@host/path": "https://me@host/path",  # not as it should be written, but hidden all the same
    "https://me:se/cret@host": "https://me@host",
    "postgresql+psycopg://me:secret@host/base": "postgresql+psycopg://me@host/base",
    "postgresql://host/base?user=me&password=secret": "postgresql://host/base?user=me&password=...",
    "http://me@firm.example:secret@host:5000": "http://me@firm.example@host:5000",
    "postgresql+psycopg://me@firm.example:secret@host/base": "postgresql+psycopg://me@firm.example@host/base",
    "http://host/maps.nc?day=1&access_token=secret": "http://host/maps.nc?day=1&access_token=...",
    "mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Dsecret": "mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3D...",
    "cannot parse 'mysql://me:secret@host/base'": "cannot parse 'mysql://me@host/base'",
}
WITHOUT = [
    *("http://host:5000", "http://127.0.0.1:5000/@folder", "http://host:5000/a:b@c", "postgresql://me@host:5432/base"),
    *("http://me@firm.example@host:5000", "http://host:5000,http://me@host", "http://host/?tokens=3"),
    *("sqlite:///place/me@work.db", "runs/a:b@c", "data.name=a:b@c", "http://host/?user=me", ""),
]


@pytest.mark.parametrize("address", WITH)
def test_a_password_is_left_out(address):
    assert passwords.has_password(address)
    assert passwords.without_password(address) == WITH[address]
    assert "cret" not in passwords.shown(address)


@pytest.mark.parametrize("address", WITHOUT)
def test_other_texts_stay_as_they_are(address):
    assert passwords.without_password(address) == address


def test_of_nested_values():
    values = {"tracking": {"uri": "http://me:secret@host", "tags": None}, "list": [1, "http://me:secret@host"]}
    assert passwords.stripped(values) == {
        "tracking": {"uri": "http://me@host", "tags": None},
        "list": [1, "http://me@host"],
    }
    with pytest.raises(Refusal, match=r"^tracking\.uri=http://me@host has a password.*MLFLOW_TRACKING_PASSWORD"):
        passwords.refuse(values)
    passwords.refuse(passwords.stripped(values))


def test_the_variable_may_have_one(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host:5000")
    for address in ("http://me@host:5000", "http://host:5000"):
        assert passwords.from_environment(address) == "http://me:secret@host:5000"
    for address in ("", "http://other:5000", "http://you@host:5000"):
        assert passwords.from_environment(address) == address


@pytest.mark.parametrize("key", ["hydra.job.env_set", "+hydra.job.env_set.MLFLOW_TRACKING_PASSWORD"])
def test_a_variable_of_the_environment_is_not_typed(key):
    value = "x" if "PASSWORD" in key else "{OMP_NUM_THREADS: 2, MLFLOW_TRACKING_TOKEN: x}"
    with pytest.raises(Refusal, match="set the variable in your shell"):
        passwords.refuse_typed([f"{key}={value}"])
    passwords.refuse_typed(["hydra.job.env_set={OMP_NUM_THREADS: 2}"])
