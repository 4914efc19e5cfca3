"""The tables of experiments/: every row composes, all rows have one budget, and printed figures name rows."""

from __future__ import annotations

import itertools

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf

from dlgd.cli import runs
from dlgd.cli.typed_choices import before_experiment
from dlgd.core.paths import CONF
from dlgd.results.command_line import question
from dlgd.results.experiment_table import swept

FILES = CONF / "experiment"
EXPERIMENTS = sorted(str(path.relative_to(FILES).with_suffix("")) for path in FILES.glob("**/*.yaml"))
FIGURES = {"eps_mean", "eps_q", "eps_max"}  # of the report's tables


def compose(*overrides: str) -> DictConfig:
    OmegaConf.register_new_resolver("run_folder", runs.run_folder, replace=True)
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("config", overrides=list(overrides), return_hydra_config=True)


TABLES = [name for name in EXPERIMENTS if "table" in compose(f"experiment={name}")]


def test_the_tables_of_the_report_are_there():
    names = {"architecture", "distance_map", "activation", "skip_connections_partial", "loss", "depth_nemovar"}
    names |= {"skip_connections", "augmentation", "randomization", "layers", "learning_curve", "recipe"}
    assert {f"normalization/{name}" for name in names} <= set(TABLES)


@pytest.mark.parametrize("experiment", TABLES)
def test_a_table(experiment):
    config = compose(f"experiment={experiment}")
    values = swept(config.hydra.sweeper.params, [])
    seeds = values.pop("seed")
    assert len(seeds) > 1, "there is no spread without seeds"
    combinations = list(itertools.product(*values.values()))
    rows = [compose(f"experiment={experiment}", *overrides, "seed=1") for overrides in combinations]
    assert all(row.training == rows[0].training for row in rows), "one budget"
    names = {" ".join(overrides) or "model=resnet" for overrides in combinations}
    names |= set(config.table.get("methods", ()))
    published = config.table.get("published", [])
    assert {one.row for one in published} <= names
    scores = set(config.table.scores)
    if experiment.startswith("normalization/"):
        assert scores == FIGURES
        assert all(set(one) == {"row", *FIGURES} for one in published)
    assert all({"row"} < set(one) <= {"row", *scores} for one in published)
    assert bool(published) == ("source" in config.table)
    assert question(experiment).endswith("?")


@pytest.mark.parametrize("experiment", TABLES)
def test_what_is_typed_wins(experiment):
    words = [f"experiment={experiment}", "training=standard", "data.seed=7", "loss=huber", "model=unet"]
    typed = compose(*before_experiment(words))
    assert (typed.training.steps, typed.data.seed) == (200000, 7)
    assert typed.loss._target_.endswith("huber")
    assert typed.model._target_.endswith("UNet")


def test_swept_values_are_those_that_hydra_would_take():
    params = {"seed": "0,1", "model": "cnn,unet", "data.distance": "none"}
    assert swept(params, ["data=mercator"]) == {
        "seed": ["seed=0", "seed=1"],
        "model": ["model=cnn", "model=unet"],
        "data.distance": ["data.distance=none"],
    }
    assert swept(params, ["seed=3", "model=resnet"])["seed"] == ["seed=3"]
    assert swept({"x": "range(1,4)"}, [])["x"] == ["x=1", "x=2", "x=3"]
