"""python -m dlgd.baseline baseline=randomization data=nemovar: score a classical method as networks are scored."""

from __future__ import annotations

from omegaconf import DictConfig

from dlgd.cli import entry
from dlgd.interface.method import score_method


@entry.command("baseline")
def main(config: DictConfig) -> None:
    """Build the method, prepare the data, score the method, and record the run."""
    score_method(config, printed=True)


if __name__ == "__main__":
    main()
