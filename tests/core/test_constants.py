"""Physical constants stand in one place."""

from __future__ import annotations

import ast
import math

import pytest

from dlgd.core import constants
from dlgd.core.paths import ROOT

NUMBERS = {name: value for name, value in vars(constants).items() if isinstance(value, float)}
MODULES = [path for path in (ROOT / "dlgd").rglob("*.py") if path.name != "constants.py"]
SAME = 2e-3  # 6378 km, the radius at the equator, is a second definition as well


def second_definitions(source: str) -> list[str]:
    """The constants that a module writes down or names again."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            found += [name for name, value in NUMBERS.items() if math.isclose(node.value, value, rel_tol=SAME)]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in NUMBERS:
            found.append(node.id)
    return found


def test_there_are_constants_to_look_for():
    assert {"EARTH_RADIUS_M", "EARTH_RADIUS_KM", "KM_PER_DEGREE", "GRAVITY", "EARTH_RATE"} <= set(NUMBERS)
    assert constants.EARTH_RADIUS_KM == 6371.0
    assert 6371.0 * math.pi / 180 == constants.KM_PER_DEGREE


@pytest.mark.parametrize(
    "source", ["R = 6371.0", "x = 6.378e6 * y", "km = 111.19 * lat", "KM_PER_DEGREE = 60 * 1.852", "s = 86400 * days"]
)
def test_a_second_definition_is_found(source):
    assert second_definitions(source)


def test_no_module_defines_a_constant_again():
    found = {str(path.relative_to(ROOT)): second_definitions(path.read_text()) for path in MODULES}
    assert {path: names for path, names in found.items() if names} == {}, "take them from dlgd/core/constants.py"
