"""Every file in sweeps/ composes, and what it searches can be built: all combinations of its choices of groups."""

from __future__ import annotations

import hydra
import pytest
from omegaconf import OmegaConf

from dlgd.core.paths import CONF, ROOT
from dlgd.tuning import search, space, trial
from dlgd.tuning import study as studies

FILES = sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml"))


@pytest.fixture(params=FILES)
def shipped(request, tmp_path, monkeypatch):
    """(configuration, composer, space) of a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "untouched"))
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("sweep", [f"sweep={request.param}"])
        composer = trial.Composer([f"sweep={request.param}"])
        yield config, composer, search.space_of(config, composer, [f"sweep={request.param}"])
    assert not (tmp_path / "untouched").exists(), "no data are made to check a sweep"


def test_it_can_be_searched(shipped, tmp_path):
    config, composer, searched = shipped
    search.check_options(config)
    metrics = studies.parse_metrics(OmegaConf.to_container(config.sweep.metrics))
    studies.check(metrics, config.sweep.sampler, config.sweep.pruner)
    corners = searched.corners(trial.is_group)
    assert 0 < len(corners) <= 20
    assert trial.check(composer, corners, metrics, tmp_path).keys() == metrics.keys()


def test_extremes_are_built_too(shipped, tmp_path):
    """Both ends of every range, and every value of a list, beside the first values of the others."""
    config, composer, searched = shipped

    def ends(parameter: space.Parameter) -> list:
        d = parameter.distribution
        return list(d.choices) if hasattr(d, "choices") else [d.low, d.high]

    corners = searched.corners(trial.is_group)
    for parameter in searched.parameters:
        if not trial.is_group(parameter.name):
            corner = next(one for one in corners if parameter.name in one)
            several = [corner | {parameter.name: value} for value in ends(parameter)]
            metrics = studies.parse_metrics(OmegaConf.to_container(config.sweep.metrics))
            trial.check(composer, several, metrics, tmp_path)


def test_the_files_are_listed():
    table = (ROOT / "sweeps" / "README.md").read_text()
    for name in FILES:
        assert f"`{name}`" in table
        assert (ROOT / "sweeps" / f"{name}.yaml").read_text().startswith("# @package _global_\n# Question:")
