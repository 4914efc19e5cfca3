"""The settings of a run that cannot change its scores: where it is made and recorded, and what is printed beside it.

Runs that differ in them alone share a row of a table, and a search may go on with others.
"""

from __future__ import annotations

# Each with all that lies below it: "tracking" is tracking=mlflow and tracking.uri=... as well.
SETTINGS = (
    "choices",  # names of the choices of all groups; what is in the files is compared itself
    "device",  # rounds in another way, as a new version of a library does; tables say on which devices their runs were
    "evaluation.by",  # lists from which the methods and printed rows beside a network are taken
    "evaluation.methods",
    "evaluation.printed",
    "evaluation.scores.animation",
    "evaluation.scores.published",
    "init_loaded",  # follows from init_from
    "resume",  # goes on as if there had been no interruption
    "table",  # of an experiment's file
    "tracking",
    "training.checkpoint_minutes",
    "training.log_every",
)
NAMES = ("evaluation", "experiment")  # of choices whose options are compared themselves


def changes_no_score(key: str) -> bool:
    """Whether a setting, such as "training.log_every", cannot change a score."""
    return key in NAMES or any(key == one or key.startswith(f"{one}.") for one in SETTINGS)
