"""The entry of each command: Hydra composes its configuration, and refusals are printed. Imports nothing heavy."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from dlgd.cli import completion, data_options, main_file, multirun, multirun_resume, own_folders
from dlgd.cli.run_folder import leave_if_refused
from dlgd.cli.runs import refuse_lost_run, run_folder
from dlgd.cli.swept_groups import for_each_run
from dlgd.cli.typed_choices import before_experiment
from dlgd.cli.typed_options import flags_last, refuse_misformed
from dlgd.core import checks, early_stop, lost_output, passwords, threads, trust
from dlgd.core.config import plain
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.interruption import STOPPED, interruptible, say
from dlgd.core.paths import CONF


def command(config_name: str) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Make a command of a function of the configuration conf/<config_name>.yaml."""

    def decorate(function: Callable[[DictConfig], None]) -> Callable[[], None]:
        name = Path(inspect.getfile(function)).stem

        @functools.wraps(function)
        def run(config: DictConfig) -> None:
            if multirun.in_multirun():
                take_trust(config)
                passwords.refuse(plain(config))
                multirun.run(config, name, config_name)
                return
            try:
                with multirun.error_written(main_file.read(config_name)):
                    check(config)
                    function(config)
            except KeyboardInterrupt:
                say("dlgd: stopped; type the same command again: what was finished is not done twice\n")
                sys.exit(STOPPED)
            except Exception as error:
                leave_if_refused(error, main_file.read(config_name))
                raise

        main = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(run)

        def entry() -> None:
            OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises what it would print
            threads.wait_briefly()
            try:
                early_stop.remove()
                with interruptible(), lost_output.dropped():
                    passwords.refuse_typed(sys.argv[1:])
                    refuse_pickled(sys.argv[1:])
                    import_from_here()
                    if completion.asked(sys.argv[1:]):
                        completion.serve(sys.argv[1:], config_name, main)
                        return
                    sys.argv[1:] = own_folders.take(sys.argv[1:], config_name)
                    sys.argv[1:] = main_file.take(sys.argv[1:], config_name)
                    sys.argv[1:] = multirun_resume.arguments(sys.argv[1:], name)
                    refuse_misformed(sys.argv[1:], main_file.read(config_name))
                    sys.argv[1:] = data_options.take(sys.argv[1:], main_file.read(config_name))
                    refuse_lost_run(sys.argv[1:])
                    sys.argv[1:] = flags_last(before_experiment(for_each_run(sys.argv[1:])))
                    with multirun.summed_up():
                        main()
            except KeyboardInterrupt:
                sys.exit(STOPPED)
            except Exception as error:
                leave_if_refused(error, main_file.read(config_name))
                raise

        return entry

    return decorate


def refuse_pickled(arguments: list[str]) -> None:
    """Refuse Hydra's --experimental-rerun, also abbreviated: it unpickles the file, which may then do anything."""
    for argument in arguments:
        flag = argument.partition("=")[0]
        if len(flag) > len("--e") and "--experimental-rerun".startswith(flag):
            raise Refusal(f"{flag} would run whatever its file says: type resume=<run folder> to go on with a run")


def import_from_here() -> None:
    """Let Python find modules in the working folder, last, as `python -m dlgd.train` lets it: dlgd-train does not."""
    if not sys.flags.safe_path and not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())


def check(config: DictConfig) -> None:
    """Refuse, in the configuration of a command, what is wrong for each of them. Takes `trust` out of it."""
    take_trust(config)
    refuse_task(config)  # before references to it are followed
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise Refusal(f"{', '.join(missing)} must be given: type {missing[0]}=... after the command")
    passwords.refuse(plain(config))
    if "split" in config:
        checks.choice("split", config.split, SPLITS)


def take_trust(config: DictConfig) -> None:
    """Allow what the configuration of this command names, and the packages of the option `trust`.

    trust: names of a person's own packages or modules; what they define may be called by the runs that this command
    loads. It is taken out of the configuration, so that it is recorded nowhere, and it must be typed: a file cannot
    give it.
    """
    with open_dict(config):
        packages = config.pop(trust.OPTION, [])
    overrides = HydraConfig.get().overrides.task
    if packages and not any(one.lstrip("+").startswith(f"{trust.OPTION}=") for one in overrides):
        raise Refusal(f"{trust.OPTION} stands in a file: it is for one command at a time, so type it")
    trust.allow_packages(list(packages) if OmegaConf.is_list(packages) else packages)
    trust.allow_folders(own_folders.own())
    trust.allow_typed(config)


def choices() -> dict[str, str]:
    """Return the choice of each of our config groups: {"model": "resnet", ...}."""
    found = HydraConfig.get().runtime.choices
    return {
        group: str(choice) for group, choice in found.items() if not group.startswith("hydra/") and "@" not in group
    }


def with_evaluation(config: DictConfig) -> DictConfig:
    """Replace the evaluations among which the task of the data chooses by the one that it chooses."""
    if "of" in config.evaluation:
        refuse_task(config)
        resolved = plain(config.evaluation)
        with open_dict(config):
            config.evaluation = {key: value for key, value in resolved.items() if key != "of"}
    return config


def refuse_task(config: DictConfig) -> None:
    """Refuse a task of the data that the evaluation does not know, where it is one that chooses by the task."""
    if config.get("data") is None or "of" not in (config.get("evaluation") or {}):
        return
    task = config.data.get("task")
    if task is None:
        raise Refusal(f"data={config.data.name} has no task, which this evaluation needs: leave out evaluation=...")
    checks.choice("data.task", task, config.evaluation.of)


def output_folder() -> Path:
    """Return Hydra's folder of this run."""
    return Path(HydraConfig.get().runtime.output_dir)
