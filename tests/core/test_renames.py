"""Old names of modules, options and values are read as those of now."""

from __future__ import annotations

import hydra
import pytest

from dlgd.core import renames


@pytest.mark.parametrize("old", renames.MODULES)
def test_modules_moved_to_where_there_are_such(old):
    new = renames.MODULES[old]
    assert new not in renames.MODULES, "two steps: name the last place"
    hydra.utils.get_object(new)
    with pytest.raises(ImportError):
        __import__(old)


@pytest.mark.parametrize("new", renames.NAMES.values())
def test_names_changed_to_what_there_is(new):
    assert callable(hydra.utils.get_object(new))


def test_a_nested_configuration():
    old = {
        "data": {
            "_target_": "dlgd.data.ssh.SSH",
            "parts": {"train": 9, "gap": 1},
            "first_guess": {"observings": 2, "method": {"_target_": "dlgd.baselines.given.Given"}},
            "observe_again": False,
        },
        "choices": {"model": "segments", "data": "ssh"},
        "init_rate": 1.0,
        "model": {"_target_": "mine.Net", "parts": 3, "a.b": {0: "c.d"}},
        "optimizer": {"_target_": "torch.optim.Adam"},
    }
    assert renames.updated(old) == {
        "data": {
            "_target_": "dlgd.problems.ssh.data.simulated.SSH",
            "splits": {"train": 9, "gap": 1},
            "first_guess": {
                "observation_draws": 2,
                "method": {"_target_": "dlgd.problems.images.methods.identity.Identity"},
            },
            "resample_observations": False,
        },
        "choices": {"model": "overlapping_segments", "data": "ssh"},
        "init_lr_scale": 1.0,
        "model": {"_target_": "mine.Net", "parts": 3, "a.b": {0: "c.d"}},
        "optimizer": {"_target_": "torch.optim.Adam"},
    }


def test_what_is_new_stays_as_it_is():
    old = {"data": {"parts": {"train": 9}}, "part": "test"}
    assert renames.updated(renames.updated(old)) == renames.updated(old)


def test_flat_parameters():
    old = {"data.parts.train": "730", "model": "segments", "part": "test"}
    old["baseline._target_"] = "dlgd.baselines.pca.PCA"
    assert renames.updated_params(old) == {
        "data.splits.train": "730",
        "model": "overlapping_segments",
        "baseline._target_": "dlgd.problems.images.methods.pca.PCA",
        "split": "test",
    }
