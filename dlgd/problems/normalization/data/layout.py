"""What a person's files of operators do not say themselves, and options say instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.physics.halo import Topology

TOPOLOGIES = {
    "latlon": Topology("periodic", "closed"),
    "mercator": Topology("periodic", "closed"),
    "regional": Topology("closed", "closed"),
    "tripolar": Topology("periodic", "fold"),
}
FACES = ("auto", "south_west", "north_east")
FILES = {
    "coordinates": "coordinates.nc",
    "diffusivities": "Bmod_dif*.nc",
    "coefficients": "Bmod_cor_nor*.nc",
}
WEST_EAST = ("periodic", "closed")
LARGEST_STEPS = 60  # the correlation is Gaussian long before
SOUTH_NORTH = ("closed", "periodic", "fold")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Options of how files are read:

    grid: latlon or mercator (closed in the north and the south) or tripolar (folded in the north), of a folder.
    faces: "south_west" where alpha_i and alpha_j of a cell are those of its south and west faces, or "north_east". With
        "auto" they are on the faces that fit the coast of gamma better, and on south_west where there is no gamma. Of a
        folder.
    padding: `rows` and `columns` on each side that are not part of the grid; None: as many as can be recognized. Of a
        folder.
    files: names of the NetCDF files of `coordinates`, `diffusivities` and `coefficients`, with * for what varies. Of a
        folder.
    west_east: what lies beyond the west and the east side: "periodic" or "closed". None: what a NetCDF file says or
        shows itself, and periodic for a folder.
    steps: M, the even number of diffusion steps, 2 to 60. None: what a NetCDF file says itself, or that with which
        gamma is the operator's, or 10.
    check_physics: whether gamma is compared with the operator in a few dozen cells of each sample, and whether length
        scales, faces and the coast must go together; what does not is refused, with what explains it. Takes a quarter
        of a second for a sample of 1 degree.
    south_north: what lies beyond the south and the north side: "closed", "periodic" or "fold". None: what a NetCDF file
        says or shows itself, and that of the grid for a folder.
    """

    grid: str
    faces: str = "auto"
    padding: Mapping[str, int | None] = field(default_factory=lambda: {"rows": None, "columns": None})
    files: Mapping[str, str] = field(default_factory=lambda: dict(FILES))
    west_east: str | None = None
    south_north: str | None = None
    steps: int | None = None
    check_physics: bool = True

    @property
    def topology(self) -> Topology:
        """The topology of a folder's grid without its padding. Refusal where the options do not go together."""
        usual = TOPOLOGIES[self.grid]
        return Topology(self.west_east or usual.west_east, self.south_north or usual.south_north)  # pyright: ignore[reportArgumentType]

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        checks.choice("data.grid", self.grid, TOPOLOGIES)
        checks.choice("data.faces", self.faces, FACES)
        for name, value, known in (
            ("west_east", self.west_east, WEST_EAST),
            ("south_north", self.south_north, SOUTH_NORTH),
        ):
            if value is not None:
                checks.choice(f"data.{name}", value, known)
        if self.south_north == "fold" and self.west_east == "closed":
            raise Refusal("data.south_north=fold needs data.west_east=periodic")
        if self.steps is not None and (
            checks.fits(self.steps, int) is False or self.steps not in range(2, LARGEST_STEPS + 1, 2)
        ):
            raise Refusal(f"data.steps={self.steps} must be an even number from 2 to {LARGEST_STEPS}")
        if not set(self.padding) <= {"rows", "columns"}:
            raise Refusal("data.padding must give rows and columns and nothing else")
        for name, number in self.padding.items():
            checks.whole_number(f"data.padding.{name}", number, least=0, null=True)
        if not set(self.files) <= set(FILES):
            raise Refusal(f"data.files must give {', '.join(FILES)} and nothing else")
        for name, pattern in self.files.items():
            if not isinstance(pattern, str) or not pattern.endswith(".nc"):
                raise Refusal(f"data.files.{name}={pattern} must be the name of NetCDF files, ending in .nc")
