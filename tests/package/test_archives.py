"""What the wheel and the sdist hold."""

from __future__ import annotations

import tarfile
import zipfile
from email import message_from_bytes

import dlgd
from dlgd.core.paths import ROOT

PLACES = {"conf": "dlgd/conf", "experiments": "dlgd/conf/experiment", "sweeps": "dlgd/conf/sweep", "dlgd": "dlgd"}


def wanted() -> set[str]:
    """Every file of the project that a person needs, with its place in the archives."""
    found = set()
    for folder, place in PLACES.items():
        for file in (ROOT / folder).rglob("*"):  # which follows no link
            if file.is_file() and "__pycache__" not in file.parts:
                found.add(f"{place}/{file.relative_to(ROOT / folder)}")
    return found


def test_the_wheel(archives):
    with zipfile.ZipFile(archives.wheel) as wheel:
        names = wheel.namelist()
        info = f"dlgd-{dlgd.__version__}.dist-info"
        metadata = message_from_bytes(wheel.read(f"{info}/METADATA"))
        scripts = wheel.read(f"{info}/entry_points.txt").decode()
    assert {name for name in names if not name.startswith(info)} == wanted()
    assert len(names) == len(set(names)), "each file is there once"
    assert metadata["License-Expression"] == "MIT"
    assert f"{info}/licenses/LICENSE" in names
    assert set(metadata.get_all("Provides-Extra")) == {"dev", "slurm", "postgresql", "browser", "docs", "export"}
    for file in (ROOT / "dlgd").glob("*.py"):
        if "@entry.command" in file.read_text():
            assert f"dlgd-{file.stem} = dlgd.{file.stem}:main\n" in f"{scripts}\n"


def test_the_sdist(archives):
    with tarfile.open(archives.sdist) as sdist:
        names = [name.partition("/")[2] for name in sdist.getnames()]
    assert wanted() <= set(names)
    assert len(names) == len(set(names)), "each file is there once"
    assert {
        "README.md",
        "LICENSE",
        "CITATION.cff",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "constraints.txt",
        "pyproject.toml",
        "PKG-INFO",
    } <= set(names)
