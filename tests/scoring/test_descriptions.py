"""Descriptions of scores: found by name, in a table, and which one is better."""

import pytest

from dlgd.core.score import Score
from dlgd.scoring.descriptions import SECONDS, columns, find, of_class

MSE = Score("mse", "MSE", "m2", higher_is_better=False)
SKILL = Score("skill_1", "skill 1", higher_is_better=True)
SKILLS = Score("skill_*", "skill", higher_is_better=True, in_table=False)
HIDDEN = Score("error", "error", "%", higher_is_better=False, in_table=False)


def test_a_score_is_found_by_its_name_before_a_pattern():
    assert find([SKILLS, MSE, SKILL], "skill_1") is not SKILLS
    assert find([SKILLS, MSE, SKILL], "skill_1") == SKILL
    other = find([SKILLS, MSE, SKILL], "skill_28")
    assert (other.name, other.title, other.higher_is_better) == ("skill_28", "skill", True)
    assert find([SKILLS, MSE], "Skill_1") is None
    assert find([], "mse") is None


def test_a_table_has_each_score_once_and_the_time_last():
    own = Score("mse", "another", higher_is_better=False)
    assert columns([SECONDS, MSE, HIDDEN, SKILL, own, SKILLS]) == [MSE, SKILL, SECONDS]
    assert [one.heading for one in columns([MSE, SKILL])] == ["MSE (m2)", "skill 1", "time (s/sample)"]


def test_a_pattern_has_no_column():
    with pytest.raises(ValueError, match=r"skill_\* is a pattern"):
        Score("skill_*", "skill", higher_is_better=True)


def test_which_value_improves_a_score():
    assert MSE.improves(5.0, None)
    assert SKILL.improves(-5.0, None)
    assert [MSE.improves(value, 1.0) for value in (0.5, 1.0, 2.0)] == [True, False, False]
    assert [SKILL.improves(value, 1.0) for value in (0.5, 1.0, 2.0)] == [False, False, True]


def test_what_networks_of_a_class_may_give():
    assert {one.name for one in of_class("dlgd.models.vae.VAE")} == {"negative_elbo", "negative_iwae"}
    assert "miscalibration" in {one.name for one in of_class("dlgd.models.unet.UNet")}
    assert of_class("dlgd.models.gan.GAN") == []
