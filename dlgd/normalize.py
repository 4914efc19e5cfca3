"""python -m dlgd.normalize input=scales.nc grid=grid.nc output=norms.nc: exact norms in a file of another program."""

from __future__ import annotations

from omegaconf import DictConfig

from dlgd.cli import entry
from dlgd.core import checks


@entry.command("normalize")
def main(config: DictConfig) -> None:
    """Write a copy of the file with exact norms, and say how far they are from brute force."""
    from dlgd.physics.halo import Topology
    from dlgd.problems.normalization.files import saber

    checks.whole_number("check", config.check, least=0)
    given = {"input": config.input, "grid": config.grid, "output": config.output}
    source, grid, output = (checks.path(name, value) for name, value in given.items())
    found = saber.normalize(
        source,
        grid,
        output,
        topology=Topology(config.west_east, config.south_north),
        check=config.check,
        seed=config.seed,
    )
    print(f"{output}: norms of {found.nodes} nodes and {found.levels} levels")
    print(f"largest relative error of gamma^2 at {config.check} cells, against brute force: {found.worst:.1e}")


if __name__ == "__main__":
    main()
