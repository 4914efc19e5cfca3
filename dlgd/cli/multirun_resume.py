"""A multirun that is gone on with: what was typed for it, and whether its runs are still the same.

`-m resume=<its folder>` takes what was typed from multirun.yaml, which Hydra writes there. Such a file is data, not a
command that a person has typed: of its options those are taken that name values, and none that names code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from dlgd.cli import main_file, own_folders
from dlgd.cli.multirun_summary import Outcome, read_outcomes
from dlgd.cli.swept_groups import has_values
from dlgd.core import commands, passwords
from dlgd.core.config import from_text, plain
from dlgd.core.errors import Refusal
from dlgd.core.files import refuse_links, write_text
from dlgd.tracking.store import RUN_ID_FILE

RECORD = "multirun.yaml"  # of Hydra: the configuration of the multirun, with what was typed
JOBS = "jobs.json"  # in the folder of a multirun: the options of each run
OF_SESSION = ("hydra.mode", "hydra.sweep.dir", "hydra.callbacks.")  # options that are not taken from the record
LAUNCHER = re.compile(r"hydra/launcher=\w+|hydra\.launcher\.[a-z]\w*=[\w.-]+")
# Options that name code, or may: model=../../theirs is a file outside of conf/. A server gets passwords.
# Of the options of tracking those are taken that name no server.
TRACKING = r"tracking(?!=\w+\Z|\.(tags|note|model|system_metrics|flush_seconds)\b)"
CODE = re.compile(rf"[+~]*(-|hydra|trust\b|{TRACKING}).*|.*(_target_|\$|\.\.).*", re.DOTALL)


def arguments(typed: Sequence[str], command: str) -> list[str]:
    """Return what is typed after `python -m dlgd.<command>`, with the options of the multirun that is resumed."""
    resumed = [one.partition("=")[2].strip("'\"") for one in typed if one.startswith("resume=")]
    if not {"-m", "--multirun"} & set(typed) or len(resumed) != 1:
        return list(typed)
    folder, ours = find(resumed[0]), [one for one in typed if not one.startswith("resume=")]
    foreign = [one for one in ours if "=" in one and not one.lstrip("+~").startswith(("hydra.", "hydra/", "-"))]
    if foreign:
        raise Refusal(f"{foreign[0]} cannot be changed in a multirun that is resumed: leave it out")
    name, main_name, options, of_hydra = recorded(folder)
    if name != command:
        raise Refusal(f"{folder} has runs of dlgd.{name}: type {commands.shown(name)} -m resume={folder}")
    if main_file.differs(main_name):
        raise Refusal(f"{folder} was begun with {main_file.FLAG}={main_name}: type that, too")
    again = f"type the command of the multirun again, with hydra.sweep.dir={folder}"
    named = [one for one in options if CODE.fullmatch(one)]
    if named:
        raise Refusal(
            f"{folder / RECORD} has {named[0]}, which may name code or a server, and is not taken from a file: {again}"
        )
    keys = {one.lstrip("+~").partition("=")[0] for one in ours}
    for one in of_hydra:
        key = one.lstrip("+~").partition("=")[0]
        if key in keys or key.startswith(OF_SESSION) or ("hydra/launcher" in keys and key.startswith("hydra.launcher")):
            continue
        if key == own_folders.SEARCHPATH:
            raise Refusal(f"{folder / RECORD} has {one}, which is not taken from a file: type it again, too")
        if not LAUNCHER.fullmatch(one):
            raise Refusal(f"{folder / RECORD} has {one}, which is not taken from a file: {again}")
        options.append(one)
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    return [*ours, *options, f"hydra.sweep.dir='{quoted}'"]


def recorded(folder: Path) -> tuple[str, str, list[str], list[str]]:
    """Return the command of a multirun, its main file and what was typed: options, and options of Hydra.

    Resolves nothing.
    """
    file = folder / RECORD
    try:
        values = plain(from_text(file.read_text(encoding="utf-8")) or OmegaConf.create({}), resolve=False)["hydra"]
        overrides, job = values["overrides"], values["job"]
        main_name = str(job.get("config_name", "")).removesuffix(".yaml")
        return str(job["name"]), main_name, list(map(str, overrides["task"])), list(map(str, overrides["hydra"]))
    except Exception as error:  # YAML and OmegaConf raise many kinds of errors for a damaged file
        raise Refusal(f"{file} is damaged: type the command again, with hydra.sweep.dir={folder}") from error


def find(text: str) -> Path:
    """Return the folder of a multirun from its path, or from the id of its run in MLflow."""
    folder = Path(text).expanduser()
    if not folder.is_dir():
        if len(text) != 32 or not text.isalnum():  # not an id of MLflow, whose import takes long
            raise Refusal(
                f"there is no folder {text}: give that of a multirun, such as multirun/2026-01-31/12-00-00-000000"
            )
        from dlgd.tracking.store import find_run_folder

        folder = find_run_folder(text)
    if not (folder / RECORD).is_file():
        raise Refusal(
            f"{folder} is not the folder of a multirun: it has no {RECORD}; leave out -m to resume a single run"
        )
    refuse_links(folder)
    return folder


def jobs_of(config: DictConfig) -> tuple[list[list[str]], list[Override]]:
    """Return the options of each run of the multirun that Hydra has composed, in their order, and what is varied."""
    params = config.hydra.sweeper.get("params") or {}
    words = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
    passwords.refuse_typed(words)  # references have been followed
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    options = parser.parse_overrides(words)
    return BasicSweeper.split_arguments(options, None)[0], [one for one in options if has_values(one)]


def check_and_note(folder: Path, jobs: list[list[str]]) -> None:
    """Note the runs of a multirun in its folder. Refusal where it has runs with other options; more may follow them."""
    former = read_outcomes(folder).values()
    for one in former:
        ours = jobs[one.number] if one.number < len(jobs) else []
        theirs, mine = set(one.overrides), set(ours)
        if theirs and mine != theirs:  # none are known where the file is damaged
            then, now = (" ".join(sorted(a - b)) or "no other" for a, b in ((theirs, mine), (mine, theirs)))
            raise Refusal(
                f"hydra.sweep.dir={folder} has another multirun, whose run {one.number} has {then} where this one has "
                f"{now}: type another hydra.sweep.dir, or -m resume={folder} alone to go on with that one"
            )
    if not former:
        (folder / RUN_ID_FILE).unlink(missing_ok=True)  # of a multirun none of whose runs is there
    write_text(folder / JOBS, json.dumps(jobs, indent=1))


def with_missing(folder: Path, outcomes: dict[Path, Outcome]) -> dict[Path, Outcome]:
    """Return the outcomes, and those of the runs that have not begun."""
    begun = {one.number for one in outcomes.values()}
    jobs = enumerate(json.loads((folder / JOBS).read_text()))
    missing = {folder / str(number): Outcome(number, job, "MISSING") for number, job in jobs if number not in begun}
    return dict(sorted({**outcomes, **missing}.items(), key=lambda pair: pair[1].number))
