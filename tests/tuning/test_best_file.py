"""Where the best configuration of a search is written, and the command that uses it."""

from __future__ import annotations

import pytest

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.tuning import report
from dlgd.tuning.report import BestTrial
from dlgd.tuning.trial import Composer

BEST = BestTrial(3, {"model.width": 8}, "loss 0.1", ())


@pytest.fixture
def composer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Composer(["data=nemovar"])


def test_the_folder_of_the_study_has_it_and_a_command_adopts_it(composer, tmp_path):
    place = report.place_of_best(tmp_path / "outputs" / "my study", None)
    assert place == tmp_path / "outputs" / "my study" / "best.yaml"
    report.write_best(composer, BEST, "my study", place)
    assert "width: 8" in place.read_text()
    report.refuse_foreign(place)  # the next session of the search writes it again
    assert report.command(place, composer, BEST, "my study") == (
        f"cp -i 'outputs/my study/best.yaml' '{(CONF / 'experiment').resolve()}/my study.yaml' && "
        "python -m dlgd.train 'experiment=my study'"
    )


def test_a_file_that_is_typed_among_the_choices_is_one(composer):
    place = report.place_of_best(CONF, str((CONF / "experiment" / "mine" / "found.yaml").resolve()))
    assert report.command(place, composer, BEST, "study") == "python -m dlgd.train experiment=mine/found"


def test_a_file_of_ones_own_is_not_written_over(tmp_path):
    (tmp_path / "best.yaml").write_text("a: 1\n")
    with pytest.raises(Refusal, match=r"best\.yaml exists and was not written by a search"):
        report.refuse_foreign(report.place_of_best(tmp_path, None))
