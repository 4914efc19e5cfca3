"""One sentence says what was mistyped and what could have been typed."""

from __future__ import annotations

import hydra
import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError

from dlgd.cli.config_errors import in_a_sentence
from dlgd.cli.error_origin import raised_in
from dlgd.core.paths import CONF


def sentence_of(config_name: str, *overrides: str) -> str:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(HydraException) as error:
        hydra.compose(config_name, overrides=list(overrides))
    return in_a_sentence(error.value, config_name)


@pytest.mark.parametrize(
    ("config_name", "typed", "beginning", "meant"),
    [
        ("config", "model=resnt", "model=resnt is unknown: choose one of ae, bilinear_ode,", "resnet"),
        ("config", "experiment=ssh/corection", "experiment=ssh/corection is unknown: choose one of", "ssh/correction"),
        ("config", "hydra/launcher=jobli", "hydra/launcher=jobli is unknown: choose one of basic, joblib", "joblib"),
        ("config", "model.layrs=3", "model.layrs is no option: choose one of model.activation,", "model.layers"),
        ("config", "experimnt=x", "experimnt is no option: choose one of augmentation, data,", "experiment"),
        ("baseline", "baselin=oi", "baselin is no option: choose one of baseline, data,", "baseline"),
        ("compare", "runs.experimnt=x", "runs.experimnt is no option: choose one of", "runs.experiment"),
    ],
)
def test_what_was_probably_meant(config_name, typed, beginning, meant):
    sentence = sentence_of(config_name, typed)
    assert sentence.startswith(beginning)
    assert sentence.endswith(f" (did you mean {meant}?)")
    assert meant in sentence.removesuffix(f" (did you mean {meant}?)").replace(",", "").split()


@pytest.mark.parametrize(
    ("typed", "now"),
    [
        (["data=ssh", "data.parts=3"], "data.parts is called data.splits now"),
        (["data=ssh", "data.observe_again=false"], "data.observe_again is called data.resample_observations now"),
        (["init_rate=0.1"], "init_rate is called init_lr_scale now"),
        (["model=segments"], "model=segments is called model=overlapping_segments now"),
    ],
)
def test_names_of_before(typed, now):
    assert sentence_of("config", *typed) == f"{now}: type that"


def test_all_that_there_are():
    sentence = sentence_of("config", "data=unheard_of")
    assert sorted(path.stem for path in (CONF / "data").iterdir()) == sentence.partition("one of ")[2].split(", ")


def test_options_of_one_task_of_several():
    words = ("data=lorenz63", "evaluation.scores.free_time=5")
    assert sentence_of("config", *words) == (
        "evaluation.scores.free_time differs from task to task: type evaluation.of.forecast.scores.free_time or "
        "evaluation.of.identify.scores.free_time"
    )
    both = sentence_of("config", "data=lorenz63", "evaluation.scores.animation=true")
    assert both.endswith("type evaluation.of.assimilate.scores.animation or evaluation.of.forecast.scores.animation")
    assert "is no option" in sentence_of("config", "data=lorenz63", "evaluation.scores.free_tim=5")


def test_values_of_another_kind():
    sentence = sentence_of("config", "data=lorenz63", "data.more_observings=[noisy]")
    assert sentence.startswith("data.more_observings=[noisy] is not of the kind of this option: ")
    assert "\n" not in sentence


def test_where_nothing_could_be_typed():
    assert sentence_of("config", "model.layers.deep=3") == (
        "model.layers.deep is no option: model.layers has none; if names of your own belong there, type + before it: "
        "+model.layers.deep=..."
    )


@pytest.mark.parametrize("typed", ["model=resnet,cnn", "seed", "training.steps=[1", "~data.nothing"])
def test_other_errors_are_on_one_line(typed):
    sentence = sentence_of("config", typed)
    assert "\n" not in sentence
    assert typed.lstrip("~").partition("=")[2 if "[" in typed else 0] in sentence


def test_options_of_a_group_without_a_choice():
    sentence = sentence_of("evaluate", "run=x", "data.tile=64")
    assert sentence.startswith("options of data need a choice of it: type data=<one of deep_currents, fashion_mnist, ")


def test_what_hydra_itself_cannot_do():
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(ValueError, match="int") as error:
        hydra.compose("compare", overrides=["methods=[]", "methods.methods=[]"])
    assert raised_in(error.value) == "omegaconf"


def test_what_was_removed():
    config = OmegaConf.create({"data": 1})
    OmegaConf.set_struct(config, True)
    with pytest.raises(ConfigAttributeError) as error:
        _ = config.model
    assert in_a_sentence(error.value, "config").startswith("model is missing from the configuration")
