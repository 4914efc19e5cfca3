"""python -m dlgd.normalize input=scales.nc grid=grid.nc output=norms.nc: exact norms in a file of another program."""

from __future__ import annotations

from omegaconf import DictConfig

from dlgd.cli import entry
from dlgd.cli.output_file import output_file
from dlgd.core import checks


@entry.command("normalize")
def main(config: DictConfig) -> None:
    """Write a copy of the file with exact norms, and say how far they are from brute force."""
    from dlgd.physics.halo import Topology
    from dlgd.problems.normalization.files import saber

    checks.whole_number("check", config.check, least=0)
    checks.whole_number("seed", config.seed, least=0)
    source, grid = checks.path("input", config.input), checks.path("grid", config.grid)
    output = output_file(config.output, source, grid)
    found = saber.normalize(
        source,
        grid,
        output,
        topology=Topology(config.west_east, config.south_north),
        check=config.check,
        seed=config.seed,
    )
    print(f"{output}: norms of {found.nodes} nodes and {found.levels} levels")
    if found.cells:
        print(f"largest relative error of gamma^2 at {found.cells} cells, against brute force: {found.worst:.1e}")


if __name__ == "__main__":
    main()
