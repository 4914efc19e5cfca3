"""Directives of the reference, written from what the program itself reads.

    ```{options} model
    ```

lists the choices in conf/model: the first comment of each file, and a table of its options with their values there and
what the docstring of the class says of them.

    ```{command} train
    ```

does the same for conf/<command>.yaml.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import hydra.utils
import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

# Options that no class reads, but `dlgd.build`.
READ_BY_BUILD = {
    "methods": "options of this method, see [Baseline](baseline.md)",
    "by": "options of methods beside data of this kind, see [Baseline](baseline.md)",
    "scores": "of the scores",
    "criteria": "scores of the validation; the best network by the first is the one that is scored",
    "classifier": "checkpoint of a network that recognizes images, for scores of generated ones; null without",
}
CONF = Path(__file__).parent.parent.parent / "conf"


class Options(SphinxDirective):
    """The choices of a group of conf/."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a section for each choice."""
        group = self.arguments[0]
        files = sorted((CONF / group).rglob("*.yaml"))
        note_dependencies(self, files)
        found: list[nodes.Node] = []
        for file in files:
            choice = str(file.relative_to(CONF / group).with_suffix(""))
            section = nodes.section(ids=[nodes.make_id(f"{group}-{choice}")])
            section += nodes.title("", f"{group}={choice}")
            section += nodes.container(
                "", *self.parse_text_to_nodes(choice_in_markdown(file, group)), classes=["options"]
            )
            found.append(section)
        return found


class Command(SphinxDirective):
    """The options of a command: those of conf/<command>.yaml that are no group's."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a table."""
        file = CONF / f"{self.arguments[0]}.yaml"
        note_dependencies(self, [file, CONF / "base.yaml"])
        return [nodes.container("", *self.parse_text_to_nodes(table(dict(commented(file)))), classes=["options"])]


def note_dependencies(directive: Directive, files: list[Path]) -> None:
    """Let Sphinx write the page anew when one of the files has changed."""
    for file in files:
        directive.state.document.settings.record_dependencies.add(str(file))


def choice_in_markdown(file: Path, group: str) -> str:
    """Return what a file of conf/ offers, in Markdown."""
    options: dict[str, tuple[str, str]] = {}
    targets: dict[str, None] = {}
    for one in (*extended(file), file):
        mine = dict(commented(one))
        options |= {key: (value, comment or options.get(key, ("", ""))[1]) for key, (value, comment) in mine.items()}
        targets |= dict.fromkeys(targets_in(yaml.safe_load(one.read_text(encoding="utf-8")) or {}))
    said = explanations(targets, {name.rpartition(".")[2] for name in options})
    rows = {}
    for name, (value, comment) in options.items():
        last = name.rpartition(".")[2]
        first = name.partition(".")[0]
        words = [one.rstrip(".") for one in (said.get(last) or READ_BY_BUILD.get(first, ""), comment) if one]
        if not value.startswith("${"):  # else chosen by an option of another group
            rows[f"{group}.{name}"] = (value, "; ".join(dict.fromkeys(words)))
    head = " ".join(leading_comment(file))
    built = f"\n\nBuilds {', '.join(f'`{one}`' for one in targets)}." if targets else ""
    return f"{head}{built}\n\n{table(rows) if rows else ''}"


def extended(file: Path) -> list[Path]:
    """Return the files of the same group that a file extends, by its `defaults`."""
    entries = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("defaults", [])
    return [
        file.with_stem(entry)
        for entry in entries
        if isinstance(entry, str) and entry.isidentifier() and entry != "_self_"
    ]


