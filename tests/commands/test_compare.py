"""Runs of a table, made and compared as a person does it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dlgd.core.paths import ROOT
from dlgd.results.command_line import folder_name
from dlgd.tracking.parents import PARENT_TAG
from tests.commands.tiny_run import TINY
from tests.recorded_runs import Recorder

TABLE = "experiment=normalization/skip_connections"
SMALL = [*TINY, "model.width=8", "model.layers=4", "training.batch_size=2", "evaluation.methods=null"]
BUDGET = "training.steps=2"
FILES = {"comparison.md", "comparison.csv", "comparison.tex", "runs.csv"}


@pytest.mark.slow
def test_a_table_from_training_to_paper(dlgd, tmp_path):
    done = dlgd("train", "-m", TABLE, *SMALL, BUDGET, "model.skip=addition,none")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "multirun").glob("*/*/*/scores.json"))) == 4, "two rows of two seeds"

    done = dlgd("compare", TABLE, *SMALL, BUDGET)
    assert done.returncode == 0, done.stderr
    assert "Which skip connections?" in done.stdout
    folder = tmp_path / "outputs" / "comparison" / "normalization" / "skip_connections"
    text = (folder / "comparison.md").read_text()
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert lines["concatenation"].count("not run") == 3
    assert lines["addition"].count("±") == lines["none"].count("±") == 3
    assert lines["addition"].split("|")[2].strip() == "2"
    assert "1.87e-2" in lines["addition"]
    assert any(word in lines["printed order"] for word in ("confirmed", "within spread"))
    assert BUDGET in text
    assert "Beware" not in text
    assert "No significance is marked" in text, "two seeds are not enough"
    assert f"python -m dlgd.train -m {TABLE} {' '.join(SMALL)} {BUDGET} model.skip=concatenation\n" in text
    assert {path.name for path in folder.iterdir()} == FILES | {"comparison.png", "convergence.png"}

    fields = ["data.features=standardized", "data.standardize_over=image", "data.distance=manhattan"]
    done = dlgd("baseline", "baseline=homogeneous", *TINY, *fields)
    assert done.returncode == 0, done.stderr
    done = dlgd("compare", "runs.experiment=nemovar")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "outputs" / "comparison" / "runs" / "comparison.md").read_text()
    found = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert set(found) - {"row", "printed order"} - {key for key in found if set(key) <= set("-:")} == {
        "model=resnet model.skip=addition",
        "model=resnet model.skip=none",
        "baseline=homogeneous",
    }
    assert found["model=resnet model.skip=addition"].count("±") == 3
    assert "1.87e-2" in found["model=resnet model.skip=addition"], "printed in the header of the runs' experiment"
    assert "Printed: Coulaud 2022, tables 5 and 6, with other data" in text

    done = dlgd("compare", TABLE, *SMALL, "training.steps=3")
    assert done.returncode == 2, "runs of another budget make no table"
    assert "training.steps=2 instead of 3" in done.stderr

    done = dlgd("compare", TABLE, *SMALL, BUDGET, "model.skip=none", "seed=1")
    assert done.returncode == 0, done.stderr
    assert "addition" not in done.stdout


def test_refusals(dlgd):
    for arguments, words in (
        ([], "no experiment was typed"),
        (["experiment=normalization/cost"], "experiment=normalization/cost has no `table`"),
        (["experiment=normalization/nowhere"], "nowhere"),
        ([TABLE, "tracking=off"], "tracking=off"),
        ([TABLE], "no MLflow database"),
        ([TABLE, "split=tests"], "split=tests is unknown: choose one of train, valid, test"),
        (["runs.experiment=nemovar"], "no MLflow database"),
        (["runs.experiment=nemovar", "model=cnn"], "model=cnn is an option of a training and selects no runs"),
        (["runs.tag=winter"], "such as runs.tag=campaign:winter"),
    ):
        done = dlgd("compare", *arguments)
        assert done.returncode == 2, done.stdout
        assert words in done.stderr
        assert "Traceback" not in done.stderr


# --- any runs --------------------------------------------------------------------------------------------------

HEADER = {
    "experiment": "normalization/skip_connections",
    "table.scores": "['eps', 'eps_max']",
    "table.source": "Somebody 2022",
    "table.published": "[{'row': 'model.skip=none', 'eps': 0.125}, {'row': 'model.skip=addition', 'eps': 0.25}]",
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A database with three networks of three seeds, a classical method, and a run of other data; ids by name."""
    recorder = Recorder(tmp_path_factory.mktemp("recorded") / "mlflow.db")
    ids = {"parent": recorder.run({}, {})}
    for number, (skip, shift) in enumerate({"none": 0.0, "addition": 0.5, "concatenation": 0.02}.items()):
        for seed in range(3):
            eps = 1.0 + 0.1 * seed + shift + 0.01 * ((seed + number) % 2)
            ids[f"{skip} {seed}"] = recorder.network(
                seed,
                eps,
                params=HEADER | {"model.skip": skip},
                tags={"campaign": "winter"} | ({PARENT_TAG: ids["parent"]} if skip != "concatenation" else {}),
                metrics={"test/accuracy": 100 - 10 * eps, "comparison/separable/accuracy": 60.0},
            )
    ids["baseline"] = recorder.baseline(0.75, tags={"campaign": "winter"})
    recorder.network(0, 9.0, params={"data.rows": 60}, checksum="1-2-3", metrics={"comparison/separable/eps": 3.0})
    return recorder, ids


