"""Runs of a table, made and compared as a person does it."""

from __future__ import annotations

from tiny_run import TINY

TABLE = "experiment=normalization/skip_connections"
SMALL = [*TINY, "model.width=8", "model.layers=4", "training.batch_size=2", "evaluation.methods=null"]
BUDGET = "training.steps=2"


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
    assert f"python -m dlgd.train -m {TABLE} {' '.join(SMALL)} {BUDGET} model.skip=concatenation\n" in text
    assert {path.name for path in folder.glob("*.png")} == {"comparison.png", "convergence.png"}

    done = dlgd("compare", TABLE, *SMALL, "training.steps=3")
    assert done.returncode == 2, "runs of another budget make no table"
    assert "training.steps=2 instead of 3" in done.stderr

    done = dlgd("compare", TABLE, *SMALL, BUDGET, "model.skip=none", "seed=1")
    assert done.returncode == 0, done.stderr
    assert "addition" not in done.stdout


def test_refusals(dlgd):
    for arguments, words in (
        ([], "no `table`"),
        (["experiment=normalization/cost"], "no `table`"),
        (["experiment=normalization/nowhere"], "nowhere"),
        ([TABLE, "tracking=off"], "tracking=off"),
        ([TABLE], "no MLflow database"),
    ):
        done = dlgd("compare", *arguments)
        assert done.returncode == 2, done.stdout
        assert words in done.stderr
        assert "Traceback" not in done.stderr
