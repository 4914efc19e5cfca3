"""The files of docs/add_a_problem.md, written into a copy of the project, are a problem like the others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hydra
import numpy as np
import pytest
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.paths import ROOT
from tests.docs.test_pages import commands

PAGE = ROOT / "docs" / "add_a_problem.md"
COPIED = ("dlgd", "conf", "experiments", "sweeps", "tests")
FILES = dict(re.findall(r"^\*\*`([\w/.]+)`\*\*\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project, to which the page's files were added and nothing else."""
    folder = tmp_path_factory.mktemp("project")
    for name in COPIED:
        shutil.copytree(
            ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.p*g")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    assert not [name for name in FILES if (folder / name).exists()]
    return write(folder, FILES | {"dlgd/problems/heat/__init__.py": ""})


def closed_forms() -> tuple[float, float]:
    """Root mean square errors, in K, of today's map and of the best estimate, wave by wave."""
    known = OmegaConf.create(FILES["conf/data/heat.yaml"])
    k = 2 * np.pi * np.fft.fftfreq(known.cells, 1000 * known.spacing_km)
    k2 = np.add.outer(k**2, k**2)
    before = (1 + (1000 * known.length_km) ** 2 * k2) ** -3.0
    before *= known.std**2 / before.mean()
    left = np.exp(-known.diffusivity * 86400 * known.days * k2)
    floor = (1 - left) ** 2 * before + known.noise_std**2
    best = 1 / (1 / before + left**2 / known.noise_std**2)  # precisions of two sources of knowledge add
    return float(np.sqrt(floor.mean())), float(np.sqrt(best.mean()))


def test_a_network_is_trained_and_scored_beside_floor_and_ceiling(dlgd, project, tmp_path):
    typed = ("model=resnet", "model.layers=4", "model.width=8", "data=heat", "training=debug", "tracking=off")
    run = dlgd("train", *typed, "hydra.run.dir=run", environment={"PYTHONPATH": str(project)})
    assert run.returncode == 0, run.stderr
    rows = {row["method"]: row for row in json.loads((tmp_path / "run" / "scores.json").read_text())}
    assert list(rows) == ["resnet", "today's map", "Wiener filter"]
    floor, ceiling = closed_forms()
    assert rows["today's map"]["rmse"] == pytest.approx(floor, rel=0.02)
    assert rows["Wiener filter"]["rmse"] == pytest.approx(ceiling, rel=0.02)
    assert rows["Wiener filter"]["expected_rmse"] == pytest.approx(ceiling, rel=1e-6)
    assert rows["resnet"]["rmse"] > rows["Wiener filter"]["rmse"]
    assert (tmp_path / "run" / "figures" / "maps.png").stat().st_size > 20_000
    with xr.open_dataset(tmp_path / "run" / "predictions.nc") as predictions:
        assert predictions.yesterday_predicted.attrs["units"] == "K"


def test_its_commands_compose(project):
    found = [(command, typed) for command, typed in commands(PAGE.read_text()) if "data=heat" in typed]
    assert len(found) > 3
    with hydra.initialize_config_dir(str(project / "conf"), version_base="1.3"):
        for command, typed in found:
            hydra.compose({"train": "config"}.get(command, command), overrides=list(typed))


def test_it_may_live_outside_the_project(dlgd, tmp_path):
    """In a package and a folder of YAML files of its own."""
    inside, outside = ("dlgd/problems/heat/", "dlgd.problems.heat"), ("heat/", "heat")
    files = {name.replace(inside[0], outside[0]): text.replace(inside[1], outside[1]) for name, text in FILES.items()}
    write(tmp_path, files | {"heat/__init__.py": ""})
    typed = ("--config-dir=conf", "data=heat", "baseline=wiener", "tracking=off", "hydra.run.dir=run")
    run = dlgd("baseline", *typed, environment={"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    assert run.returncode == 0, run.stderr
    (row,) = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert row["rmse"] == pytest.approx(closed_forms()[1], rel=0.02)


def test_its_files_keep_the_rules_of_the_house(project):
    python = [name for name in FILES if name.endswith(".py")]
    for command in (["ruff", "check"], ["ruff", "format", "--check"]):
        found = subprocess.run([sys.executable, "-m", *command, *python], cwd=project, capture_output=True, text=True)
        assert found.returncode == 0, found.stdout
    lint = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    found = subprocess.run([sys.executable, "-c", lint], cwd=project, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "KEPT" in found.stdout


@pytest.mark.slow
def test_its_own_tests_and_those_that_list_files_pass(project):
    tests = ("tests/problems/heat", "tests/configs")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "heat", *tests]
    found = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", found.stdout)[1]) > 80