@pytest.fixture
def compare(dlgd, tmp_path, recorded):
    """Run the command on that database; the finished process and the folder of the table."""
    place = {"MLFLOW_TRACKING_URI": recorded[0].uri}
    return lambda *words: (dlgd("compare", *words, environment=place), tmp_path / "outputs" / "comparison" / "runs")


def cells(text):
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {line[0]: line[1:] for line in lines[2:]}, lines[0]


def test_any_runs_make_a_table_and_the_same_runs_the_same_one(compare, recorded):
    done, folder = compare("runs.tag=campaign:winter")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.iterdir()} == FILES | {"comparison.png"}
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    rows, heading = cells((folder / "comparison.md").read_text())
    assert heading == ["row", "seeds", "eps", "printed", "eps_max"]
    assert list(rows) == [
        "separable",
        "baseline=homogeneous",
        "model=resnet model.skip=none",
        "model=resnet model.skip=concatenation",
        "model=resnet model.skip=addition",
        "printed order",
    ], "the best of the first score first"
    assert rows["separable"] == ["-", "**5.00e-1**", "-", "**5.25**"]
    assert rows["baseline=homogeneous"] == ["-", "7.50e-1", "-", "7.5"]
    assert rows["model=resnet model.skip=none"] == ["3", r"1.1 ± 1e-1 \*", "1.25e-1", r"11 ± 1 \*"]
    assert rows["model=resnet model.skip=addition"][2] == "2.50e-1"
    assert rows["printed order"][1] == "confirmed"
    assert "Printed: Somebody 2022, with other data" in done.stdout
    lines = (folder / "runs.csv").read_text().splitlines()
    assert len(lines) == 11
    assert f"baseline=homogeneous,0,{recorded[1]['baseline']},0.75,7.5" in lines

    again, _ = compare("runs.tag=campaign:winter")
    assert again.stdout == done.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_reading_runs_imports_neither_torch_nor_mlflow(recorded, tmp_path):
    """A table does not wait for seconds of imports."""
    code = """
import sys
from dlgd.compare import main
try:
    main()
finally:
    print([name for name in ("torch", "mlflow", "xarray", "pandas") if name in sys.modules], file=sys.stderr)
"""
    place = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": recorded[0].uri}}
    done = subprocess.run(
        [sys.executable, "-c", code, "runs.tag=campaign:winter"], **place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_runs_are_chosen_in_every_way(compare, recorded):
    ids = recorded[1]
    for words, rows in (
        ([f"runs.parent={ids['parent']}"], {"none", "addition", "separable"}),
        ([f"runs.ids=[{ids['none 0']},{ids['baseline']}]"], {"model=resnet", "baseline=homogeneous", "separable"}),
        (["runs.filter='params.`model.skip` = \"none\"'", "methods=[]"], {"resnet"}),
        (["runs.tag=campaign:winter", "runs.filter='params.baseline LIKE \"%\"'"], {"homogeneous"}),
    ):
        done, folder = compare(*words)
        assert done.returncode == 0, done.stderr
        found = {name.removeprefix("model.skip=") for name in cells((folder / "comparison.md").read_text())[0]}
        assert found - {"printed order"} == rows


def test_against_scores_and_part(compare):
    words = "runs.tag=campaign:winter", "methods=[]", "runs.filter='params.model LIKE \"%\"'"
    done, folder = compare(*words, "against=none", "scores=[eps_max]")
    assert done.returncode == 0, done.stderr
    rows, heading = cells((folder / "comparison.md").read_text())
    assert heading == ["model.skip", "seeds", "eps_max"]
    assert rows["addition"][1].endswith(r"\*\*")
    assert "differs from model.skip=none" in done.stdout
    done, folder = compare(*words, "split=valid", "scores=[eps]")
    assert cells((folder / "comparison.md").read_text())[0]["none"][1].startswith("**2.21 ±")


def test_more_is_better_where_the_score_says_so(compare):
    words = "runs.tag=campaign:winter", "runs.filter='params.model LIKE \"%\"'"
    done, folder = compare(*words, "scores=[accuracy]")
    assert done.returncode == 0, done.stderr
    rows, _ = cells((folder / "comparison.md").read_text())
    assert list(rows) == ["model.skip=none", "model.skip=concatenation", "model.skip=addition", "separable"]
    assert rows["model.skip=none"] == ["3", "**89 ± 1**"]
    assert rows["model.skip=addition"][1].endswith(r"\*\*"), "it differs from the best"
    assert "Nothing says whether" not in done.stdout
    done, _ = compare(*words, "scores=[accuracy]", "neither=[accuracy]")
    assert done.returncode == 2
    assert "neither has accuracy, but more of accuracy is better: leave it out" in done.stderr


def test_refusals_of_runs(compare, recorded):
    for words, sentence in (
        (["runs.experiment=nemovar"], "different data and cannot be compared: data.rows=40 (10 runs); data.rows=60 (1"),
        (
            ["runs.tag=campaign:winter", "against=nobody"],
            "against=nobody is not a row of the table: choose among baseline=",
        ),
        ([f"runs.parent={recorded[1]['baseline']}"], "MLflow has no run that meets all conditions of runs"),
    ):
        done, _ = compare(*words)
        assert done.returncode == 2, done.stdout
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_the_folder_of_a_table():
    nothing = {"experiment": None, "tag": None, "ids": None}
    assert folder_name("normalization/loss", nothing) == "normalization/loss"
    assert folder_name("normalization/loss", nothing | {"tag": "a:b"}) == "runs"
    assert folder_name(None, nothing) == "runs"
