"""The package itself: light, and its functions keep their names beside the modules of the commands."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "hydra", "omegaconf", "numpy", "xarray", "pandas", "mlflow", "matplotlib")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_takes_nothing_heavy():
    assert run(f"import sys, dlgd; print([name for name in {HEAVY!r} if name in sys.modules])").strip() == "[]"


def test_modules_do_not_replace_functions():
    code = """
import importlib, dlgd
import dlgd.train
from dlgd.train import main
importlib.import_module("dlgd.compare")
print(dlgd.train.__name__, dlgd.train.__module__, dlgd.compare.__module__, callable(main))
"""
    assert run(code).split() == ["train", "dlgd.interface.training", "dlgd.interface.comparing", "True"]


def test_names():
    import dlgd

    assert set(dlgd.__all__) <= set(dir(dlgd))
    assert all(getattr(dlgd, name).__doc__ for name in dlgd.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = dlgd.lode  # pyright: ignore[reportAttributeAccessIssue]
