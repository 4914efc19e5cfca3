"""Files are whole or not there, and no module writes them in another way."""

from __future__ import annotations

import os
import re
import resource
import stat

import pytest

from dlgd.core.errors import Refusal
from dlgd.core.files import make_writable, write_text, written_whole
from dlgd.core.paths import ROOT

# What grows line by line or is not a file for later: output of a run on the fly, and the probe of a folder.
LINE_BY_LINE = {"dlgd/cli/run_process.py", "dlgd/tracking/journal.py", "dlgd/tuning/worker.py"}
IN_PLACE = re.compile(
    r"""\.(write_text|write_bytes|to_netcdf)\(|\bopen\([^)]*["'][wax]b?["+']|os\.replace|os\.rename"""
)


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "scores.md"
    write_text(path, "first")
    with pytest.raises(TypeError), written_whole(path) as partial:
        partial.write_text("hal") + None
    assert path.read_text() == "first"
    write_text(path, "sécond")
    assert path.read_bytes() == "sécond".encode()
    assert list(tmp_path.iterdir()) == [path], "no partial file is left"


def test_a_full_disk_is_said_of_the_file(tmp_path):
    """The system's own error names none."""
    path = tmp_path / "model.onnx"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # a share of the disk that is full, in effect
        with pytest.raises(OSError, match="too large") as error, written_whole(path) as partial:
            partial.write_bytes(bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.filename == str(path)
    with pytest.raises(OSError, match="is no regular file") as error:
        write_text(tmp_path, "over a folder")
    assert error.value.filename == str(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        write_text(tmp_path / "nowhere" / "file", "")
    assert error.value.filename == str(tmp_path / "nowhere" / "file")


def test_a_folder_that_takes_no_file_is_refused(tmp_path):
    make_writable(tmp_path / "runs" / "first")
    assert list((tmp_path / "runs" / "first").iterdir()) == []
    (tmp_path / ".probe").write_text("of a person")
    make_writable(tmp_path)
    assert (tmp_path / ".probe").read_text() == "of a person"
    (tmp_path / "file").touch()
    with pytest.raises(Refusal, match="choose another folder"):
        make_writable(tmp_path / "file" / "run")


@pytest.mark.parametrize(
    "line", ['path.write_text("a")', 'open(path, "w")', 'path.open("wb")', "path.open('a')", "os.replace(a, b)"]
)
def test_writing_in_place_is_found(line):
    assert IN_PLACE.search(line)


def test_every_file_is_written_whole():
    kept = {"dlgd/core/files.py", *LINE_BY_LINE}
    kept.add("dlgd/tracking/store.py")  # an empty database that SQLite makes, copied to its place
    kept |= {"dlgd/cli/mlflow_model.py", "dlgd/core/netcdf.py"}  # in temporary folders; the latter by a partial file
    found = {
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "dlgd").rglob("*.py")
        if str(path.relative_to(ROOT)) not in kept
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if IN_PLACE.search(line) and "partial" not in line
    }
    assert found == set(), "use dlgd/core/files.py"


def test_what_is_no_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder"):
        with pytest.raises(OSError, match="no regular file"):
            write_text(tmp_path / name, "text")
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)
