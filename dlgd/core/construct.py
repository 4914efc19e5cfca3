"""Builds the object that a `_target_` and its options describe.

Options that do not fit are refused in one sentence. An error inside the module or the constructor is not caught: it may
be in a person's own code, and its traceback ends at the line that they have to correct. (Hydra's `instantiate` would
wrap it.)
"""

from __future__ import annotations

import functools
import importlib
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlgd.core import checks, trust
from dlgd.core.constants import PARTIAL, TARGET
from dlgd.core.errors import Refusal


def construct(
    config: Mapping[str, Any], group: str, *, arguments: Sequence[Any] = (), given: Mapping[str, Any] | None = None
) -> Any:
    """Call what `_target_` names with the options beside it; options with a `_target_` are built first.

    group: the prefix of the options as they are typed, such as model.
    arguments, given: arguments that the program adds, by position and by name.

    With `_partial_: true` the result is a function of the missing arguments, as in Hydra.
    """
    if not isinstance(config, Mapping):
        raise Refusal(f"{group}={checks.as_typed(config)} must be a {TARGET} with its options")
    given = {} if given is None else given
    target = locate(config.get(TARGET), group)
    options = {key: value for key, value in config.items() if key not in (TARGET, PARTIAL)}
    partial = config.get(PARTIAL, False)
    checks.of_kind(f"{group}.{PARTIAL}", partial, bool)
    _check_names(target, group, config[TARGET], options, arguments=arguments, given=given, partial=partial)
    options = {key: _built(value, f"{group}.{key}") for key, value in options.items()}
    _check_types(target, group, options)
    if partial:
        return functools.partial(target, *arguments, **options, **given)
    return target(*arguments, **options, **given)


def _built(value: Any, option: str) -> Any:
    """Return the value, with an object in place of each mapping in it that has a `_target_`."""
    if isinstance(value, Mapping):
        if TARGET in value:
            return construct(value, option)
        return {key: _built(inner, f"{option}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [_built(inner, f"{option}.{number}") for number, inner in enumerate(value)]
    return value


# --- the class or function -------------------------------------------------------------------------------------------


def locate(path: object, group: str) -> Callable[..., Any]:
    """Return the class or function of this import path. Refusal, before any import, of what `trust` does not allow."""
    option = f"{group}.{TARGET}={path}"
    if not isinstance(path, str) or not all(name.isidentifier() for name in path.split(".")):
        raise Refusal(f"{option} must be the import path of a class or function, such as my_module.MyClass")
    trust.check(path, f"{group}.{TARGET}")
    first, *names = path.split(".")
    found, place = _module(first, option), first
    for name in names:
        if hasattr(found, name):
            found = getattr(found, name)
        elif hasattr(found, "__path__"):  # a package, whose modules are its attributes once they are imported
            found = _module(f"{place}.{name}", option)
        else:
            raise Refusal(f"{option} cannot be found: {place} has no {name}{checks.did_you_mean(name, dir(found))}")
        place = f"{place}.{name}"
    if not callable(found):
        raise Refusal(f"{option} is no class or function")
    trust.check_found(found, path, f"{group}.{TARGET}")
    return found


def _module(name: str, option: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # the module exists, but one that it imports does not
            raise
    raise Refusal(
        f"{option} cannot be found: there is no module {name}; a module of your own must lie in the folder where "
        "the command starts, or in one of PYTHONPATH"
    )


# --- its arguments ---------------------------------------------------------------------------------------------------


def _check_names(
    target: Callable[..., Any],
    group: str,
    path: str,
    options: Mapping[str, Any],
    *,
    arguments: Sequence[Any],
    given: Mapping[str, Any],
    partial: bool,
) -> None:
    """Refuse options that are not in the signature, and missing ones that are required."""
    try:
        signature = inspect.signature(target)
    except ValueError:  # some functions that are written in C have no signature
        return
    parameters = list(signature.parameters.values())[len(arguments) :]
    if not any(one.kind == one.VAR_KEYWORD for one in parameters):
        known = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        untaken = [name for name in given if name not in known]
        if untaken:
            raise Refusal(f"{group}.{TARGET}={path} must take {', '.join(untaken)}, which the program gives to it")
        own = [name for name in known if name not in given]
        _refuse_unknown(group, path, unknown=[key for key in options if key not in own], known=own)
    missing = [
        f"{group}.{one.name}"
        for one in parameters
        if one.default is one.empty
        and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        and one.name not in options
        and one.name not in given
    ]
    if missing and not partial:
        verb = "is" if len(missing) == 1 else "are"
        raise Refusal(f"{', '.join(missing)} {verb} missing: {path} needs a value")
    try:
        (signature.bind_partial if partial else signature.bind)(*arguments, **options, **given)
    except TypeError as error:
        raise Refusal(f"the options of {group} do not fit {path}: {error}") from error


def _refuse_unknown(group: str, path: str, *, unknown: Sequence[str], known: Sequence[str]) -> None:
    if not unknown:
        return
    typed = [f"{group}.{key}" for key in unknown]
    are = "is no option" if len(typed) == 1 else "are no options"
    there = checks.among(typed[0] if len(typed) == 1 else "", [f"{group}.{name}" for name in known])
    removed = "" if len(typed) == 1 else f"; remove them: {' '.join(f'~{one}' for one in typed)}"
    raise Refusal(f"{', '.join(typed)} {are} of {path}: {there}{removed}")


def _check_types(target: Callable[..., Any], group: str, options: Mapping[str, Any]) -> None:
    """Refuse 2.5 or "many" where the signature says int; see `_check_type`."""
    try:
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, AttributeError, TypeError):  # there are no annotations, or only a type checker can read them
        return
    for key, value in options.items():
        _check_type(f"{group}.{key}", value, hints.get(key))


def _check_type(option: str, value: Any, kind: Any) -> None:
    """Refuse what does not fit int, float, str, bool, a sequence of these, a mapping to them, or one of them or None.

    The constructor itself checks options with any other annotation.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        others = [one for one in inner if one is not types.NoneType]
        if len(others) == 1 and value is not None:
            _check_type(option, value, others[0])
    elif origin is Mapping:
        if not isinstance(value, Mapping):
            raise Refusal(f"{option}={value} must be names with values, such as {option}.name=value")
        for name, one in value.items():
            _check_type(f"{option}.{name}", one, inner[1])
    elif origin is Sequence:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise Refusal(f"{option}={value} must be a list")
        for one in value:
            _check_type(option, one, inner[0])
    elif kind in checks.KINDS:
        checks.of_kind(option, value, kind)
