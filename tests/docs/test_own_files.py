"""The snippets of docs/problems/*.md make files, and the commands beside them read these files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlgd.core.paths import ROOT
from tests.docs.test_pages import commands

PAGES = sorted((ROOT / "docs" / "problems").glob("*.md"))
FROZEN = ROOT / "tests" / "frozen" / "runs"
# What pages call a run of the reader's, and the run that stands for it here.
RUNS = {
    "<a run that assimilates>": "lorenz63_fourdvarnet",
    "<a run that forecasts>": "lorenz63_bilinear_ode",
    "<a run on the sea>": "ssh_unet",
    "<a run on operators>": "nemovar_resnet",
    "<a run that classifies>": "digits_cnn",
    "<a run that generates>": "digits_gan",
    "<a run that fills in>": "digits_unet",
}
# of the runs that are not in tests/frozen, what is typed to make them
TRAINED = {
    "digits_unet": "data=mnist_5k data.task=inpaint data.samples.train=20 data.samples.valid=5 data.samples.test=5 "
    "model=unet model.levels=1 model.width=2 training=debug training.steps=2 evaluation.methods=null tracking=off"
}
OTHERS = "python -m dlgd.normalize "  # reads files of other programs, which tests of the problem write
SLOW = ("evaluate",)  # it scores classical methods, too, which learn from data that are made first


def blocks(page: Path, language: str) -> list[str]:
    """The code of a language in the part of a page on own files."""
    part = page.read_text().split("\n## Own files\n")[1]
    return re.findall(rf"^```{language}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)


def typed(page: Path) -> list[tuple[str, ...]]:
    """The commands there, a tuple of words each, with runs of tests/frozen."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    lines = [line for line in lines if not line.startswith(OTHERS)]
    for number, line in enumerate(lines):
        for name, run in RUNS.items():
            line = line.replace(name, f"runs/{run}")
        assert "<" not in line, f"{line} has a run that this test does not know"
        assert commands(line), f"{line} is no command"
        lines[number] = line.split("#")[0].replace("python -m dlgd.", "")
    return [tuple(line.split()) for line in lines]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Return the folder with the files that the snippets of a page made, each in a process of its own."""
    folders: dict[Path, Path] = {}

    def make(page: Path) -> Path:
        if page not in folders:
            folders[page] = tmp_path_factory.mktemp(page.stem)
            for snippet in blocks(page, "python"):
                command = [sys.executable, "-W", "error", "-c", snippet]
                environment = os.environ | {"PYTHONPATH": str(ROOT)}
                done = subprocess.run(command, cwd=folders[page], env=environment, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
        return folders[page]

    return make


def is_slow(words: tuple[str, ...]) -> bool:
    return words[0] in SLOW or any(f"run=runs/{run}" in words for run in TRAINED)


CASES = [
    pytest.param(page, words, id=f"{page.stem}: {' '.join(words)}", marks=[pytest.mark.slow] if is_slow(words) else [])
    for page in PAGES
    for words in typed(page)
]


@pytest.mark.parametrize(("page", "words"), CASES)
def test_a_command_reads_what_the_snippets_made(page, words, made, dlgd, tmp_path):
    shutil.copytree(made(page), tmp_path, dirs_exist_ok=True)
    shutil.copytree(FROZEN, tmp_path / "runs")
    for run, training in TRAINED.items():
        if f"run=runs/{run}" in words:
            assert dlgd("train", *training.split(), f"hydra.run.dir=runs/{run}").returncode == 0
    recorded = ["tracking=off"] if words[0] == "baseline" else []  # MLflow would take seconds
    done = dlgd(*words, *recorded)
    assert done.returncode == 0, done.stdout + done.stderr
    for word in words:
        if word.startswith("output="):
            assert (tmp_path / word.removeprefix("output=")).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_snippets_and_commands(page):
    assert blocks(page, "python")
    assert typed(page)
