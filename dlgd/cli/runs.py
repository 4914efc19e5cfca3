"""The folders and configurations of existing runs, and their ids in MLflow. Imports nothing heavy."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlgd.core import checks, trust
from dlgd.core.config import PARTS, check_parts, from_text, plain
from dlgd.core.errors import Refusal
from dlgd.core.files import refuse_links, write_text
from dlgd.core.paths import shipped

CONFIG = "config.yaml"  # in the folder of a run
LAST = Path("checkpoints", "last.pt")  # has the configuration too
# What every configuration of a training has, the last of them at the end of the file.
NEEDED = ("seed", *PARTS)
NEEDED_BY_METHODS = ("seed", "evaluation", "data", "baseline", "tracking", "choices")  # the same, of a classical method

log = logging.getLogger(__name__)


def find_trained(text: object, config: DictConfig, option: str = "run") -> tuple[Path, DictConfig | None]:
    """Return a run folder and its configuration, or a checkpoint file and None.

    text: the path of either, or of a file that dlgd has in experiments/, or the id of a run in the MLflow of
        `config`. option: its name, for a message.
    """
    text = str(text) if isinstance(text, int) else text  # an id without letters
    file = shipped(checks.path(option, text))
    if file.is_file():
        return file, None
    folder = find_run(str(text), OmegaConf.select(config, "tracking.uri"))
    return folder, read_config(folder)


def find_run(text: str, uri: str | None = None) -> Path:
    """Return a run's folder from its path, or from its id in the MLflow at `uri`. Refusal where there is none."""
    folder = Path(text).expanduser()
    if not folder.is_dir():
        from dlgd.tracking.store import find_run_folder

        if len(text) != 32 or not text.isalnum():  # not an id of MLflow, whose import takes long
            raise Refusal(f"there is no run folder {text}: give one such as outputs/<day>/<time>")
        folder = find_run_folder(text, uri=uri)
    if not ((folder / CONFIG).is_file() or (folder / LAST).is_file()):
        hint = "; it is that of a multirun: type -m to resume it" if (folder / "multirun.yaml").is_file() else ""
        raise Refusal(f"{folder} is not a run folder: it has neither {CONFIG} nor {LAST}{hint}")
    refuse_links(folder)
    return folder


def refuse_lost_run(arguments: list[str]) -> None:
    """Refuse `resume=` of a run that does not exist, before Hydra makes a folder for the command."""
    typed = {key: value for key, _, value in (argument.partition("=") for argument in arguments)}
    if typed.get("resume", "null") not in ("", "null"):
        uri = typed.get("tracking.uri", "null")
        find_run(typed["resume"].strip("'\""), None if uri in ("", "null") else uri.strip("'\""))


def run_folder(resume: str | None, uri: str | None, new: str) -> str:
    """Return the folder of the run that is resumed, else a new one; `${run_folder:...}` in YAML."""
    return new if resume is None else str(find_run(resume, uri))


def run_id(folder: Path) -> str | None:
    """Return the MLflow id of the run in this folder, if it has one."""
    from dlgd.tracking.store import read_run_id

    return read_run_id(folder)


def read_config(folder: Path) -> DictConfig:
    """Return the configuration of a run, with present names. Refusal where it names what is not to be trusted."""
    try:
        values = recorded_values(folder)
    except Refusal as damage:
        values = _values_in_last(folder, damage)
    return OmegaConf.create(trust.loaded(values, folder / CONFIG))


def recorded_values(folder: Path) -> dict[str, Any]:
    """Return the configuration in a run's folder as plain values. Refusal where it is damaged or cut."""
    file = folder / CONFIG
    try:
        text = file.read_text(encoding="utf-8")
        config = from_text(text) if text.strip() else OmegaConf.create({})
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror})") from error
    except Exception as error:  # YAML and OmegaConf raise many kinds of errors for a damaged file
        raise Refusal(f"{file} is damaged ({' '.join(str(error).split())[:100]})") from error
    if config is None:
        raise Refusal(f"{file} is damaged (it holds no names with values)")
    lacking = [name for name in (NEEDED_BY_METHODS if "baseline" in config else NEEDED) if name not in config]
    if lacking or not text.endswith("\n"):
        raise Refusal(f"{file} is not whole ({f'it lacks {lacking[0]}' if lacking else 'its last line is cut'})")
    values = plain(config, resolve=False)
    check_parts(values, file)
    return values


def _values_in_last(folder: Path, damage: Refusal) -> dict[str, Any]:
    """Return the configuration that the newest checkpoint of a run has, in place of a damaged one."""
    from dlgd.training import checkpoint

    last = checkpoint.last_path(folder)
    try:
        values = checkpoint.load(last).config
    except Refusal as error:
        raise Refusal(f"{damage}, and no {last} has its values: give another run, or a checkpoint file") from error
    log.warning("%s: its values are taken from %s", damage, last)
    return {key: value for key, value in values.items() if key != "statistics"}  # of the data, not an option


def resumed_config(folder: Path, overrides: list[str]) -> DictConfig:
    """Return the configuration of a run with the values that are typed now. Choices of groups cannot be changed."""
    config = read_config(folder)
    for override in overrides:
        key, _, _ = override.partition("=")
        if key.lstrip("+") in ("resume", trust.OPTION):
            continue
        if "." not in key and isinstance(OmegaConf.select(config, key), DictConfig | type(None)):
            raise Refusal(
                f"{override} cannot be changed in a resumed run: change single values such as training.minutes"
            )
        if OmegaConf.select(config, key.lstrip("+~"), throw_on_missing=False) is None and not _exists(config, key):
            raise Refusal(f"{key} is not an option of the resumed run")
        config.merge_with_dotlist([override])
    server = _server_of_its_own(config)
    if server is not None and not any(one.startswith("tracking.uri=") for one in overrides):
        raise Refusal(
            f"{folder} records in {server}, which neither this command nor MLFLOW_TRACKING_URI names: type "
            f"tracking.uri={server} to send its records, and MLflow's password if you have set one, there; or "
            "tracking.uri=null"
        )
    return config


def typed_again(config: DictConfig) -> str:
    """Return what must be typed beside resume=<folder> of a run with this configuration; mostly nothing."""
    server = _server_of_its_own(config)
    return trust.typed_again(config) + ("" if server is None else f" tracking.uri={server}")


def _server_of_its_own(config: DictConfig) -> str | None:
    """Return the server in which a run records, if only its configuration names it, as it can be shown."""
    from dlgd.tracking import store

    uri = OmegaConf.select(config, "tracking.uri")
    return store.foreign_server(str(uri)) if uri else None


def _exists(config: DictConfig, key: str) -> bool:
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return isinstance(node, DictConfig) and name in node


def write_config(config: DictConfig, folder: Path) -> None:
    """Write the resolved configuration into the run folder."""
    try:
        write_text(folder / CONFIG, OmegaConf.to_yaml(config, resolve=True))
    except OSError as error:
        raise Refusal(f"nothing can be written in {folder} ({error.strerror}): choose another hydra.run.dir") from error
