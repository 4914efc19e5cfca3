"""What a sweep may vary, as a sweep file says it, in Optuna's distributions.

optimizer.lr: {low: 1e-4, high: 1e-2, log: true}        # a number; whole where low and high are
model.layers: {low: 2, high: 10, step: 2}
model: [cnn, resnet]                                    # one of a list: values, or choices of a group
model.dropout: {low: 0.0, high: 0.5, when: {model: cnn}}  # searched only there; or when: {model: [cnn, vgg]}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlgd.core import checks
from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution

Value = None | bool | int | float | str
KEYS = ("low", "high", "step", "log", "values", "when")


@dataclass(frozen=True)
class Parameter:
    """One that is searched, where the earlier ones named in `when` have one of the values given there."""

    name: str
    distribution: BaseDistribution
    when: Mapping[str, Sequence[Value]]

    def applies(self, chosen: Mapping[str, Value]) -> bool:
        """Whether it is searched beside these values of the earlier parameters."""
        return all(name in chosen and chosen[name] in values for name, values in self.when.items())

    def suggest(self, trial: Trial) -> Value:
        """The value that the study's sampler proposes."""
        d = self.distribution
        match type(d).__name__:
            case "CategoricalDistribution":
                return trial.suggest_categorical(self.name, d.choices)
            case "IntDistribution":
                return trial.suggest_int(self.name, d.low, d.high, step=d.step, log=d.log)
        return trial.suggest_float(self.name, d.low, d.high, step=d.step, log=d.log)

    def values(self) -> list[Value]:
        """All of them, for a grid. Raises Refusal where there is no end of them."""
        d = self.distribution
        if hasattr(d, "choices"):
            return list(d.choices)
        if d.log or d.step is None:
            raise Refusal(f"a grid needs the values of {self.name}: write a list, or low, high and step, without log")
        return [d.low + number * d.step for number in range(round((d.high - d.low) / d.step) + 1)]


@dataclass(frozen=True)
class Space:
    """All that is searched, in the order in which it is written."""

    parameters: tuple[Parameter, ...]

    def suggest(self, trial: Trial) -> dict[str, Value]:
        """The values of a trial."""
        chosen: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.applies(chosen):
                chosen[parameter.name] = parameter.suggest(trial)
        return chosen

    def grid(self) -> list[dict[str, Value]]:
        """Every combination once."""
        return self._combinations(Parameter.values)

    def corners(self, groups: Callable[[str], bool]) -> list[dict[str, Value]]:
        """Every combination of the parameters that `groups` names, with one value of each other one: what is to be
        tried before a search begins."""
        return self._combinations(lambda one: list(one.distribution.choices) if groups(one.name) else [_first(one)])

    def _combinations(self, values_of: Callable[[Parameter], list[Value]]) -> list[dict[str, Value]]:
        points: list[dict[str, Value]] = [{}]
        for parameter in self.parameters:
            values = values_of(parameter)
            points = [
                point | chosen
                for point in points
                for chosen in ([{parameter.name: value} for value in values] if parameter.applies(point) else [{}])
            ]
        return points


def _first(parameter: Parameter) -> Value:
    d = parameter.distribution
    return d.choices[0] if hasattr(d, "choices") else d.low


def parse(search: Mapping[str, Any], value_of: Callable[[str], Value], typed: Sequence[str] = ()) -> Space:
    """The space of a sweep file's `search`. Raises Refusal, with the parameter's name, for what cannot be searched.

    typed: parameters whose value a person typed. value_of: the value that an option or
    group has in every trial, for conditions on what is not searched.
    """
    if not search:
        raise Refusal("nothing is searched: write sweep.search, as the files in sweeps/ do")
    searched = [name for name in search if name not in typed]
    found: list[Parameter] = []
    for name in searched:
        spec = search[name]
        when = {}
        applies = True
        for other, values in _conditions(name, spec).items():
            if other in searched:
                _check_condition(name, other, values, found)
                when[other] = values
            else:
                applies &= value_of(other) in values
        if applies:
            found.append(Parameter(name, _distribution(name, spec), when))
    if not found:
        raise Refusal("nothing is left to be searched: type fewer of the values that sweep.search lists")
    return Space(tuple(found))


def _conditions(name: str, spec: Any) -> dict[str, list[Value]]:
    when = spec.get("when", {}) if isinstance(spec, Mapping) else {}
    if not isinstance(when, Mapping):
        raise Refusal(f"sweep.search: `when` of {name} is {when!r}: write it as {{model: cnn}}")
    return {other: list(values) if isinstance(values, list) else [values] for other, values in when.items()}


def _check_condition(name: str, other: str, values: Sequence[Value], found: Sequence[Parameter]) -> None:
    distribution = next((one.distribution for one in found if one.name == other), None)
    if distribution is None:
        raise Refusal(f"sweep.search: {name} depends on {other}, which must stand before it")
    strange = [value for value in values if value not in getattr(distribution, "choices", ())]
    if strange:
        raise Refusal(f"sweep.search: {name} depends on {other}={strange[0]}, which {other} never is")


def _distribution(name: str, spec: Any) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(spec, list):
        spec = {"values": spec}
    if not isinstance(spec, Mapping):
        raise Refusal(f"sweep.search: {name} is {spec!r}: write a list, or {{low: ..., high: ...}}")
    unknown = sorted(set(spec) - set(KEYS))
    if unknown:
        raise Refusal(f"sweep.search: {name} has {unknown[0]}, but only {', '.join(KEYS)} are known")
    if "values" in spec:
        values = spec["values"]
        if not isinstance(values, list) or not values or not all(isinstance(v, Value) for v in values):
            raise Refusal(f"sweep.search: the values of {name} must be a list of numbers, names, true, false or null")
        return CategoricalDistribution(values)
    low, high, step, log = (spec.get(key) for key in ("low", "high", "step", "log"))
    numbers = [low, high] if step is None else [low, high, step]
    if not all(checks.fits(number, float) for number in numbers) or not isinstance(log, bool | None):
        raise Refusal(f"sweep.search: {name} needs numbers low and high, perhaps step, or log: true")
    try:
        if all(isinstance(number, int) for number in numbers):
            return IntDistribution(low, high, log=bool(log), step=1 if step is None else step)
        return FloatDistribution(float(low), float(high), log=bool(log), step=step)
    except ValueError as error:  # low above high, a logarithm of 0, a step beside a logarithm
        raise Refusal(f"sweep.search: {name} cannot be {spec}: {error}") from error
