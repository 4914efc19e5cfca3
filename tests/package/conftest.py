"""dlgd as archives, and installed from them in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dlgd.core.paths import ROOT

OF_A_CHECKOUT = {"PYTHONPATH", "DLGD_CACHE", "MLFLOW_TRACKING_URI", "VIRTUAL_ENV"}


@dataclass(frozen=True)
class Archives:
    """What is published."""

    wheel: Path
    sdist: Path


def pip_install(environment: Path, *what: Path) -> None:
    """Install without dependencies, and without asking any index."""
    python = environment / "bin" / "python"
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", *options, *map(str, what)], check=True
    )


@pytest.fixture(scope="session")
def archives(tmp_path_factory) -> Archives:
    """The sdist of this checkout, and the wheel that is built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Archives(wheel, sdist)


@pytest.fixture(scope="session")
def environment(archives, tmp_path_factory) -> Path:
    """A virtual environment with dlgd from the wheel, and the libraries of the tests' own one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    (own,) = folder.glob("lib/python*/site-packages")
    # A path alone: an editable dlgd, which is there too, is found by lines of its own, which are not read then.
    (own / "libraries.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    pip_install(folder, archives.wheel)
    return folder


@pytest.fixture(scope="session")
def person(tmp_path_factory) -> dict[str, str]:
    """The variables of a person who has nothing but the package, with a cache of all tests."""
    kept = {name: value for name, value in os.environ.items() if name not in OF_A_CHECKOUT}
    return kept | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("theirs"))}


@pytest.fixture
def typed(environment, person, tmp_path) -> Callable[..., subprocess.CompletedProcess]:
    """Run a program of the environment in an empty working folder, and return the finished process."""

    def run(program: str, *words: str, **variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(environment / "bin" / program), *words],
            cwd=tmp_path,
            env=person | variables,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run
