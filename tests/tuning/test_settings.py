"""A search goes on with the settings with which it was begun; those that change no score may be others."""

import optuna
import pytest

from dlgd.core.errors import Refusal
from dlgd.tuning.search import compare_settings

BEGUN = {"data.rows": "40", "evaluation.scores.box": "None", "model": "resnet"}


def study_begun_with(settings):
    study = optuna.create_study(study_name="mine")
    study.set_user_attr("settings", settings)
    return study


@pytest.mark.parametrize("before", [{"tracking": "mlflow", "evaluation": "ssh"}, {"training.log_every": "10"}, {}])
def test_a_study_goes_on(before, tmp_path):
    compare_settings(study_begun_with(BEGUN | before), BEGUN, tmp_path)


def test_a_study_that_did_not_keep_how_scores_are_made_goes_on(tmp_path):
    compare_settings(study_begun_with({"data.rows": "40", "model": "resnet"}), BEGUN, tmp_path)


@pytest.mark.parametrize(("key", "value"), [("data.rows", "50"), ("evaluation.scores.box", "[33, 43, -65, -55]")])
def test_a_study_does_not_go_on_with_other_scores(key, value, tmp_path):
    with pytest.raises(Refusal, match=f"study=mine was begun with {key}="):
        compare_settings(study_begun_with(BEGUN), BEGUN | {key: value}, tmp_path)


def test_settings_are_kept_with_a_new_study(tmp_path):
    study = optuna.create_study()
    compare_settings(study, BEGUN, tmp_path)
    assert study.user_attrs["settings"] == BEGUN
