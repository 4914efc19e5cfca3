"""Systems by name: from the attributes of samples to the equations behind them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import Dynamics
from dlgd.physics.lorenz import Lorenz63, Lorenz96

# by name: the class, and its parameters with their types
SYSTEMS: dict[str, tuple[type[Dynamics], dict[str, type]]] = {
    "lorenz63": (Lorenz63, {"sigma": float, "rho": float, "beta": float}),
    "lorenz96": (Lorenz96, {"size": int, "forcing": float}),
}


def dynamics_of(attrs: Mapping[str, Any]) -> Dynamics:
    """Return the equations that the attributes name: `system` and its parameters. Refuse attributes that do not."""
    name = attrs.get("system")
    if name is None:
        what = f"data={attrs['name']}" if "name" in attrs else "these samples"
        raise Refusal(f"{what} are without known equations, which this method or score needs: choose another one")
    if name not in SYSTEMS:
        raise Refusal(f"system={name} is unknown: the attribute must be one of {', '.join(SYSTEMS)}")
    kind, parameters = SYSTEMS[name]
    missing = [key for key in parameters if key not in attrs]
    if missing:
        raise Refusal(f"samples of system={name} lack the attribute {', '.join(missing)}")
    return kind(**{key: number(attrs[key]) for key, number in parameters.items()})


def attributes_of(dynamics: Dynamics) -> dict[str, Any]:
    """Return the attributes for `dynamics_of`, as plain numbers. Raises ValueError for equations that have no name."""
    for name, (kind, parameters) in SYSTEMS.items():
        if isinstance(dynamics, kind):
            return {"system": name} | {key: number(getattr(dynamics, key)) for key, number in parameters.items()}
    raise ValueError(f"{type(dynamics).__name__} is none of the systems {', '.join(SYSTEMS)}")
