import math
from dataclasses import replace

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.training import device as devices
from dlgd.training.options import Options
from dlgd.training.seeding import mixed, seed_everything, seed_step, step_rng
from tests.training.tiny_training import OPTIONS


def composed(group: str, name: str):
    """As a function that still takes what only the program knows."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(f"{group}/{name}", overrides=["+evaluation.criteria=[loss]"])  # the scores choose them
    return instantiate(config[group], _partial_=True)


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "training").glob("*.yaml")))
def test_every_training_choice(name):
    options = composed("training", name)()
    assert isinstance(options, Options)
    assert options.criteria == ("loss",)


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml")))
def test_every_optimizer_choice(name):
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = composed("optimizer", name)([weight])
    weight.square().sum().backward()
    optimizer.step()
    assert torch.all(weight < 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": None}, "has no end"),
        ({"steps": 0}, "training.steps=0 must be a whole number of at least 1, or null"),
        ({"steps": 1.5}, "training.steps=1.5 must be a whole number of at least 1, or null"),
        ({"steps": True}, "training.steps=true must be a whole number of at least 1, or null"),
        ({"minutes": "ten"}, "training.minutes=ten must be a number above 0, or null"),
        ({"minutes": math.inf}, "training.minutes=inf must be a number above 0, or null"),
        ({"epochs": -1}, "training.epochs=-1 must be a number above 0, or null"),
        ({"batch_size": None}, "training.batch_size=null must be a whole number of at least 1"),
        ({"accumulate": 0}, "training.accumulate=0 must be a whole number of at least 1"),
        ({"validate_every": 0}, "training.validate_every=0 must be a whole number of at least 1"),
        ({"log_every": -3}, "training.log_every=-3 must be a whole number of at least 1"),
        ({"clip_norm": 0}, "training.clip_norm=0 must be a number above 0, or null"),
        ({"clip_norm": math.nan}, "training.clip_norm=nan must be a number above 0, or null"),
        ({"l1": -0.1}, "training.l1=-0.1 must be a number of at least 0"),
        ({"adversarial": -0.1}, "training.adversarial=-0.1 must be a number of at least 0"),
        ({"ema_decay": 1}, "training.ema_decay=1 must be a number above 0 and below 1, or null"),
        ({"ema_decay": -0.5}, "training.ema_decay=-0.5 must be a number above 0 and below 1, or null"),
        ({"patience": 0}, "training.patience=0 must be a whole number of at least 1, or null"),
        ({"checkpoint_minutes": None}, "training.checkpoint_minutes=null must be a number above 0"),
        ({"amp": "yes"}, "training.amp=yes must be true, false or auto"),
        ({"amp": 1}, "training.amp=1 must be true, false or auto"),
        ({"compile": 1}, "training.compile=1 must be true or false"),
        ({"criteria": "loss"}, r"training.criteria=loss must be a list of names, such as \[loss\]"),
        ({"criteria": []}, r"training.criteria=\[\] must be a list of names, such as \[loss\]"),
        ({"criteria": ["../loss"]}, "training.criteria has '../loss'"),
        ({"criteria": ["loss", "loss"]}, "training.criteria has loss more than once"),
    ],
)
def test_impossible_options_are_refused(changes, message):
    with pytest.raises(Refusal, match=message):
        replace(OPTIONS, **changes)


@pytest.mark.parametrize("flags", ["avx512_bf16", "amx_bf16", "avx512_f"])
def test_bfloat16_is_chosen_where_the_processor_has_it(flags, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {flags: True})
    cpu = torch.device("cpu")
    assert replace(OPTIONS, amp="auto").in_bfloat16(cpu) == (flags != "avx512_f")
    assert replace(OPTIONS, amp=True).in_bfloat16(cpu)
    assert not replace(OPTIONS, amp=False).in_bfloat16(cpu)


def test_devices():
    assert devices.choose("cpu") == torch.device("cpu")
    assert devices.choose("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert devices.describe(torch.device("cpu")).startswith("cpu: ")
    with pytest.raises(Refusal, match="device=cuda:99 was asked for, but PyTorch sees"):
        devices.choose("cuda:99")
    for unknown in ("gpu", "meta"):
        with pytest.raises(Refusal, match=f"device={unknown} is unknown"):
            devices.choose(unknown)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, None, True])
def test_impossible_seeds_are_refused(seed):
    with pytest.raises(Refusal, match=r"^seed=.* must be a whole number from 0 to 4294967295$"):
        seed_everything(seed)


def test_a_step_draws_the_same_numbers_whatever_was_drawn_before():
    def numbers(seed, step):
        seed_step(seed, step)
        return [*torch.rand(2).tolist(), *step_rng(seed, step).random(2)]

    first = numbers(0, 5)
    torch.rand(7)
    assert numbers(0, 5) == first
    assert len({x for seed in (0, 1) for step in (0, 1, 2) for x in numbers(seed, step)}) == 24


def test_numbers_are_mixed_as_published():
    # The first outputs of SplitMix64 from 1234567, as in its authors' test vectors, without the last bit.
    golden = 0x9E3779B97F4A7C15
    assert [mixed(1234567 + k * golden) for k in range(3)] == [
        6457827717110365317 >> 1,
        3203168211198807973 >> 1,
        9817491932198370423 >> 1,
    ]
