"""Passwords in addresses such as http://me:secret@host: they are taken from the environment and written nowhere.

What is typed is stored with a run, in its checkpoints and in MLflow, and so is what stands in a configuration: both are
refused with a password. One that an old run holds is left out when the run is loaded. Imports nothing heavy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from dlgd.core.errors import Refusal

# From the colon after a name, which may be an address of mail, to the last @ of the word; http://host:5000/a@b has a
# port there.
OF_USER = re.compile(r"(?<=://)([^\s/?#:]*):(?!\d*(?:[/?#,\s]|$))\S*@")
# Of the queries that servers and drivers of databases understand, as ...?user=me&password=secret; also quoted, as in
# odbc_connect=...%3BPWD%3Dsecret.
OF_QUERY = re.compile(
    r"((?:(?<=[?&;])|(?<=%3B))[\w.-]*(?:passw(?:or)?d|pwd|passfile|token|secret|api_?key|sig|signature)(?:=|%3D))"
    r"(?!\.\.\.)(?:(?!%3B)[^&;\s])+",
    re.IGNORECASE,
)
# A variable of the environment for a secret, with its value: {MLFLOW_TRACKING_PASSWORD: secret}.
OF_VARIABLE = re.compile(r"[A-Za-z_]*(?:PASSWORD|PASSWD|TOKEN|SECRET)[A-Za-z_]*['\"]?\s*[:=]\s*[^\s,}]", re.IGNORECASE)
ENVIRONMENT = "hydra.job.env_set"


def without_password(text: str) -> str:
    """Return a text whose addresses have no password any more: http://me@host."""
    if "://" not in text:
        return text
    return OF_QUERY.sub(r"\1...", OF_USER.sub(r"\1@", text))


def shown(address: str) -> str:
    """Return an address as a message shows it, without password and without user: http://host."""
    return re.sub(r"//[^\s/?#]*@", "//", without_password(address))


def has_password(text: str) -> bool:
    """Return whether an address in the text has a password."""
    return without_password(text) != text


def from_environment(address: str) -> str:
    """Return $MLFLOW_TRACKING_URI, with its password, where it is this address but for that; else the address."""
    named = os.environ.get("MLFLOW_TRACKING_URI", "")
    return named if has_password(named) and address in (without_password(named), shown(named)) else address


def stripped(values: Any) -> Any:
    """Return nested dicts and lists whose texts, keys included, have no password any more."""
    if isinstance(values, str):
        return without_password(values)
    if isinstance(values, Mapping):
        return {stripped(key): stripped(value) for key, value in values.items()}
    if isinstance(values, list):
        return [stripped(value) for value in values]
    return values


def refuse_typed(arguments: Iterable[str]) -> None:
    """Refuse words after a command that hold a password."""
    for argument in arguments:
        option = argument.partition("=")[0]
        if option.lstrip("+~").startswith(ENVIRONMENT) and OF_VARIABLE.search(argument):
            raise Refusal(
                f"{option} was typed with a password or token, which would be written into files: set the variable in "
                "your shell"
            )
        if has_password(argument):
            raise Refusal(f"{without_password(argument)} was typed with a password, {_instead(option, argument)}")


def refuse(values: Any, option: str = "") -> None:
    """Refuse a configuration that holds a password, from a file or by a reference such as ${oc.env:NAME}.

    values: plain, resolved. option: where they stand.
    """
    if isinstance(values, str) and has_password(values):
        raise Refusal(f"{option}={without_password(values)} has a password, {_instead(option, values)}")
    if isinstance(values, Mapping):
        for key, value in values.items():
            refuse(value, f"{option}.{key}" if option else str(key))
    if isinstance(values, list):
        for value in values:
            refuse(value, option)


def _instead(option: str, address: str) -> str:
    why = "which would be written into files: leave it out, and give it by "
    if "postgresql" in address:
        return f"{why}PGPASSWORD in the environment or by ~/.pgpass"
    if "uri" in option or "http" in address:
        return f"{why}MLFLOW_TRACKING_PASSWORD in the environment, with the user in MLFLOW_TRACKING_USERNAME"
    return f"{why}a file of the database's driver"
