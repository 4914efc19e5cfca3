"""How MLflow has what a run records: nothing twice, curves first, and read as it was logged, from new and old runs."""

from __future__ import annotations

import itertools
import math

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from dlgd.cli import entry
from dlgd.core.config import plain
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.core.settings_without_effect import changes_no_score
from dlgd.tracking import naming
from dlgd.tracking.mlflow import MLflow
from dlgd.tracking.provenance import flatten

GROUPS = ("model", "data", "loss", "optimizer", "scheduler", "training", "augmentation", "evaluation", "experiment")


@pytest.fixture(params=[["data=nemovar", "model=cnn"], ["data=lorenz63", "model=fourdvarnet"], ["data=mnist_5k"]])
def params(request):
    """The flat configuration of a run and its choices, as `build.params_and_tags` makes them."""
    OmegaConf.register_new_resolver("run_folder", lambda *_: "outputs", replace=True)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [*request.param, "device=cpu"], return_hydra_config=True)
    choices = {k: str(v) for k, v in config.hydra.runtime.choices.items() if k in GROUPS or k == "tracking"}
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    config.choices = choices
    return flatten(plain(entry.with_evaluation(config))) | choices


def as_stored(params):
    return {key: str(value) for key, value in params.items()}


def test_a_choice_is_one_param(params):
    sent, _ = naming.sent_params(params)
    assert len(sent) < 0.65 * len(params)
    assert not [
        key for key in sent if key.startswith(("choices", "tracking", "evaluation.methods")) or "_target_" in key
    ]
    for group in GROUPS:
        assert [key for key, value in sent.items() if str(value) == str(params[group]) and group in key] == [group]


def test_what_is_left_out_comes_back(params):
    sent, tags = naming.sent_params(params)
    found, wanted = naming.read_params(as_stored(sent), tags), as_stored(params)
    assert found.items() <= wanted.items()
    missing = wanted.keys() - found.keys()
    assert all(changes_no_score(key) for key in missing), missing


def test_params_of_before_are_read_as_they_are(params):
    old = as_stored(params)
    assert naming.read_params(old, {}) == old
    assert naming.read_params({"model": "cnn"}, {naming.TARGETS_TAG: "not ours"}) == {"model": "cnn"}


def test_targets_too_many_for_a_tag_stay_params():
    many = {f"data.part{number}._target_": "a" * 100 for number in range(100)}
    sent, tags = naming.sent_params(many)
    assert (sent, tags) == (many, {})


def test_sections_of_charts_begin_with_the_training():
    names = ["train/loss", "valid/loss", "train/generator/lr", "test/rmse", "best/loss"]
    sections = sorted({naming.sent_metric(name).rpartition("/")[0] for name in names})
    assert sections == ["best", "curves/train", "curves/train/generator", "curves/valid", "test"]
    sent = {naming.sent_metric(name): float(number) for number, name in enumerate(names)}
    assert naming.read_metrics(sent, {}) == {name: float(number) for number, name in enumerate(names)}


def test_a_run_that_began_with_the_former_names_and_went_on_with_these():
    both = {"curves/train/loss": 1.0, "train/loss": 2.0}
    for order in itertools.permutations(both.items()):
        assert naming.read_metrics(dict(order), {}) == {"train/loss": 1.0}


def test_scores_of_classical_methods():
    rows = [
        {"method": "randomization (100)", "eps": 0.1 + 0.2, "eps_max": math.inf},
        {"method": "separable", "eps": 1.0},
    ]
    tags, metrics = naming.comparison(rows)
    assert metrics == {}
    assert naming.read_metrics({"test/eps": 3.0}, tags) == {
        "test/eps": 3.0,
        "comparison/randomization _100_/eps": 0.1 + 0.2,
        "comparison/randomization _100_/eps_max": math.inf,
        "comparison/separable/eps": 1.0,
    }
    many = {"method": "long"} | {f"a_score_with_a_long_name_{number}": number / 7 for number in range(400)}
    tags, metrics = naming.comparison([many])
    assert tags == {}
    assert len(naming.read_metrics(metrics, tags)) == 400


@pytest.mark.parametrize(
    ("typed", "now"),
    [
        (
            "metrics.`valid/rmse` < 1 and params.model = 'cnn'",
            "metrics.`curves/valid/rmse` < 1 and params.model = 'cnn'",
        ),
        ('metric."train/loss" < 1', 'metric."curves/train/loss" < 1'),
        ("metrics.`test/rmse` < 1", None),
        ("params.note = 'valid/x'", None),
    ],
)
def test_a_filter_finds_runs_of_before_and_of_now(typed, now):
    assert naming.read_and_sent(typed) == ([typed] if now is None else [typed, now])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tags": ["winter"]}, "must be names with texts"),
        ({"tags": {"campaign": {"of": "winter"}}}, "must be names with texts"),
        ({"tags": {"mlflow.parentRunId": "x"}}, "begins with none of"),
        ({"tags": {"a(b)": "x"}}, "choose a name"),
        ({"note": 3}, "tracking.note=3 must be a name"),
    ],
)
def test_wrong_tags_and_notes_are_refused(options, words, tmp_path):
    with pytest.raises(Refusal, match=words):
        MLflow(experiment="tests", folder=tmp_path, **options)
