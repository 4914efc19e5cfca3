"""Tab completion: `dlgd-train -sc install=bash` prints what a shell needs, which then asks `dlgd-train -sc query=bash`.

Hydra installs it. The answers are given here, because Hydra offers no choice that lies in a folder, such as
experiment=digits/gan, and complains in the middle of a line that is not finished. Imports nothing heavy.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra.plugins.completion_plugin import CompletionPlugin

from dlgd.cli import main_file, own_folders
from dlgd.cli.typed_options import FLAGS_WITH_VALUES, choices_of, options_of
from dlgd.core.errors import Refusal

FLAGS = ("-sc", "--shell-completion")
COMMANDS = ("train", "baseline", "evaluate", "predict", "export", "simulate", "compare", "sweep", "send", "normalize")
SEPARATORS = {"bash": " ", "zsh": " ", "fish": "\n"}  # between answers
REGISTERED = {  # how a shell is told that Hydra's function completes a command
    "bash": "complete -o nospace -o default -F hydra_bash_completion {}",
    "zsh": "complete -o nospace -o default -F hydra_bash_completion {}",
    "fish": "complete -c {} -x -a '(hydra_fish_completion)'",
}
OF_MACHINERY = re.compile(r"^init_loaded|\b_(target|args|recursive|convert|partial)_\b")  # options that nobody types
APPLICATION = re.compile(r"\s*(\S*python[\d.]*\s+(-m\s+)?)?\S+\s")  # what stands before the words of a command


def asked(arguments: Sequence[str]) -> bool:
    """Return whether a command is asked for completion, and for nothing else."""
    return bool(set(FLAGS) & set(arguments))


def serve(arguments: Sequence[str], config_name: str, install: Callable[[], None]) -> None:
    """Answer a shell, or print what it must know.

    config_name: the main file of the command. install: Hydra's own part of the latter.
    """
    typed = dict(one.split("=", 1) for one in arguments if "=" in one)
    shell = typed.get("query")
    if shell is not None:
        if shell not in SEPARATORS:
            raise Refusal(f"query={shell} is no shell that is known: choose one of {', '.join(SEPARATORS)}")
        try:
            print(SEPARATORS[shell].join(candidates(os.environ.get("COMP_LINE", ""), config_name)))
        except Exception:  # noqa: BLE001 a person is still typing: nothing may be written in that line
            sys.exit(1)
        return
    name = Path(sys.argv[0]).name
    if "install" in typed and not name.startswith("dlgd-"):
        raise Refusal("a shell completes the commands dlgd-train, dlgd-sweep, ...: type dlgd-train -sc install=...")
    install()
    shell = typed.get("install")
    for command in COMMANDS if shell in REGISTERED else ():
        if name != f"dlgd-{command}":
            print(REGISTERED[str(shell)].format(f"dlgd-{command}"))


def candidates(line: str, config_name: str) -> list[str]:
    """Return what the last word of a line can become, sorted.

    line: the line as far as it is typed, with the name of the command. config_name: the main file of the command.
    """
    words = APPLICATION.sub("", line, count=1).split()
    last = "" if line[-1:].isspace() or not words else words.pop()
    words = main_file.take(own_folders.take(words, config_name), config_name)
    config_name = main_file.read(config_name)
    words = [one for one in words if not one.startswith("-")]
    if last.startswith("-") or (words and words[-1] in FLAGS_WITH_VALUES):
        return []
    sign = last[: len(last) - len(last.lstrip("+~"))]
    key, equals, value = last[len(sign) :].partition("=")
    group = key.partition("@")[0]
    if equals and not key:
        return []
    if equals and own_folders.is_group(group):
        before, comma, rest = value.rpartition(",")
        return [f"{sign}{key}={before}{comma}{one}" for one in sorted(choices_of(group)) if one.startswith(rest)]
    if equals:
        return sorted(_values(sign, key, value, words, config_name))
    options = options_of(config_name)
    groups = {f"{one}=" for one in (*options.groups, "hydra/launcher") if one.startswith(key)}
    return sorted(f"{sign}{one}" for one in groups | set(_options(key, words, config_name)))


def _values(sign: str, key: str, value: str, words: Sequence[str], config_name: str) -> list[str]:
    """Return an option with its present value while none is typed, and else with the files that its value may name."""
    if not value:
        return [f"{sign}{one}" for one in _options(f"{key}=", words, config_name)]
    found = sorted(glob.glob(glob.escape(os.path.expanduser(value)) + "*"))
    files = (f"{one}/" if os.path.isdir(one) else one for one in found)
    return [f"{sign}{key}={one}" for one in files]


def _options(begun: str, words: Sequence[str], config_name: str) -> list[str]:
    """Return the options that begin so in the configuration of what is typed before; none where it cannot be made."""
    typed = [*own_folders.search_path(), *(one for one in words if not one.startswith(own_folders.SEARCHPATH))]
    try:
        with hydra.initialize_config_dir(str(own_folders.first_folder()), version_base="1.3"):
            config = hydra.compose(config_name, [one for one in typed if "=" in one])
    except Exception:  # noqa: BLE001 of many kinds; the groups are offered anyway
        return []
    found = CompletionPlugin._get_matches(config, begun)  # Hydra's own answers
    return [str(one) for one in found if not OF_MACHINERY.search(str(one))]
