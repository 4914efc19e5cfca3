"""What all data sets of conf/data tell of their channels is true of their batches, whatever they are asked."""

from __future__ import annotations

import pytest
import torch

from dlgd.core.contract import Batch, Spec
from dlgd.core.specs import INVERSE, OBSERVATIONS, OBSERVED, SEA, ImageSpec, MapSpec, SequenceSpec
from tests.configs.config_files import SETUPS, setup, tiny

EACH = pytest.mark.parametrize("setting", SETUPS, ids=lambda setting: "-".join(filter(None, setting)))
SUBCLASS = {"ssh": MapSpec, "lorenz": SequenceSpec, "mnist": ImageSpec, "fashion": ImageSpec}


def described(setting: tuple[str, str | None]) -> tuple[Spec, Batch]:
    """And the first batch of its test split, with a halo where there is an axis for one."""
    source = tiny(setup(*setting))
    halo = 0 if source.spec.kind in ("sequence", "generated") else 2
    return source.spec, next(iter(source.encode(source.samples("test"), halo=halo, device="cpu")))


@EACH
def test_groups_divide_the_input_channels(setting):
    spec, batch = described(setting)
    places = [place for channels in spec.input_groups.values() for place in range(channels.start, channels.stop)]
    assert places == list(range(len(spec.input_channels))) == list(range(batch.input.shape[1]))
    assert len(set(spec.input_channels)) == len(spec.input_channels)


@EACH
def test_groups_hold_what_their_names_say(setting):
    spec, batch = described(setting)
    groups = {name: batch.input[:, channels] for name, channels in spec.input_groups.items()}
    estimated = isinstance(spec, MapSpec) or (isinstance(spec, SequenceSpec) and spec.context_steps == 0)
    assert set(INVERSE) <= set(groups) if estimated else not set(INVERSE) <= set(groups)
    if OBSERVED in groups:
        assert set(groups[OBSERVED].unique().tolist()) == {0.0, 1.0}
        assert torch.equal(groups[OBSERVED].bool(), with_halo(batch.observed, groups[OBSERVED]))
    if estimated:
        assert (groups[OBSERVATIONS][groups[OBSERVED] == 0] == 0).all()
        assert (groups[OBSERVATIONS][groups[OBSERVED] == 1] != 0).any()
    if isinstance(spec, MapSpec):
        assert set(groups[SEA].unique().tolist()) <= {0.0, 1.0}
        assert batch.target.shape[1] == len(range(spec.days)[spec.predicted_days])
    if isinstance(spec, ImageSpec) and spec.shown is not None:
        assert groups[spec.shown].shape[1] == 1


def with_halo(observed: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(B, C, Y, X), of which the cells around are taken from `like` where they are left out."""
    halo = (like.shape[-1] - observed.shape[-1]) // 2
    whole = like.bool().clone()
    if halo > 0:
        whole[..., halo:-halo, halo:-halo] = observed
        return whole
    return observed


@EACH
def test_the_truth_is_a_variable_of_the_samples(setting):
    source = tiny(setup(*setting))
    assert set(source.truth) <= set(source.samples("test").data_vars)
    own = [kind for prefix, kind in SUBCLASS.items() if setting[0].startswith(prefix)]
    assert all(isinstance(source.spec, kind) for kind in own)
