"""What only some data sets tell: of pictures, of maps to be interpolated, of sequences, of staggered grids.

Who needs such facts asks with `isinstance` whether the data have them, and refuses other data in one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlgd.core.contract import Scaling, Spec

if TYPE_CHECKING:
    from dlgd.physics.integrators import Dynamics

# Groups of input channels wherever something is to be estimated from observations; each has a channel for each state
# variable, or for each day of maps.
FIRST_GUESS = "first_guess"  # what networks start from; 0 where there is none
OBSERVATIONS = "observations"  # 0 where nothing is observed
OBSERVED = "observed"  # 1 where something is observed, else 0
INVERSE = (FIRST_GUESS, OBSERVATIONS, OBSERVED)
# Groups of maps besides these.
SEA = "sea"  # one channel: 1, and 0 on land and beyond the boundary
COORDINATES = "coordinates"  # where the cell is, and when: only if the data are asked for it


@dataclass(frozen=True, kw_only=True)
class MapSpec(Spec):
    """Maps to be interpolated from observations.

    The groups of input channels are those of INVERSE, with a channel for each of `days` days, SEA, and perhaps
    COORDINATES. The output channels are all days, or the one in the middle.
    """

    kind: str = "field"
    days: int  # that a network sees, an odd number

    @property
    def predicted_days(self) -> slice:
        """Of the days that a network sees, those of the output channels."""
        first = (self.days - len(self.output_channels)) // 2
        return slice(first, first + len(self.output_channels))

    @property
    def place_groups(self) -> list[str]:
        """The groups that say where a cell is, and when: SEA, and then the others by name."""
        return sorted(set(self.input_groups) - set(INVERSE), key=lambda name: (name != SEA, name))


@dataclass(frozen=True, kw_only=True)
class SequenceSpec(Spec):
    """Series of states, which are to be continued, or to be estimated from observations.

    Where they are to be estimated, `context_steps` is 0 and the groups of input channels are those of INVERSE.
    """

    kind: str = "sequence"
    context_steps: int  # leading steps of the input that are known; the others are 0, and are the target
    dt: float  # time between two steps, in the units of `dynamics`
    dynamics: Dynamics | None = None  # the equations behind them, in physical units


@dataclass(frozen=True, kw_only=True)
class ImageSpec(Spec):
    """Whole pictures: to be told apart, to be restored, or new ones to be made.

    `shown` is the group of input channels in which the true picture is seen, whole, noisy or where it is observed; None
    where the input is a class. `content` says in the plural what the pictures show, and `mirror_symmetric` whether
    their mirror images show such things too.
    """

    whole: bool = True
    shown: str | None
    content: str = "pictures"
    mirror_symmetric: bool = True


@dataclass(frozen=True)
class Staggered:
    """Two input channels of one quantity that stands on the faces between cells, not in the cells.

    At each cell `south` holds the value of the cell's south face and `west` that of its west face, each less
    the mean and over the std of its own scaling. `antisymmetric` is a difference across the face, from the neighbour's
    cell to the cell's own: it changes its sign when the face becomes that of the other cell.
    """

    south: str
    west: str
    south_scaling: Scaling = field(default_factory=Scaling)
    west_scaling: Scaling = field(default_factory=Scaling)
    antisymmetric: bool = False


@dataclass(frozen=True, kw_only=True)
class StaggeredGridSpec(Spec):
    """Fields on a staggered grid (Arakawa's C grid): some channels stand on faces between cells, or have a direction.

    A change of the grid, such as a mirror image, must move or exchange these channels to stay true.
    """

    kind: str = "field"
    staggered: tuple[Staggered, ...] = ()  # every other channel stands at the centre of its cell
    directional: tuple[tuple[str, str], ...] = ()  # (south-north, west-east) of these, say: a turned grid swaps them
    # input channels that are set to 0 on land after scaling; a cell is land where all of them are 0, and a
    # face that touches land has the physical value 0
    zeroed_on_land: tuple[str, ...] = ()
