"""Commands that do no work answer at once: nothing heavy is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dlgd.core.paths import ROOT

COMMANDS = sorted(p.stem for p in (ROOT / "dlgd").glob("*.py") if "@entry.command" in p.read_text())
HEAVY = ("torch", "mlflow", "xarray", "numpy", "matplotlib", "scipy", "numba", "pandas", "rich")


def test_commands_are_found():
    assert {"train", "baseline", "evaluate", "predict", "simulate"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command, tmp_path):
    script = (
        f"import sys; sys.argv = ['dlgd', '--help']\nfrom dlgd.{command} import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout
    assert "==" in done.stdout, "Hydra's help was shown"
