"""What is said to change no score changes none: shown by training, by scoring and by composing configurations."""

from __future__ import annotations

import json
from pathlib import Path

import hydra
import pytest
import torch
from omegaconf import OmegaConf

from dlgd.cli.entry import with_evaluation
from dlgd.core.paths import CONF, ROOT
from dlgd.core.settings_without_effect import NAMES, SETTINGS, changes_no_score
from dlgd.tracking.provenance import flatten
from tests.commands.tiny_run import TINY
from tests.problems.ssh.scores import samples_made as ssh

pytestmark = pytest.mark.usefixtures("database")

SLOW = ["~evaluation.methods.randomization_100"]
SMALL = [*TINY, *SLOW, "model.width=8", "model.layers=4", "training=debug", "scheduler=none"]

# By training: what is typed for one run, and for another.
TRAINED = {
    "evaluation.methods": ("", "~evaluation.methods.separable"),
    "evaluation.scores.published": ("", "evaluation.scores.published=[]"),
    "tracking": ("tracking=off", "tracking=mlflow"),
    "training.checkpoint_minutes": ("", "training.checkpoint_minutes=0.001"),
    "training.log_every": ("training.log_every=3", "training.log_every=20"),
}
# By composing: what is typed, which changes nothing but other settings that change no score.
COMPOSED = {
    "evaluation": ["evaluation=nemovar_cost"],
    "evaluation.by": ["data=lorenz63", "evaluation=assimilate", "evaluation.by.lorenz63.enks.members=3"],
    "evaluation.published": ["evaluation.published=all"],
}
ELSEWHERE = {
    "choices": "names only",
    "data.check_physics": "tests/problems/normalization: files are refused or read as they are",
    "device": "rounding only, which one machine cannot show",
    "evaluation.scores.animation": "test_an_animation_changes_no_score",
    "evaluation.printed": "of earlier runs, where it held the printed rows",
    "experiment": "a name only",
    "init_loaded": "written by the program, from init_from",
    "resume": "tests/training/test_resume.py",
    "table": "of an experiment's file, for dlgd.compare; no training reads it",
    "trust": "which packages a loaded configuration may call, before anything is trained or scored",
}


def test_every_setting_is_shown_to_change_nothing():
    assert {*TRAINED, *COMPOSED, *ELSEWHERE} == {*SETTINGS, *NAMES}


@pytest.mark.parametrize(
    "key",
    [
        *("seed", "split", "init_from", "model", "model.layers", "loss", "data.name", "training.criteria"),
        *("training.validate_every", "training.minutes", "training.log_every_other_step", "device_of_data"),
        *("evaluation.scores.box", "evaluation.scores._target_", "evaluation.classifier", "evaluation.criteria"),
    ],
)
def test_other_settings_can_change_scores(key):
    assert not changes_no_score(key)


@pytest.mark.parametrize(
    "key", ["tracking.uri", "table.published", "choices.model", "evaluation.methods.oi.Lx", *NAMES]
)
def test_what_lies_below_a_setting_goes_with_it(key):
    assert changes_no_score(key)


@pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated")  # MLflow's use of SQLAlchemy
def test_trainings_that_differ_in_them_have_the_same_weights_and_scores(dlgd, tmp_path):
    for number in (0, 1):
        words = [pair[number] for pair in TRAINED.values() if pair[number]]
        done = dlgd("train", *SMALL, *words, f"hydra.run.dir={number}")
        assert done.returncode == 0, done.stderr + done.stdout
    configs = [flatten(OmegaConf.to_container(OmegaConf.load(tmp_path / name / "config.yaml"))) for name in "01"]
    differing = {key for key in {*configs[0], *configs[1]} if configs[0].get(key) != configs[1].get(key)}
    assert {next(one for one in SETTINGS if f"{key}.".startswith(f"{one}.")) for key in differing} >= set(TRAINED)
    assert all(map(changes_no_score, differing))
    assert scores(tmp_path / "0") == scores(tmp_path / "1")
    one, other = (torch.load(tmp_path / name / "checkpoints" / "last.pt", weights_only=True) for name in "01")
    for name, weight in one["weights"].items():
        assert torch.equal(weight, other["weights"][name])


def scores(folder: Path) -> dict[str, float]:
    ours = json.loads((folder / "scores.json").read_text())[0]
    return {name: value for name, value in ours.items() if name != "seconds_per_sample"}


@pytest.mark.parametrize(("setting", "words"), COMPOSED.items(), ids=COMPOSED)
def test_nothing_else_follows_from_them(setting, words):
    choices = [word for word in words if word.partition("=")[0] in ("data", "evaluation") and setting != "evaluation"]
    plain, changed = (composed(typed) for typed in (choices, words))
    differing = {key for key in {*plain, *changed} if plain.get(key) != changed.get(key)}
    assert differing
    assert all(map(changes_no_score, differing)), differing


def composed(words: list[str]) -> dict[str, object]:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return flatten(OmegaConf.to_container(with_evaluation(hydra.compose("config", words)), resolve=True))


def test_an_animation_changes_no_score():
    samples = ssh.made()
    guess = ssh.guess(samples)
    plain, moving = (ssh.evaluation(animation=each).scores(samples, guess) for each in (False, True))
    assert plain == moving


def test_no_module_has_a_list_of_its_own():
    owners = {path.name for path in (ROOT / "dlgd").rglob("*.py") if 'checkpoint_minutes"' in path.read_text()}
    assert owners == {"options.py", "settings_without_effect.py"}
