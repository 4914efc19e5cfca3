"""One place imports what a configuration names, one place admits a configuration that is loaded; nothing unpickles."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from dlgd.core import trust
from dlgd.core.errors import Refusal
from dlgd.core.paths import ROOT
from dlgd.tuning.trial import Composer

FILE = Path("theirs.yaml")
# Calls that may import or run what a text says, and the only modules that make them.
MAY_RUN = {
    "import_module": {"core/construct.py", "__init__.py"},  # the latter imports what it names itself
    "get_object": set(),
    "get_class": set(),
    "get_method": set(),
    "instantiate": set(),
    "__import__": set(),
    "eval": {"scoring/other_sizes.py"},  # of comparisons of sizes, which PyTorch has written
    "exec": set(),
    "Unpickler": set(),  # cma_sampler.py has one of its own, by inheritance
}
EVAL_OF_A_NETWORK = "eval"  # network.eval() runs no text


@functools.cache
def called(path: Path) -> list[tuple[str, ast.Call]]:
    """The last name of each call in a module."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            plain = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if not (isinstance(node.func, ast.Attribute) and plain == EVAL_OF_A_NETWORK):
                found.append((plain, node))
    return found


def test_one_module_imports_what_a_text_names():
    for path in (ROOT / "dlgd").rglob("*.py"):
        place = str(path.relative_to(ROOT / "dlgd"))
        for name, _ in called(path):
            assert place in MAY_RUN.get(name, {place}), f"{place} calls {name}: use core/construct.py"


def test_files_are_read_without_unpickling():
    for path in (ROOT / "dlgd").rglob("*.py"):
        for name, node in called(path):
            text = ast.unparse(node) if name.startswith("load") else ""
            assert not text.startswith(("pickle.load", "joblib.load", "dill.")), f"{path}: {text}"
            if text.startswith("torch.export.load"):
                assert path.name == "graph_files.py", "which loads what it has written itself a moment before"
            elif name == "load" and text.startswith("torch."):
                assert "weights_only=True" in text, path
            if name == "load" and text.startswith(("np.", "numpy.")):
                assert "allow_pickle=False" in text, path


@pytest.mark.parametrize(
    "target",
    ["dlgd.models.cnn.CNN", "torch.nn.Linear", "torch.optim.AdamW", "torch.optim.lr_scheduler.StepLR"],
)
def test_what_is_offered(target):
    assert trust.loaded({"model": {"_target_": target}}, FILE) == {"model": {"_target_": target}}


@pytest.mark.parametrize(
    "target",
    [
        *("torch.nn.init.zeros_", "torch.nn.functional.relu", "torch.nn.Parameter", "torch.nn.Module.load_state_dict"),
        *("torch.optim.lr_scheduler.Counter", "torch.optim.Adam.step", "torch.nn", "torch", "", ".", "torch.nn."),
        *("dlgd.cli.multirun.Multirun", "dlgd.core.contract.Network", "dlgd.models.cnn.CNN ", "dlgd.models.cnn.torch"),
        *(None, 3, True, b"os.system", ["os.system"], {"a": 1}),
    ],
)
def test_what_is_not(target):
    with pytest.raises(Refusal, match=r"^theirs\.yaml: a\.1\.0\._target_="):
        trust.loaded({"a": [0, [{"_target_": target}]]}, FILE)


def test_a_trust_of_its_own_is_no_option():
    assert trust.loaded({"trust": ["mine"], "seed": 1}, FILE) == {"seed": 1}


def test_names_are_shown_in_a_line():
    assert trust.shown("a\x1b[2J\nb") == r"'a\x1b[2J\nb'"
    assert len(trust.shown("a" * 10_000)) < 200


def test_a_deep_configuration():
    deep: dict = {"_target_": "os.system"}
    for _ in range(300):
        deep = {"a": [deep]}
    with pytest.raises(Refusal, match="nothing that a run needs"):
        trust.loaded(deep, FILE)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model._target_": "os.system"}, "the search: model._target_=os.system is nothing that a run needs"),
        ({"model.extra": {"_target_": "theirs.Net"}}, "theirs.Net is not of dlgd"),
        ({"model.activation": "${oc.env:HOME}"}, "the search has a reference at model.activation"),
        ({"model": "../../theirs"}, "the search has model=../../theirs, which is no choice of model"),
        ({"model": "cnn,hydra.searchpath=[/tmp]"}, "which is no choice of model"),
    ],
)
def test_the_values_of_a_study(values, words):
    """A study may have been begun by somebody else."""
    with pytest.raises(Refusal) as refusal:
        Composer(["data=mnist_5k"]).config(values)
    assert words in str(refusal.value)


def test_what_is_typed_is_allowed_for_this_command():
    config = OmegaConf.create({"name": "mine.Net", "model": {"_target_": "${name}"}, "list": [{"_target_": "mine.L"}]})
    try:
        trust.allow_typed(config)
        trust.check("mine.Net", "x")
        trust.check("mine.L", "x")
        with pytest.raises(Refusal, match=r"mine\.Other is not of dlgd"):
            trust.check("mine.Other", "x")
    finally:
        trust.forget()
    with pytest.raises(Refusal, match=r"mine\.Net is not of dlgd"):
        trust.check("mine.Net", "x")
