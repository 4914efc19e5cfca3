"""NEMOVAR's files: diffusivities are read, and exact coefficients `sqtnorfac` written in the same layout.

    input    K11, K22 (1, y, x), m2: squared diffusion lengths west-east and south-north, 0 or missing at closed faces
    grid     coordinates.nc of NEMO: e1t, e2t, e1f, e2f, e1u, e2v (m), glamt, gphit (degrees)
    output   all that the input has but K11 and K22, and sqtnorfac (1, y, x), m, float64, 0 on land

as `data.nemo_netcdf` reads them. Rows and columns that repeat others (NEMO's halo) get the coefficients of those.
"""

from __future__ import annotations

import glob
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.physics import normalization
from dlgd.physics.diffusion import STEPS, Diffusion
from dlgd.physics.halo import pad_cells
from dlgd.problems.normalization.data import fields, folders, physics_check
from dlgd.problems.normalization.data.layout import LARGEST_STEPS, Layout
from dlgd.problems.normalization.data.nemo_netcdf import NemoFolder
from dlgd.problems.normalization.data.stored import Edges
from dlgd.problems.normalization.files import netcdf_copy
from dlgd.problems.normalization.files.opened import Field, Opened, Sides, refuse_no_fold

NAME = "sqtnorfac"
TOLERANCE = 1e-8  # of gamma^2, of probing
WORDS = {  # the checks are those of data=nemovar_files, some of whose options have other names here, and some of which
    physics_check.AS_IT_IS: "",  # there are not
    ", or give gamma": "",
    "data.padding.": "nemovar.",
    "data.faces": "nemovar.faces",
    "data.steps": "nemovar.steps",
    "data.grid=mercator": "south_north=closed",
    "data.grid=tripolar": "south_north=fold",
    "data.south_north": "south_north",
    "data.west_east": "west_east",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """steps: M, the even number of diffusion steps, 2 to 60.
    faces: "south_west" or "north_east": the faces of a cell on which K22 and K11 stand.
    rows, columns: of the file that are not part of the grid, on each side; null: NEMO's halo, where it is recognized.
    """

    steps: int = STEPS
    faces: str = "south_west"
    rows: int | None = None
    columns: int | None = None

    def __post_init__(self) -> None:
        checks.even_number("nemovar.steps", self.steps, least=2)
        checks.whole_number("nemovar.steps", self.steps, most=LARGEST_STEPS)
        checks.choice("nemovar.faces", self.faces, ("south_west", "north_east"))
        checks.whole_number("nemovar.rows", self.rows, least=0, null=True)
        checks.whole_number("nemovar.columns", self.columns, least=0, null=True)


def recognized(path: Path, variables: Collection[str]) -> bool:
    """Return whether both diffusivities are there."""
    return {"K11", "K22"} <= set(variables)


@dataclass(frozen=True)
class Implicit:
    """NEMOVAR's operator, whose nodes are the cells of the grid row by row."""

    operator: Diffusion

    def gamma(self) -> np.ndarray:
        """The exact coefficients (1, n), by probing."""
        return normalization.exact(self.operator, TOLERANCE).reshape(1, -1)

    def brute_force(self, cells: np.ndarray) -> np.ndarray:
        """Those of some cells, by sparse LU solves."""
        places = np.unravel_index(cells[:, 1], self.operator.sea.shape)
        return normalization.brute_force(self.operator, np.stack(places, axis=1))


@dataclass(frozen=True)
class NemovarFile:
    """What was read."""

    fields: Sequence[Field]
    inputs: Sequence[Path]
    source: Path
    operator: Diffusion
    edges: Edges
    said: Sequence[str] = field(default=())

    def outputs(self, output: Path) -> list[Path]:
        """One file."""
        return [output]

    def write(self, gamma: Mapping[str, np.ndarray], output: Path) -> None:
        """sqtnorfac, in the halo too."""
        shape, edges = self.operator.sea.shape, self.edges
        most = max(edges.south, edges.north, edges.west, edges.east)
        padded = pad_cells(np.nan_to_num(gamma[NAME]).reshape(shape), most, self.operator.topology)
        rows, columns = padded.shape
        own = padded[most - edges.south : rows - most + edges.north, most - edges.west : columns - most + edges.east]
        netcdf_copy.without(self.source, output, ("K11", "K22"), NAME, own)


def read(source: Path, grid: Path | None, sides: Sides, options: Options) -> Opened:
    """Read diffusivities and coordinates. Raises Refusal where they do not fit."""
    if grid is None:
        raise Refusal("grid must be given: NEMO's coordinates.nc with e1t, e2t, e1f, e2f, e1u, e2v, glamt and gphit")
    if not grid.is_file():
        raise Refusal(f"{grid} is not there: give NEMO's coordinates.nc")
    try:
        operator, edges = _operator(source, grid, sides, options)
    except Refusal as refusal:
        said = str(refusal)
        for theirs, ours in WORDS.items():
            said = said.replace(theirs, ours)
        raise Refusal(said) from refusal
    cells = np.flatnonzero(operator.sea.ravel())
    cells = np.stack([np.zeros_like(cells), cells], axis=1)
    return NemovarFile([Field(NAME, Implicit(operator), cells)], [source, grid], source, operator, edges)


def _operator(source: Path, grid: Path, sides: Sides, options: Options) -> tuple[Diffusion, Edges]:
    """The operator, and how many rows and columns on each side are not part of its grid."""
    names = {"diffusivities": glob.escape(source.name), "coordinates": str(grid.absolute())}
    place = source.absolute().parent
    stored = NemoFolder(place, names, {"rows": options.rows, "columns": options.columns}).read(place.name)
    folded = sides.south_north == "fold" or (sides.south_north is None and stored.edges.north > stored.edges.south)
    layout = Layout(
        grid="tripolar" if folded else "mercator",
        faces=options.faces,
        west_east=sides.west_east,
        south_north=sides.south_north,
        steps=options.steps,
    )
    if folded and stored.lat is not None and stored.lon is not None:
        refuse_no_fold(stored.lat, stored.lon, grid)
    samples = folders.assemble([stored], layout, steps=options.steps)
    (operator,) = fields.operators(samples)
    return operator, stored.edges
