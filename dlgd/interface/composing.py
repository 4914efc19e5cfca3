"""A command's configuration, composed and in force in a process that is not the command's: a notebook, a program.

Hydra keeps its state in single objects of the process. A call of the interface has its own ones, and gives back those
that it found: it may be made many times, and within a program that uses Hydra itself. Two threads cannot call at once.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from dlgd.cli import entry, own_folders, run_folder, runs
from dlgd.cli.config_errors import refusal_of
from dlgd.cli.typed_choices import before_experiment
from dlgd.cli.typed_options import refuse_misformed
from dlgd.core import lost_output, passwords, trust
from dlgd.core.config import plain
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.results.command_line import folder_name

NOTHING = trust.Allowed()
RESOLVERS = {"run_folder": runs.run_folder, "compared": folder_name}  # of the files of conf/

_one_thread = threading.RLock()  # for Hydra's state, which is one for the whole process


@contextmanager
def in_sentences(config_name: str) -> Iterator[None]:
    """Return a context whose errors are a `Refusal` with the sentence that the command prints, where it prints one."""
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        refusal = refusal_of(error, config_name)
        if refusal is None:
            raise
        raise refusal from None  # which says all: a notebook would show the inner lines of Hydra above it


@contextmanager
def composed(
    config_name: str, words: Sequence[str], *, allowed: trust.Allowed = NOTHING, takes_folder: bool = False
) -> Iterator[DictConfig]:
    """Give the configuration conf/<config_name>.yaml with these words, checked as that of the command, and in force.

    What it names may be called within this context, as if it were typed; see `trust.now_allowed`.

    allowed: what may be called besides.
    takes_folder: whether the folder of the run is made, and locked for the time of the context.
    """
    with (
        _alone(),
        lost_output.dropped(),
        in_sentences(config_name),
        trust.only(allowed),
        own_folders.kept(),
        _own_state(),
    ):
        passwords.refuse_typed(words)
        words = own_folders.take(words, config_name)
        refuse_misformed(words, config_name)
        words = before_experiment(words)
        runs.refuse_lost_run(list(words))
        whole = _compose(config_name, words)
        passwords.refuse(plain(whole, resolve=False))
        lock = run_folder.taken(whole, config_name, may_replace=False, new=True) if takes_folder else None
        try:
            config = copy.deepcopy(whole)
            with read_write(config), open_dict(config):
                del config["hydra"]
            entry.check(config)
            yield config
        finally:
            if lock is not None:
                lock.release()


@contextmanager
def _alone() -> Iterator[None]:
    """Return a context for one thread at a time; a call may be made within another one of the same thread."""
    if not _one_thread.acquire(blocking=False):
        raise Refusal("another thread is in a call of dlgd, such as a training, and two cannot be: wait for its end")
    try:
        yield
    finally:
        _one_thread.release()


@contextmanager
def _own_state() -> Iterator[None]:
    """Return a context in which Hydra's state, and OmegaConf's resolvers of our names, are our own."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.singleton import Singleton
    from hydra.core.utils import JobRuntime
    from hydra.version import VersionBase
    from omegaconf.basecontainer import BaseContainer

    of_a_program = (GlobalHydra, HydraConfig, JobRuntime, VersionBase)  # each is made when it is first asked for
    made, resolvers = Singleton._instances, BaseContainer._resolvers
    before: dict[type, Singleton] = {kind: made.pop(kind) for kind in of_a_program if kind in made}
    theirs = {name: resolvers[name] for name in RESOLVERS if name in resolvers}
    for name, function in RESOLVERS.items():
        OmegaConf.register_new_resolver(name, function, replace=True)
    try:
        yield
    finally:
        for kind in of_a_program:
            made.pop(kind, None)
        made.update(before)
        for name in RESOLVERS:
            OmegaConf.clear_resolver(name)
        resolvers.update(theirs)


def _compose(config_name: str, words: Sequence[str]) -> DictConfig:
    """Return the configuration with Hydra's own part, which `HydraConfig.get()` gives from now on."""
    import hydra
    from hydra.core.hydra_config import HydraConfig

    hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name=config_name)
    whole = hydra.compose(config_name, list(words), return_hydra_config=True)
    HydraConfig.instance().set_config(whole)  # the folder may name choices: ${hydra:runtime.choices...}
    folder = Path(str(OmegaConf.select(whole, "hydra.run.dir"))).absolute()
    with read_write(whole.hydra.runtime), open_dict(whole.hydra.runtime):
        whole.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(whole)
    return whole
