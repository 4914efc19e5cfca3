"""Every score that is given has a description, found by listing: evaluations, networks and classical methods."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import pytest
import torch
from omegaconf import OmegaConf

from dlgd import build
from dlgd.core.contract import Evaluation, Method
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.core.score import Score
from dlgd.models.kinds import kind_of
from dlgd.scoring.descriptions import find, of_class, of_report, of_validation
from dlgd.scoring.trained import validation
from tests.configs.config_files import SETUPS, at_home, choices_of, network, setup, tiny, with_choice

NAMES = ["-".join(filter(None, one)) for one in SETUPS]
# the first data set of each task, and those without tasks
ONE_OF_EACH = list({task or data: (data, task) for data, task in reversed(SETUPS)}.values())
DIRECTIONS = (True, False, None)


def evaluations() -> dict[type[Evaluation], Evaluation]:
    """Of all choices, and of all data and tasks."""
    configs = [with_choice("evaluation", choice) for choice in choices_of("evaluation")]
    configs += [setup(*one) for one in SETUPS]
    return {type(one): one for one in map(build.evaluation, configs)}


def test_every_evaluation_is_asked_for_scores():
    """By the data and tasks of the tests below."""
    asked = {type(build.evaluation(setup(*one))) for one in SETUPS}
    assert asked == set(evaluations())


@pytest.mark.parametrize("evaluation", [pytest.param(one, id=one.__name__) for one in evaluations()])
def test_every_score_has_a_title_and_a_direction(evaluation):
    described = evaluations()[evaluation].all_scores
    assert len({one.name for one in described}) == len(described) > 0
    for one in described:
        assert one.title
        assert one.higher_is_better in DIRECTIONS
        assert isinstance(one.written(0.5), str)
    assert any(one.in_table for one in described)


def test_a_name_has_one_direction_throughout():
    """A comparison looks at names alone."""
    networks = [OmegaConf.load(CONF / "model" / f"{choice}.yaml")._target_ for choice in choices_of("model")]
    described = [one for evaluation in evaluations().values() for one in evaluation.all_scores]
    described += [one for target in networks for one in of_class(target)]
    for one in described:
        same = {other.higher_is_better for other in described if one.describes(other.name)}
        assert same == {one.higher_is_better}, one.name


def unknown(given: Iterable[str], described: Iterable[Score]) -> list[str]:
    """The names of scores that nobody describes."""
    described = list(described)
    return [name for name in given if find(described, name) is None]


@pytest.mark.parametrize("setting", SETUPS, ids=NAMES)
def test_a_validation_gives_only_what_is_described(setting):
    source = tiny(setup(*setting))
    model = {"label": "cnn", "generated": "gan", "forecast": "gru"}.get(kind_of(source.spec), "resnet")
    config = setup(*setting, model=model)
    evaluation, net = build.evaluation(config), network(config)
    validate = validation(
        data=source, evaluation=evaluation, loss=build.loss(config, source.spec), halo=net.halo,
        device=torch.device("cpu"), split="test",
    )  # fmt: skip
    with torch.no_grad():
        assert unknown(validate(net.eval()), of_validation(evaluation, net)) == []


@pytest.mark.parametrize("model", choices_of("model"))
def test_a_network_gives_what_it_says(model):
    for config in (at_home("model", model), setup("ssh", None, model=model)):
        if "predict_std" in config.model and config.data.name == "ssh":
            config.model.predict_std = True
        source = tiny(config)
        with contextlib.suppress(Refusal):  # where the network does not fit
            net = network(config)
            loss = build.loss(OmegaConf.merge(config, {"loss": with_choice("loss", "bernoulli").loss}), source.spec)
            batch = source.stream(halo=net.halo, batch_size=2, seed=0, device="cpu").batch(0)
            with torch.no_grad():
                given = net.eval().scores(batch, loss)
            assert list(given) == [one.name for one in net.scores_given]
            assert not unknown(given, of_class(config.model._target_))


@pytest.mark.parametrize("setting", ONE_OF_EACH, ids=["-".join(filter(None, one)) for one in ONE_OF_EACH])
def test_classical_methods_give_only_what_is_described(setting):
    config = setup(*setting)
    source, evaluation = tiny(config), build.evaluation(config)
    methods = [one for one in build.comparison(config) if type(one.inner).scores is not Method.scores]
    assert methods or setting[1] not in ("assimilate", "identify")
    samples = source.samples("test")
    for method in build.fitted(methods, source):
        method.inner.predict(samples)
        assert unknown(method.scores(samples), of_report(evaluation, [method])) == []