def leading_comment(file: Path) -> Iterator[str]:
    """Yield the lines of the comment at the head of a YAML file, without what is meant for Hydra."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            return
        if not line.startswith("# @package"):
            yield line.removeprefix("#").strip()


def commented(file: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield (option, (value as it is written, comment)) of a YAML file; nested options have names such as sea.cells.

    A comment counts for the option in whose line it stands; of a value of several lines there are dots.
    """
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()

    def walk(node: yaml.Node, outer: str) -> Iterator[tuple[str, tuple[str, str]]]:
        for key, value in node.value:
            if key.value == "defaults" or key.value.startswith("_"):
                continue
            if isinstance(value, yaml.MappingNode) and not value.flow_style:
                yield from walk(value, f"{outer}{key.value}.")
                continue
            first, last = key.start_mark.line, value.end_mark.line
            written = text[value.start_mark.index : value.end_mark.index] if first == last else "..."
            yield f"{outer}{key.value}", (written, lines[first].partition(" #")[2].strip())

    root = yaml.compose(text)
    yield from walk(root, "") if isinstance(root, yaml.MappingNode) else ()


def targets_in(values: Any) -> Iterator[str]:
    """Yield each `_target_` in nested values."""
    if isinstance(values, Mapping):
        if "_target_" in values:
            yield values["_target_"]
        for value in values.values():
            yield from targets_in(value)


def explanations(targets: Iterable[str], options: Set[str]) -> dict[str, str]:
    """Return {option: what the docstring says of it} of the classes and functions with these import paths."""
    found: dict[str, str] = {}
    for target in targets:
        if target.startswith("dlgd."):
            found |= of_docstring(docstrings(hydra.utils.get_object(target)), options)
        else:
            found |= {name: f"see `{target}`" for name in options if name not in found}
    return found


def docstrings(target: Any) -> str:
    """Return the docstrings of a class, of its bases and of the dataclasses of its options; or that of a function."""
    if not inspect.isclass(target):
        return inspect.getdoc(target) or ""
    ours = [one for one in [*target.__mro__, *options_classes(target)] if one.__module__.startswith("dlgd.")]
    return "\n\n".join(inspect.cleandoc(vars(one).get("__doc__") or "") for one in reversed(ours))


def options_classes(target: type) -> Iterator[type]:
    """Yield the dataclass `Options` of a data set, its bases, and what its fields and properties are made of."""
    for one in getattr(target, "Options", object).__mro__:
        yield one
        properties = [value.fget for value in vars(one).values() if isinstance(value, property) and value.fget]
        hints = [
            *typing.get_type_hints(one).values(),
            *(typing.get_type_hints(get).get("return") for get in properties),
        ]
        for kind in [inner for hint in hints for inner in (hint, *typing.get_args(hint))]:
            if isinstance(kind, type) and dataclasses.is_dataclass(kind):
                yield kind


def of_docstring(text: str, options: Set[str]) -> dict[str, str]:
    """Return {option: text} of the places "option: text" or "option, other: text" in the paragraphs of a docstring."""
    found: dict[str, str] = {}
    any_option = "|".join(sorted(map(re.escape, options), key=len, reverse=True))
    names = rf"(?P<names>(?:{any_option})(?:,? (?:and )?[\w.]+)*): "
    for paragraph in re.split(r"\n\s*\n", text):
        joined = " ".join(paragraph.split())
        places = list(re.finditer(rf"(?:^|(?<=\. )|(?<= )){names}", joined))
        for place, following in itertools.zip_longest(places, places[1:]):
            explanation = joined[place.end() : following.start() if following else None].strip()
            found |= dict.fromkeys(re.findall(r"[\w.]+", place["names"]), explanation)
    return found


def table(rows: Mapping[str, tuple[Any, str]]) -> str:
    """Return a table in Markdown: option, value, explanation."""
    lines = ["| option | value | |", "|---|---|---|"]
    for name, (value, text) in rows.items():
        cell = text.replace("|", r"\|").replace("*", r"\*").replace("<", "&lt;")
        lines.append(f"| `{name}` | `{str(value).replace('|', chr(92) + '|')}` | {cell} |")
    return "\n".join(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives to Sphinx."""
    app.add_directive("options", Options)
    app.add_directive("command", Command)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
