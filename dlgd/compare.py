"""python -m dlgd.compare experiment=normalization/skip_connections: an experiment's table, from its runs in MLflow.

The rows are what `python -m dlgd.train -m experiment=...` goes through. With runs.experiment=, runs.tag=, runs.filter=,
runs.ids= or runs.parent= the table is of those runs, whatever they are, networks and classical methods:
python -m dlgd.compare runs.experiment=nemovar.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from dlgd.cli import entry
from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.results.command_line import any_given, folder_name

OmegaConf.register_new_resolver("compared", folder_name, replace=True)


@entry.command("compare")
def main(config: DictConfig) -> None:
    """Find the runs of the table; print it, and write it with its figures."""
    from dlgd.core.contract import SPLITS

    checks.choice("split", config.split, SPLITS)
    if "uri" not in config.tracking:
        raise Refusal("runs are found in MLflow, where tracking=off leaves none: type another tracking")
    if any_given(config.runs):
        from dlgd.results.runs_table import compare_runs

        compare_runs(config)
    else:
        from dlgd.results.experiment_table import compare_experiment

        compare_experiment(config)


if __name__ == "__main__":
    main()
