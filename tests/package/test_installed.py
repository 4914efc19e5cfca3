"""An installed dlgd, in an empty folder."""

from __future__ import annotations

import shutil

import pytest

TINY = [
    "data=mnist_5k",
    "data.samples={train: 200, valid: 50, test: 50}",
    "training=debug",
    "evaluation.methods=null",
    "model.layers=4",
    "model.width=4",
    "device=cpu",
]
ASKED = """
from pathlib import Path
import dlgd
from dlgd.core.paths import CONF, shipped
from dlgd.tracking.provenance import tags
print(Path(dlgd.__file__).parent == CONF.parent and not CONF.is_symlink())
print(shipped(Path("experiments/digits/classifier.pt")).is_file())
print(tags(device="cpu")["git_hash"])
"""
REFUSED = """
import sys
from dlgd.cli.run_folder import refuse_sources
from dlgd.core.paths import PACKAGE
from dlgd.core.errors import Refusal
for folder in (PACKAGE, PACKAGE / "conf" / "model", PACKAGE.parent):
    try:
        refuse_sources(str(folder), "hydra.run.dir")
    except Refusal:
        print("refused")
"""


def answer(typed, program: str, *words: str, **variables: str) -> str:
    done = typed(program, *words, **variables)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_it_is_the_installed_one(typed, environment):
    assert answer(typed, "python", "-c", ASKED).split() == ["True", "True", "unknown"]
    assert answer(typed, "python", "-c", REFUSED).split() == 3 * ["refused"]


def test_each_command_answers(typed, environment):
    commands = sorted(path.name for path in (environment / "bin").glob("dlgd-*"))
    assert len(commands) == 10
    assert "overlapping_segments" in answer(typed, "dlgd-train", "--help")
    found = answer(typed, "dlgd-train", "--cfg", "job", "experiment=digits/gan")
    assert "classifier: experiments/digits/classifier.pt" in found


def test_modules_beside_the_command_are_found(typed, tmp_path):
    """As `python -m dlgd.train` finds them."""
    (tmp_path / "mine.py").write_text("print('imported')\n")
    for program in (["dlgd-train"], ["python", "-m", "dlgd.train"]):
        done = typed(*program, "model._target_=mine.Net", *TINY, "tracking=off", f"hydra.run.dir=run-{program[0]}")
        assert "imported" in done.stdout
        assert "mine has no Net" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_answered(typed, shell):
    script = answer(typed, "dlgd-train", "-sc", f"install={shell}")
    assert "dlgd-train -sc query" in script or "$helper -sc query" in script or "$cmd -sc query" in script
    assert "dlgd-sweep" in script
    found = answer(typed, "dlgd-train", "-sc", f"query={shell}", COMP_LINE="dlgd-train experiment=digits/g")
    assert found == "experiment=digits/gan\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(typed, environment):
    """As it does when Tab is pressed, with the function that was installed."""
    asked = (
        f'PATH="{environment}/bin:$PATH"; eval "$(dlgd-train -sc install=bash)"; '
        'COMP_LINE="dlgd-sweep sweep=mn"; COMP_POINT=${#COMP_LINE}; COMP_CWORD=1; hydra_bash_completion; '
        'printf "%s\\n" "${COMPREPLY[@]}"; complete -p dlgd-sweep'
    )
    (environment / "bin" / "bash-here").write_text(f"#!{shutil.which('bash')}\n{asked}\n")
    (environment / "bin" / "bash-here").chmod(0o755)
    first, second = answer(typed, "bash-here").splitlines()
    assert first == "sweep=mnist_5k"
    assert second.endswith("hydra_bash_completion dlgd-sweep")


def test_a_shell_in_the_middle_of_a_line_is_not_disturbed(typed):
    done = typed("dlgd-train", "-sc", "query=bash", COMP_LINE="dlgd-train --config-dir=nowhere mod")
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.slow
def test_trainings_a_search_and_a_table(typed, tmp_path):
    answer(typed, "dlgd-train", "model=cnn", *TINY, "tracking.tags={of: both}")
    answer(typed, "python", "-m", "dlgd.train", "-m", "model=cnn", *TINY, "tracking.tags={of: both}", "seed=1,2")
    made = {path.name for path in tmp_path.iterdir()}
    assert {"mlartifacts", "mlflow.db", "multirun", "outputs"} <= made
    assert "cache" not in made
    table = answer(typed, "dlgd-compare", "runs.tag=of:both")
    assert "cnn" in table
    answer(typed, "dlgd-sweep", "sweep=mnist_5k", *TINY, "model=cnn", "training.epochs=null", "trials=2")
    assert (tmp_path / "outputs" / "sweeps" / "mnist_5k" / "best.yaml").is_file()
