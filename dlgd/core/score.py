"""What a score is called, and whether a higher one is better: said once, by whoever gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatchcase

from dlgd.core.number_format import scientific


@dataclass(frozen=True)
class Score:
    """A number by which answers are compared. Tables, figures, checkpoints, comparisons and searches all read here what
    it is called and whether a higher one is better.

    name: its key among scores; or a pattern, accuracy_of_*, where an evaluation makes names. A pattern has no column.
    unit: "1" where it has none.
    higher_is_better: None where neither a higher nor a lower one is.
    written: how a number stands in a table.
    in_table: whether the score has a column in the main table, where any row has a number.
    in_validation: whether the validations of a training give it, so that checkpoints and searches can follow it; others
        stand in reports only, or come from classical methods themselves.
    """

    name: str
    title: str
    unit: str = "1"
    _: KW_ONLY
    higher_is_better: bool | None
    written: Callable[[float], str] = scientific
    in_table: bool = True
    in_validation: bool = True

    def __post_init__(self) -> None:
        if self.in_table and any(sign in self.name for sign in "*?["):
            raise ValueError(f"The score {self.name} is a pattern and cannot have a column: in_table=False is needed.")

    @property
    def heading(self) -> str:
        """The title with the unit, if there is one."""
        return self.title if self.unit == "1" else f"{self.title} ({self.unit})"

    def describes(self, name: str) -> bool:
        """Whether it is the score of that name, or a pattern that fits it."""
        return fnmatchcase(name, self.name)

    def improves(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far (None: there is none yet). Of equals, the first is best."""
        assert self.higher_is_better is not None, f"neither a higher nor a lower {self.name} is better"
        return best is None or (value > best if self.higher_is_better else value < best)
