"""The entry of each command: Hydra's, and refusals printed as one sentence. Imports nothing heavy."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dlgd.cli import multirun
from dlgd.cli.runs import refuse_lost_run, run_folder
from dlgd.core.config import plain
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF


def command(config_name: str) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Make a command of a function of the configuration conf/<config_name>.yaml."""

    def decorate(function: Callable[[DictConfig], None]) -> Callable[[], None]:
        name = Path(inspect.getfile(function)).stem

        @functools.wraps(function)
        def run(config: DictConfig) -> None:
            if multirun.in_multirun():
                multirun.run(config, name)
                return
            try:
                with multirun.error_kept():
                    missing = sorted(OmegaConf.missing_keys(config))
                    if missing:
                        raise Refusal(f"{', '.join(missing)} must be given: type {missing[0]}=... after the command")
                    function(config)
            except Refusal as refusal:
                leave(refusal)
            except KeyboardInterrupt:
                print("dlgd: interrupted; what was finished is kept", file=sys.stderr)
                sys.exit(130)

        main = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(run)

        def entry() -> None:
            OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises what it would print; printed below
            try:
                refuse_lost_run(sys.argv[1:])
                with multirun.summed_up():
                    main()
            except Refusal as refusal:
                leave(refusal)
            except KeyboardInterrupt:
                sys.exit(multirun.STOPPED)
            except (HydraException, OmegaConfBaseException, YAMLError) as error:
                from dlgd.cli.config_errors import in_a_sentence

                leave(Refusal(in_a_sentence(error, config_name)))
            except OSError as error:
                if error.filename is None:
                    raise
                leave(Refusal(f"{error.filename}: {error.strerror}; choose another folder or make room"))

        return entry

    return decorate


def leave(refusal: Refusal) -> NoReturn:
    """Say what is wrong and end with exit code 2."""
    print(f"dlgd: {refusal}", file=sys.stderr)
    sys.exit(2)


def choices() -> dict[str, str]:
    """The choice of each of our config groups: {"model": "resnet", ...}."""
    chosen = HydraConfig.get().runtime.choices
    return {
        group: str(choice) for group, choice in chosen.items() if not group.startswith("hydra/") and "@" not in group
    }


def with_evaluation(config: DictConfig) -> DictConfig:
    """The configuration with the scores and methods that fit its data, and not those among which they were chosen."""
    if "of" in config.evaluation:
        task = config.data.get("task")
        if task is None:
            raise Refusal(f"data={config.data.name} has no task to be scored by: leave evaluation= away")
        if task not in config.evaluation.of:
            raise Refusal(f"data.task={task} is unknown: choose one of {', '.join(config.evaluation.of)}")
        chosen = plain(config.evaluation)
        with open_dict(config):
            config.evaluation = {key: value for key, value in chosen.items() if key != "of"}
    return config


def output_folder() -> Path:
    """Hydra's folder of this run."""
    return Path(HydraConfig.get().runtime.output_dir)
