"""python -m dlgd.compare experiment=normalization/skip_connections: an experiment's table, from its runs in MLflow.

The rows are the runs of `python -m dlgd.train -m experiment=...`. With runs.experiment=, runs.tag=, runs.filter=,
runs.ids= or runs.parent= the table has any runs, of networks and classical methods:
python -m dlgd.compare runs.experiment=nemovar.
"""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from dlgd.cli import entry
from dlgd.core import passwords
from dlgd.core.errors import Refusal
from dlgd.results.command_line import any_given, folder_name

NAMED = 10  # folders of runs that MLflow lacks

OmegaConf.register_new_resolver("compared", folder_name, replace=True)


@entry.command("compare")
def main(config: DictConfig) -> None:
    """Find the runs of a table, print it, and write it with its figures."""
    if "uri" not in config.tracking:
        raise Refusal("runs are found in MLflow, which tracking=off does not use: type another tracking")
    say_what_is_missing(config.tracking.uri)
    if any_given(config.runs):
        from dlgd.results.runs_table import compare_runs

        compare_runs(config)
    else:
        from dlgd.results.experiment_table import compare_experiment

        compare_experiment(config)


def say_what_is_missing(uri: str | None) -> None:
    """Say which runs in the working folder have not reached the MLflow that is asked."""
    from dlgd.tracking import late, store

    folders = [one for one in map(Path, ("outputs", "multirun")) if one.is_dir()]
    where = store.locate(uri)
    shown = passwords.shown(where)
    missing = [str(folder) for folder, record in late.unsent(folders).items() if record.uri == shown]
    if missing:
        named = ", ".join(missing[:NAMED]) + (f" and {len(missing) - NAMED} more" if len(missing) > NAMED else "")
        print(
            f"dlgd: {len(missing)} runs are not or not wholly in MLflow at {shown}: {named}; "
            f"send them by {store.send_command(where)}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
