"""A call leaves the process as it was: within a program of Hydra's own, with its own configuration and names."""

from __future__ import annotations

import hydra
import pytest
from hydra import version
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

import dlgd
from dlgd.core import trust
from dlgd.interface.composing import composed


@pytest.fixture
def program(tmp_path):
    """Their program, whose configuration is in force."""
    (tmp_path / "theirs.yaml").write_text("mine: ${run_folder:a}\n")
    OmegaConf.register_new_resolver("run_folder", lambda text: f"theirs {text}", replace=True)
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.2"):
        HydraConfig.instance().set_config(hydra.compose("theirs", return_hydra_config=True))
        yield
        HydraConfig.instance().cfg = None
    OmegaConf.clear_resolver("run_folder")


def test_a_program_of_hydra_goes_on(program):
    before = GlobalHydra.instance(), HydraConfig.instance(), HydraConfig.instance().cfg
    with composed("config", ["model=cnn", "data=mnist_5k"]) as config:
        assert config.model._target_ == "dlgd.models.cnn.CNN"
        assert HydraConfig.get().runtime.choices["data"] == "mnist_5k"
        assert HydraConfig.get().runtime.output_dir.rpartition("/outputs/")[1]
    with pytest.raises(dlgd.Refusal, match="did you mean cnn"), composed("config", ["model=cnnn"]):
        pass
    after = GlobalHydra.instance(), HydraConfig.instance(), HydraConfig.instance().cfg
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert version.getbase() == version.Version("1.2")
    assert hydra.compose("theirs").mine == "theirs a"


def test_what_is_allowed_is_forgotten(tmp_path, monkeypatch):
    (tmp_path / "mine_here.py").write_text("class Net: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = trust.now_allowed()
    with composed("config", ["model._target_=mine_here.Net", "trust=[mine_here]"]) as config:
        trust.check("mine_here.Net", "model")
        assert "trust" not in config
        assert "hydra" not in config
    assert trust.now_allowed() == before
    with pytest.raises(dlgd.Refusal, match="is not of dlgd and was not called"):
        trust.check("mine_here.Net", "model")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tracking.uri=http://me:secret@host"], "was typed with a password"),
        (["+modle.x=1"], "adds modle, which nothing reads"),
        (["model=null"], "cannot be typed|is unknown"),
        (["resume=nowhere"], "there is no run folder nowhere"),
        (["model=cnn,unet"], "model"),
    ],
)
def test_refused_as_at_the_command(words, sentence):
    with pytest.raises(dlgd.Refusal, match=sentence), composed("config", words):
        pass
