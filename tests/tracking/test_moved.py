"""A project folder that is moved, copied or taken apart: what MLflow records leads to the files that lie there now."""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import unquote

import pytest
from mlflow import MlflowClient

from dlgd.core.errors import Refusal
from dlgd.core.paths import ROOT
from dlgd.tracking import moved, store
from tests.mlflow_server import Server

START = {"name": "a run", "params": {}, "tags": {}}


def uri_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


@pytest.fixture
def project(tmp_path, template):
    """A folder `before` with a database."""
    folder = tmp_path / "before"
    folder.mkdir()
    shutil.copy(template, folder / "mlflow.db")
    return folder


@pytest.fixture
def record(project, tracker):
    """Records a run with an artifact; its id."""

    def made(folder: Path = project, name: str = "outputs/day/time") -> str:
        one = tracker(folder=folder / name, uri=uri_of(folder))
        one.start(**START)
        (folder / name / "scores.json").write_text(f"{name}\n")
        one.artifact(folder / name / "scores.json")
        one.finish("FINISHED")
        return one.run_id

    return made


def artifact_of(folder: Path, run_id: str) -> Path:
    """The artifact that MLflow finds after a command of dlgd has opened the database of that folder."""
    store.connect(uri_of(folder))
    client = MlflowClient(uri_of(folder))
    assert [one.path for one in client.list_artifacts(run_id)] == ["scores.json"]
    return Path(unquote(client.get_run(run_id).info.artifact_uri).removeprefix("file://")) / "scores.json"


def test_a_moved_project_has_its_runs_and_artifacts_and_new_ones_lie_in_it(project, record, tmp_path):
    run_id, after = record(), tmp_path / "after this"
    project.rename(after)
    assert store.find_run_folder(run_id, uri=uri_of(after)) == after / "outputs/day/time"
    assert artifact_of(after, run_id).is_relative_to(after / "mlartifacts")
    new = record(after, "outputs/new")
    assert artifact_of(after, new).is_relative_to(after / "mlartifacts")
    assert not project.exists()


def test_folders_are_recorded_relative_to_the_database_or_whole_outside_of_it(project, record, tracker, tmp_path):
    client = MlflowClient(uri_of(project))
    assert client.get_run(record()).data.tags[store.FOLDER_TAG] == "outputs/day/time"
    elsewhere = tracker(folder=tmp_path / "scratch", uri=uri_of(project))
    elsewhere.start(**START)
    assert client.get_run(elsewhere.run_id).data.tags[store.FOLDER_TAG] == str(tmp_path / "scratch")
    assert store.find_run_folder(elsewhere.run_id, uri=uri_of(project)) == tmp_path / "scratch"


def test_whole_paths_of_earlier_versions_are_followed_too(project, record, tmp_path):
    run_id, after = record(), tmp_path / "after"
    MlflowClient(uri_of(project)).set_tag(run_id, store.FOLDER_TAG, str(project / "outputs/day/time"))
    project.rename(after)
    assert store.find_run_folder(run_id, uri=uri_of(after)) == after / "outputs/day/time"
    (after / "outputs/day/time/mlflow_run_id").write_text("another run\n")
    with pytest.raises(Refusal, match=f"kept its folder at {project}.*not on this machine"):
        store.find_run_folder(run_id, uri=uri_of(after))


def test_a_copy_has_its_own_files_and_the_original_keeps_its_own(project, record, tmp_path):
    run_id, copy = record(), tmp_path / "copy"
    shutil.copytree(project, copy)
    assert artifact_of(copy, run_id).is_relative_to(copy)
    assert store.find_run_folder(run_id, uri=uri_of(copy)).is_relative_to(copy)
    record(copy, "outputs/of the copy")
    assert len(list((copy / "mlartifacts").iterdir())) == 2
    assert len(list((project / "mlartifacts").iterdir())) == 1
    assert artifact_of(project, run_id).is_relative_to(project)


def test_a_database_that_was_moved_alone_still_finds_the_files_that_stayed(project, record, tmp_path):
    run_id, after = record(), tmp_path / "after"
    after.mkdir()
    for part in project.glob("mlflow.db*"):  # with SQLite's files beside it
        part.rename(after / part.name)
    assert artifact_of(after, run_id).is_relative_to(project)
    record(after, "outputs/new")
    (after / "mlartifacts").mkdir(exist_ok=True)
    assert artifact_of(after, run_id).is_relative_to(project)


def test_a_link_to_the_folder_changes_nothing(project, record, tmp_path):
    run_id, link = record(), tmp_path / "link"
    link.symlink_to(project)
    assert moved.follow(link / "mlflow.db") == 0
    assert artifact_of(project, run_id).is_relative_to(project)


def test_a_database_that_may_only_be_read_is_left_as_it_is(project, record, tmp_path):
    record()
    after = tmp_path / "after"
    project.rename(after)
    database = after / "mlflow.db"
    assert moved.follow(database) > 0
    assert moved.follow(database) == 0, "nothing is left to replace"
    assert moved.follow(tmp_path / "no database") == 0


@pytest.mark.slow
def test_mlflows_pages_show_the_artifacts_of_a_moved_project(project, record, tmp_path):
    run_id, after = record(), tmp_path / "after"
    project.rename(after)
    ui = [sys.executable, "-m", "dlgd.tracking.moved", str(after / "mlflow.db")]  # as `make ui` does before the server
    assert "2 paths" in subprocess.run(ui, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    server = Server(after, served=False)
    server.start()
    try:
        with urllib.request.urlopen(f"{server.uri}/get-artifact?path=scores.json&run_uuid={run_id}") as answer:
            assert answer.read() == b"outputs/day/time\n"
    finally:
        server.kill()
