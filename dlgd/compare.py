"""python -m dlgd.compare experiment=normalization/skip_connections: an experiment's table, from its runs in MLflow.

The rows are the runs of `python -m dlgd.train -m experiment=...`. With runs.experiment=, runs.tag=, runs.filter=,
runs.ids= or runs.parent= the table has any runs, of networks and classical methods:
python -m dlgd.compare runs.experiment=nemovar.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from dlgd.cli import entry
from dlgd.core.interruption import say
from dlgd.interface import comparing
from dlgd.results.command_line import folder_name

OmegaConf.register_new_resolver("compared", folder_name, replace=True)


@entry.command("compare")
def main(config: DictConfig) -> None:
    """Find the runs of a table, print it, and write it with its figures."""
    missing = comparing.missing_runs(config)
    if missing:
        say(f"dlgd: {missing}\n")
    table = comparing.table_of(config)
    folder = entry.output_folder()
    table.write(folder)
    table.show()
    print(f"everything is in {folder}")


if __name__ == "__main__":
    main()
