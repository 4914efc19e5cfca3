"""A file of choices that is no YAML is named, with the line, and ends no command that does not read it."""

from __future__ import annotations

import pytest

from dlgd.core import config
from dlgd.core.errors import Refusal

BROKEN = {
    "bracket": (b"defaults: [cnn]\nwidth: [4\nlayers: 3\n", "line 3: expected ',' or ']', but got ':'"),
    "tab": (b"defaults: [cnn]\nwidth:\n\tlayers: 3\n", "line 3: found character '\\t' that cannot start any token"),
    "twice": (b"width: 4\nwidth: 8\n", "line 2: found duplicate key width"),
    "bytes": (b'width: "\xff"\n', "'utf-8' codec can't decode byte 0xff"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_file_is_named(dlgd, tmp_path, name):
    content, reason = BROKEN[name]
    for file in ("conf/model/mine.yaml", "conf/main.yaml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    for typed, file in ((["model=mine"], "conf/model/mine.yaml"), (["--config-name=main"], "conf/main.yaml")):
        done = dlgd("train", "--config-dir=conf", "--cfg=job", *typed)
        assert done.returncode == 2
        assert done.stderr.startswith(f"dlgd: {tmp_path}/{file} is no YAML that can be read")
        assert reason in done.stderr
        assert done.stderr.count("\n") == 1
    done = dlgd("train", "--config-dir=conf", "--cfg=job", "model=cnn", "data=mnist_5k")
    assert done.returncode == 0, done.stderr


def test_a_reference_that_is_not_closed(dlgd, tmp_path):
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("defaults: [cnn]\nwidth: ${nope\n")
    done = dlgd("train", "--config-dir=conf", "data=mnist_5k", "model=mine")
    assert done.returncode == 2
    file = tmp_path / "conf" / "model" / "mine.yaml"
    assert done.stderr.startswith(f"dlgd: {file} is no YAML that can be read (no viable alternative at input '${{nope'")
    (tmp_path / "reference.yaml").write_text("width: ${nope\n")
    with pytest.raises(Refusal, match=r"reference\.yaml is no YAML that can be read \(no viable alternative"):
        config.load(tmp_path / "reference.yaml")
