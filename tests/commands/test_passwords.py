"""A password is in no file that a command writes, and in nothing that it prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands.test_remote_server import DIGITS
from tests.mlflow_server import Server

SECRET = "tR0ub4dor"
TYPED = {
    "train": [f"tracking.uri=http://me:{SECRET}@127.0.0.1:9"],
    "baseline": [f"++tracking.uri='http://me:{SECRET}@127.0.0.1:9'"],
    "compare": [f"tracking.uri=postgresql://me:{SECRET}@127.0.0.1:9/base"],
    "sweep": ["sweep=lorenz/lorenz96", f"storage=postgresql+psycopg://me:{SECRET}@127.0.0.1:9/base"],
    "evaluate": ["run=x", f"tracking.uri=postgresql://127.0.0.1:9/base?password={SECRET}"],
}


def files_with(folder: Path, secret: str) -> list[str]:
    """Names of all files under a folder that hold the text."""
    found = [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    return [str(path.relative_to(folder)) for path in found]


@pytest.mark.parametrize("command", TYPED)
@pytest.mark.parametrize("many", [False, True], ids=["one run", "multirun"])
def test_a_typed_password_is_refused_before_anything_is_written(dlgd, tmp_path, command, many):
    done = dlgd(command, *TYPED[command], *(["-m"] if many else []))
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "was typed with a password" in said
    assert ("PGPASSWORD" if "postgresql" in TYPED[command][-1] else "MLFLOW_TRACKING_PASSWORD") in said
    assert SECRET not in said
    assert list(tmp_path.iterdir()) == []


def test_one_in_a_file_or_by_reference_is_refused(dlgd, tmp_path):
    (tmp_path / "mine" / "tracking").mkdir(parents=True)
    (tmp_path / "mine" / "tracking" / "ours.yaml").write_text(
        f"_target_: dlgd.tracking.mlflow.MLflow\nuri: http://me:{SECRET}@127.0.0.1:9\n"
    )
    in_file, reference = ["--config-dir=mine", *DIGITS, "tracking=ours"], [*DIGITS, "tracking.uri=${oc.env:WHERE}"]
    for arguments in (in_file, reference, ["-m", *in_file], ["-m", *reference]):
        done = dlgd("train", *arguments, environment={"WHERE": f"http://me:{SECRET}@127.0.0.1:9"})
        assert done.returncode == 2, done.stderr
        assert re.search("tracking.uri=http://me@127.0.0.1:9 (has|was typed with) a password", done.stderr), done.stderr
        assert SECRET not in done.stdout + done.stderr
        assert files_with(tmp_path, SECRET) == ["mine/tracking/ours.yaml"]


@pytest.mark.slow
def test_that_of_the_environment_is_nowhere(dlgd, tmp_path):
    """A server whose address has a password: trained, resumed, swept, searched, scored, compared."""
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server")
    place = {"MLFLOW_TRACKING_URI": server.uri.replace("//", f"//me:{SECRET}@")}
    said = ""

    def run(command: str, *arguments: str) -> None:
        nonlocal said
        done = dlgd(command, *arguments, environment=place)
        said += done.stdout + done.stderr
        assert done.returncode == 0, done.stderr

    try:
        server.start()
        run("train", *DIGITS, "hydra.run.dir=run")
        run("train", "resume=run", f"tracking.uri={server.uri}", "training.steps=30")
        run("train", "-m", *DIGITS, "seed=0,1", "hydra.sweep.dir=many")
        run_id = (tmp_path / "run" / "mlflow_run_id").read_text().strip()
        run("evaluate", f"run={run_id}")
        run("compare", f"runs.ids=[{run_id}]")
        server.kill()
        run("train", *DIGITS, "hydra.run.dir=away")  # the server is away, and the log says so
    finally:
        server.kill()
    assert "127.0.0.1" in said
    assert SECRET not in said
    assert (tmp_path / "run" / "config.yaml").exists()
    assert files_with(tmp_path, SECRET) == []


@pytest.mark.slow
def test_that_of_an_old_run_is_not_written_again(dlgd, tmp_path):
    done = dlgd("train", *DIGITS, "hydra.run.dir=old")
    assert done.returncode == 0, done.stderr
    config = tmp_path / "old" / "config.yaml"
    config.write_text(config.read_text().replace("uri: null", f"uri: http://me:{SECRET}@127.0.0.1:9"))
    assert files_with(tmp_path, SECRET) == ["old/config.yaml"]
    done = dlgd("train", "resume=old", "tracking.uri=null", "training.steps=30")
    assert done.returncode == 0, done.stderr
    assert files_with(tmp_path, SECRET) == []
