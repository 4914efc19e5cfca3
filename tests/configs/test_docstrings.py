"""Every option that can be typed is explained where it is read: in the docstring of what its YAML file names."""

from __future__ import annotations

import inspect
import re

import hydra
import pytest

from tests.configs.config_files import CHOICES, commands_with, objects, with_choice

OPTIONS = sorted(
    {
        (node._target_, str(key))
        for group, choice in CHOICES
        if commands_with(group)
        for _, node in objects(with_choice(group, choice))
        if node._target_.startswith("dlgd.")
        for key in node
        if not str(key).startswith("_")
    }
)


def explained(target: str) -> str:
    """Return the docstrings of a class, of its bases and of the dataclass of its options; or that of a function."""
    found = hydra.utils.get_object(target)
    if not inspect.isclass(found):
        return inspect.getdoc(found) or ""
    described = [*found.__mro__, *getattr(found, "Options", object).__mro__]
    return "\n".join(vars(one).get("__doc__") or "" for one in described if one.__module__.startswith("dlgd."))


@pytest.mark.parametrize(("target", "option"), OPTIONS)
def test_an_option_is_explained(target, option):
    """As "option: what it is", or together with others, "width, height: cells on each side"."""
    assert re.search(rf"\b{option}\b(?:,? (?:and )?[\w.]+)*:\s", explained(target)), (
        f"{target} says nothing of {option}"
    )
