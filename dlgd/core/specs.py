"""Descriptions of certain data sets: pictures, maps to be interpolated, sequences, fields on staggered grids.

Code that needs the facts of one of them checks the description with `isinstance`, and refuses other data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlgd.core.contract import Scaling, Spec

if TYPE_CHECKING:
    from dlgd.physics.integrators import Dynamics

# Groups of input channels of inverse problems; each has a channel for each state variable, or for each day of maps.
FIRST_GUESS = "first_guess"  # the estimate from which networks start; 0 where there is none
OBSERVATIONS = "observations"  # 0 where nothing is observed
OBSERVED = "observed"  # 1 where something is observed, else 0
INVERSE = (FIRST_GUESS, OBSERVATIONS, OBSERVED)
# Further groups of input channels of maps.
SEA = "sea"  # one channel: 1, and 0 on land and beyond the boundary
COORDINATES = "coordinates"  # place and time of the cell; only on request
SST = "sst"  # a second quantity, the temperature of the sea's surface, a channel for each day: 0 where it is not known
SST_KNOWN = "sst_known"  # 1 where the temperature is known, else 0: below clouds and on land
# The group of input channels from which other fields of the sea are inferred: heights of its surface, one for each day.
SURFACE = "surface"


@dataclass(frozen=True, kw_only=True)
class MapSpec(Spec):
    """Maps to be interpolated from observations.

    The groups of input channels are those of INVERSE, with a channel for each of `days` days, SEA, and possibly SST and
    SST_KNOWN, of as many days, and COORDINATES. The output channels are all days, or the day in the middle.
    """

    kind: str = "field"
    days: int  # that a network sees, an odd number

    @property
    def predicted_days(self) -> slice:
        """The days of the output channels, among those that a network sees."""
        first = (self.days - len(self.output_channels)) // 2
        return slice(first, first + len(self.output_channels))

    @property
    def further_groups(self) -> list[str]:
        """The groups besides INVERSE, which say more of a cell: SEA, and then the others by name."""
        return sorted(set(self.input_groups) - set(INVERSE), key=lambda name: (name != SEA, name))


@dataclass(frozen=True, kw_only=True)
class SequenceSpec(Spec):
    """Series of states, to be continued (forecasts) or to be estimated from observations (assimilation).

    For an estimate, `context_steps` is 0 and the first groups of input channels are those of INVERSE.
    """

    kind: str = "sequence"
    context_steps: int  # known steps at the beginning of the input; the later steps are 0 there, and are the target
    dt: float  # time between two steps, in the units of `dynamics`
    dynamics: Dynamics | None = None  # the equations of the system, in physical units


@dataclass(frozen=True, kw_only=True)
class ImageSpec(Spec):
    """Whole pictures, to be classified, restored or generated.

    shown: the group of input channels with the true picture, perhaps with noise or gaps; None if the input is a class.
    content: what the pictures show, in the plural.
    mirror_symmetric: whether a mirror image of a picture shows the same kind of thing.
    """

    whole: bool = True
    shown: str | None
    content: str = "images"
    mirror_symmetric: bool = True


@dataclass(frozen=True)
class Staggered:
    """Two input channels of one quantity that is defined on the faces between cells.

    south, west: the channels with the values on the south face and on the west face of each cell.
    south_scaling, west_scaling: of the two channels.
    antisymmetric: whether the quantity is a difference across the face, from the neighbouring cell to the cell itself.
        Such a quantity changes its sign when the face is seen from the other cell.
    """

    south: str
    west: str
    south_scaling: Scaling = field(default_factory=Scaling)
    west_scaling: Scaling = field(default_factory=Scaling)
    antisymmetric: bool = False


@dataclass(frozen=True, kw_only=True)
class StaggeredGridSpec(Spec):
    """Fields on a staggered grid (Arakawa's C grid): some channels are defined on faces, or have a direction.

    A change of the grid, such as a mirror image, must move or exchange these channels.
    """

    kind: str = "field"
    staggered: tuple[Staggered, ...] = ()  # all other channels are defined at the centres of cells
    directional: tuple[tuple[str, str], ...] = ()  # pairs (south-north, west-east), which a rotated grid exchanges
    # Input channels that are set to 0 on land after scaling. A cell is land where all of them are 0, and a face that
    # touches land has the physical value 0.
    zeroed_on_land: tuple[str, ...] = ()
