"""python -m dlgd.simulate data=nemovar: make the cached samples of a data set, or complete them."""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from dlgd.cli import entry

log = logging.getLogger(__name__)


@entry.command("simulate")
def main(config: DictConfig) -> None:
    """Make the samples. After an interruption, the same command continues."""
    from dlgd.core.constants import SPLITS
    from dlgd.core.paths import cache_folder
    from dlgd.interface.data import Data

    source = Data(config).prepare().source
    counts = ", ".join(f"{source.samples(split).sizes['sample']} {split}" for split in SPLITS)
    log.info(
        "data=%s is ready in %s: %s samples, checksum %s", config.data.name, cache_folder(), counts, source.checksum()
    )


if __name__ == "__main__":
    main()
