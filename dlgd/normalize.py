"""python -m dlgd.normalize input=scales.nc grid=grid.nc output=norms.nc: exact norms in a file of another program."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from dlgd.cli import entry
from dlgd.cli.output_file import output_file
from dlgd.core import checks
from dlgd.core.config import plain

CHECK_FAILED = 1  # the exit code where brute force differs by more than the tolerance, and nothing is written


@entry.command("normalize")
def main(config: DictConfig) -> None:
    """Write exact norms in the layout of the file, and say how far they are from brute force."""
    from dlgd.problems.normalization.files import formats
    from dlgd.problems.normalization.files.opened import Sides

    checks.whole_number("check", config.check, least=0)
    checks.number("tolerance", config.tolerance, above=0, most=1)
    checks.whole_number("seed", config.seed, least=0)
    source, output = checks.path("input", config.input), checks.path("output", config.output)
    grid = None if config.grid is None else checks.path("grid", config.grid)
    options = {name: plain(config[name]) for name in formats.FORMATS}
    sides = Sides(config.west_east, config.south_north)
    name, opened = formats.read(source, grid, sides, name=config.format, options=options)
    written = [output_file(str(path), *opened.inputs) for path in opened.outputs(output)]
    found = formats.exact(opened, check=config.check, seed=config.seed)
    for sentence in (f"{source}: read as {name}", *opened.said, *found.sentences()):
        print(sentence)
    if config.check and not found.worst <= config.tolerance:
        print(f"this is more than tolerance={config.tolerance:g}: nothing is written")
        sys.exit(CHECK_FAILED)
    opened.write(found.gamma, output)
    print(f"written: {', '.join(map(str, written))}")


if __name__ == "__main__":
    main()
