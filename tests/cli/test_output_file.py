"""A file that a command reads is not replaced by what it writes."""

import pytest
from omegaconf import OmegaConf

from dlgd.cli.output_file import files_named, output_file
from dlgd.core.errors import Refusal


@pytest.fixture
def tracks(tmp_path):
    folder = tmp_path / "tracks"
    folder.mkdir()
    for name in ("one.nc", "two.nc", "a[1].nc"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("named", ["tracks", "tracks/*.nc", "tracks/one.nc"])
@pytest.mark.parametrize(
    "within", [lambda text: text, lambda text: {"step": 0.5, "land": None, "observations": [text]}]
)
def test_no_file_of_a_folder_or_a_pattern_is_replaced(tracks, named, within):
    options = within(str(tracks.parent / named))
    given = OmegaConf.create({"data": options})
    for read in (options, OmegaConf.to_container(given)):
        with pytest.raises(Refusal, match=r"one\.nc is among the input, which would be lost"):
            output_file(str(tracks / "one.nc"), *files_named(read))
        assert output_file(str(tracks / "new.nc"), *files_named(read)) == tracks / "new.nc"


def test_names_that_look_like_patterns_are_files(tracks):
    with pytest.raises(Refusal, match="would be lost"):
        output_file(str(tracks / "a[1].nc"), *files_named(tracks / "a[1].nc"))
    assert list(files_named([None, 3, {"name": "x" * 5000}]))
