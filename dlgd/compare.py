"""python -m dlgd.compare experiment=normalization/skip_connections: an experiment's table, from its runs in MLflow.

The rows are the runs of `python -m dlgd.train -m experiment=...`. With runs.experiment=, runs.tag=, runs.filter=,
runs.ids= or runs.parent= the table has any runs, of networks and classical methods:
python -m dlgd.compare runs.experiment=nemovar.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from dlgd.cli import entry
from dlgd.core.errors import Refusal
from dlgd.results.command_line import any_given, folder_name

OmegaConf.register_new_resolver("compared", folder_name, replace=True)


@entry.command("compare")
def main(config: DictConfig) -> None:
    """Find the runs of a table, print it, and write it with its figures."""
    if "uri" not in config.tracking:
        raise Refusal("runs are found in MLflow, which tracking=off does not use: type another tracking")
    if any_given(config.runs):
        from dlgd.results.runs_table import compare_runs

        compare_runs(config)
    else:
        from dlgd.results.experiment_table import compare_experiment

        compare_experiment(config)


if __name__ == "__main__":
    main()
