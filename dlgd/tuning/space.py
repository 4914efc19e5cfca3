"""The search space of a sweep file, as Optuna's distributions.

optimizer.lr: {low: 1e-4, high: 1e-2, log: true}        # a number; whole where low, high and step are
model.layers: {low: 2, high: 10, step: 2}
model: [cnn, resnet]                                    # one of a list: values, or choices of a group
model.dropout: {low: 0.0, high: 0.5, when: {model: cnn}}  # searched only with this model; or when: {model: [cnn, vgg]}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from dlgd.core import checks
from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    from optuna import Trial

Value = None | bool | int | float | str
Distribution = CategoricalDistribution | IntDistribution | FloatDistribution
KEYS = ("low", "high", "step", "log", "values", "when")


@dataclass(frozen=True)
class Parameter:
    """An option or group that is searched.

    when: {name: values} of earlier parameters, all of which must have one of these values; otherwise this parameter is
        not searched.
    """

    name: str
    distribution: Distribution
    when: Mapping[str, Sequence[Value]]

    def applies(self, earlier: Mapping[str, Value]) -> bool:
        """Return whether it is searched beside these values of the earlier parameters."""
        return all(name in earlier and earlier[name] in values for name, values in self.when.items())

    def suggest(self, trial: Trial) -> Value:
        """Return the value that the study's sampler proposes."""
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return trial.suggest_categorical(self.name, d.choices)
        if isinstance(d, IntDistribution):
            return trial.suggest_int(self.name, d.low, d.high, step=d.step, log=d.log)
        return trial.suggest_float(self.name, d.low, d.high, step=d.step, log=d.log)

    def values(self) -> list[Value]:
        """Return all values, for a grid. Refusal where they are not countable."""
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return list(d.choices)
        if d.log or d.step is None:
            raise Refusal(f"a grid needs the values of {self.name}: write a list, or low, high and step, without log")
        return [d.low + number * d.step for number in range(round((d.high - d.low) / d.step) + 1)]


@dataclass(frozen=True)
class Space:
    """All parameters that are searched, in the order of the sweep file."""

    parameters: tuple[Parameter, ...]

    def suggest(self, trial: Trial) -> dict[str, Value]:
        """Return the values of a trial."""
        values: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.applies(values):
                values[parameter.name] = parameter.suggest(trial)
        return values

    def grid(self) -> list[dict[str, Value]]:
        """Return each combination once."""
        return self._combinations(Parameter.values)

    def corners(self, is_group: Callable[[str], bool]) -> list[dict[str, Value]]:
        """Return each combination of choices of groups, with one value of each other parameter.

        These are built before a search begins, to refuse what does not fit.
        """

        def values_of(parameter: Parameter) -> list[Value]:
            d = parameter.distribution
            if not isinstance(d, CategoricalDistribution):
                return [d.low]
            return list(d.choices if is_group(parameter.name) else d.choices[:1])

        return self._combinations(values_of)

    def _combinations(self, values_of: Callable[[Parameter], list[Value]]) -> list[dict[str, Value]]:
        points: list[dict[str, Value]] = [{}]
        for parameter in self.parameters:
            values = values_of(parameter)
            points = [
                point | added
                for point in points
                for added in ([{parameter.name: value} for value in values] if parameter.applies(point) else [{}])
            ]
        return points


def parse(search: Mapping[str, Any], value_of: Callable[[str], Value], fixed: Sequence[str] = ()) -> Space:
    """Return the space of a sweep file's `search`. Refusal, with the parameter's name, for what cannot be searched.

    value_of: gives the value that an option or group has in all trials, for conditions on what is not searched.
    fixed: parameters that a person has typed, and that are therefore not searched.
    """
    if not search:
        raise Refusal("nothing is searched: write sweep.search, as the files in sweeps/ do")
    searched = [name for name in search if name not in fixed]
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
    choices = distribution.choices if isinstance(distribution, CategoricalDistribution) else ()
    absent = [value for value in values if value not in choices]
    if absent:
        raise Refusal(f"sweep.search: {name} depends on {other}={absent[0]}, which {other} never is")


def _distribution(name: str, spec: Any) -> Distribution:
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
    low, high, step, log = spec.get("low"), spec.get("high"), spec.get("step"), spec.get("log")
    numbers = [low, high] if step is None else [low, high, step]
    are_numbers = all(checks.fits(number, float) for number in numbers)
    if low is None or high is None or not are_numbers or not isinstance(log, bool | None):
        raise Refusal(f"sweep.search: {name} needs numbers low and high, perhaps step, or log: true")
    try:
        if all(isinstance(number, int) for number in numbers):
            return IntDistribution(low, high, log=bool(log), step=1 if step is None else step)
        return FloatDistribution(float(low), float(high), log=bool(log), step=step)
    except ValueError as error:  # low above high, a logarithm of 0, a step beside a logarithm
        raise Refusal(f"sweep.search: {name} cannot be {spec}: {error}") from error
