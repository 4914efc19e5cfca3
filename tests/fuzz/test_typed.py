"""Misspelt, odd and senseless options: each is refused in one sentence, or does what it says."""

from __future__ import annotations

import collections
from collections.abc import Iterator

import hydra
import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from dlgd.core.paths import CONF
from tests.fuzz.commands import Commands, Done
from tests.fuzz.conftest import NETWORK, SMALL

TYPED = {  # command: words that it accepts
    "train": [*SMALL, *NETWORK, "freeze=[]", "augmentation=none", "scheduler=none"],
    "evaluate": ["run=run", "split=test", "device=cpu", "criterion=loss"],
    "predict": ["run=run", "input=own.nc", "output=predicted.nc", "device=cpu"],
    "export": ["run=run", "output=exported.pt2", "tolerance=1"],
    "baseline": [*SMALL, "baseline=nearest_centroid", "split=valid"],
    "simulate": ["data=lorenz63", "data.samples.train=3", "data.samples.valid=2", "data.samples.test=2", "seed=1"],
    "compare": ["runs.experiment=mnist_5k", "split=test", "scores=[accuracy]", "methods=[]"],
    "sweep": ["sweep=mnist_5k", "trials=1", "workers=1", "study=nothing", *SMALL[:4], "tracking=off", "minutes=0.01"],
}
WEIGHTS = dict(train=10, evaluate=3, predict=2, export=2, baseline=2, simulate=1, compare=1, sweep=0)
CONFIGS = {"train": "config"}  # where the configuration is not called as the command
ODD = [
    *("null", "", "0", "-1", "3", "2.5", "1e30", "99999999999999999999999", "-1e-30", "nan", "inf", "true", "word"),
    *("[]", "[1]", "[[]]", "[null]", "[a,b]", "{}", "{a: 1}", "{_target_: os.getcwd}", "{_target_: 3}", "'a b'"),
    *("../x", "/", ".", "~", "a/b", "ü", "'ü'", "'\\n'", "x" * 300, "???", "${seed}", "${nothing}", "${oc.env:NONE}"),
    *("1,2", "null,1", "range(1,3)", "glob(*)", "'", "[", "{a", "a=b", "$", "\0", "-m", "1_000", "0x10", "'null'"),
]


# --- mutations -----------------------------------------------------------------------------------------------------


def misspelt(word: str, rng: np.random.Generator) -> str:
    """Return a word with a letter left out, doubled, exchanged or replaced."""
    place = int(rng.integers(len(word)))
    before, letter, after = word[:place], word[place], word[place + 1 :]
    return [before + after, before + 2 * letter + after, before + after[:1] + letter + after[1:], before + "x" + after][
        rng.integers(4)
    ]


def leaves(config: DictConfig, outer: str = "") -> Iterator[str]:
    """Yield the names of all options and groups of options, as they are typed."""
    for key in map(str, config):
        if key != "hydra":
            yield outer + key
            node = config._get_node(key)
            if isinstance(node, DictConfig) and not node._is_none() and not node._is_interpolation():
                yield from leaves(node, f"{outer}{key}.")


def mutated(command: str, options: list[str], rng: np.random.Generator) -> list[str]:
    """Return what a person might type in place of the command's words."""
    words = list(TYPED[command])
    for _ in range(rng.choice([1, 1, 1, 2])):
        place, odd = rng.integers(len(words)), ODD[rng.integers(len(ODD))]
        key, _, value = words[place].partition("=")
        option = options[rng.integers(len(options))]
        other = [
            misspelt(words[place], rng), f"{key}={odd}", f"{option}={odd}", f"{option}={odd}", f"~{option}",
            f"+{option}={odd}", f"++{misspelt(option, rng)}={value}", f"{key}.{key}={value}", f"{odd}={value}",
            f"+{option}.more={odd}", f"{key}@{option}={value}", f"{option}=[{value},{odd}]", odd,
        ]  # fmt: skip
        chosen = int(rng.integers(len(other)))
        if chosen < 2:
            words[place] = other[chosen]
        else:
            words.append(other[chosen])
    return words


# --- commands ------------------------------------------------------------------------------------------------------


def options_of(command: str) -> list[str]:
    """Return the names of all options that the configuration of the command has."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose(CONFIGS.get(command, command), overrides=TYPED[command])
    OmegaConf.set_struct(config, False)
    return list(leaves(config))


def faults(commands: Commands, *, seeds: range) -> tuple[collections.Counter[str], list[Done]]:
    """Run mutated commands. Returns counts of how they ended, and those that ended badly."""
    names = [name for name, weight in WEIGHTS.items() for _ in range(weight)]
    options = {name: options_of(name) for name in WEIGHTS if WEIGHTS[name]}
    found, bad = collections.Counter(), []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        name = names[rng.integers(len(names))]
        done = commands.run(name, *mutated(name, options[name], rng))
        found[done.kind] += 1
        if done.kind not in ("accepted", "refused"):
            bad.append(done)
            print(f"{seed}: {' '.join(map(repr, done.arguments))}\n    {done.kind} {done.code} {done.stderr[-700:]}")
    return found, bad


def test_some_mutations(commands):
    found, bad = faults(commands, seeds=range(15))
    assert not bad, found


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("part", range(4))
def test_thousands_of_mutations(commands, part):
    found, bad = faults(commands, seeds=range(300 * part, 300 * (part + 1)))
    print(f"typed, part {part}: {dict(found)}")
    assert not bad, found
