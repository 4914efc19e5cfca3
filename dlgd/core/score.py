"""The description of a score: its name, its title, its unit, and whether a higher value is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatchcase

from dlgd.core.number_format import scientific


@dataclass(frozen=True)
class Score:
    """A number by which predictions are compared.

    Each score is described once, where it is computed. Tables, figures, checkpoints, comparisons and searches all use
    this description.

    name: its key among scores; or a pattern such as accuracy_of_*, which describes several scores and has no column.
    title: its name in tables and figures.
    unit: "1" where it has none.
    higher_is_better: None where neither a higher nor a lower value is better.
    written: formats a value for a table.
    in_table: whether the score has a column in the main table, provided that any row has a value.
    in_validation: whether the validations of a training give it, so that checkpoints and searches can follow it. Other
        scores are in reports only, or come from classical methods themselves.
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
        if self.in_table and self.is_pattern:
            raise ValueError(f"The score {self.name} is a pattern and cannot have a column: in_table=False is needed.")

    @property
    def is_pattern(self) -> bool:
        """Whether it describes several scores, such as one for each class."""
        return any(sign in self.name for sign in "*?[")

    @property
    def heading(self) -> str:
        """Return the title with the unit, if there is one."""
        return self.title if self.unit == "1" else f"{self.title} ({self.unit})"

    def describes(self, name: str) -> bool:
        """Return whether it describes the score of that name."""
        return fnmatchcase(name, self.name)

    def improves(self, value: float, best: float | None) -> bool:
        """Return whether a value is better than the best so far (None: there is none yet). An equal value is not."""
        assert self.higher_is_better is not None, f"neither a higher nor a lower {self.name} is better"
        return best is None or (value > best if self.higher_is_better else value < best)
