"""The settings of a run that do not change its scores: where it is done and recorded, and what is compared with it.

Runs that differ only in these settings share a row of a table, and a search can be continued with other values of them.
"""

from __future__ import annotations

# Each includes the options below it: "tracking" stands for tracking=mlflow and tracking.uri=... alike.
SETTINGS = (
    "choices",  # names of the choices of all groups; the options in their files are compared instead
    "data.check_physics",  # refuses files or does not
    "device",  # changes the rounding only; tables name the devices of their runs
    "evaluation.by",  # the methods for each data set; like the next three, only beside the network
    "evaluation.methods",
    "evaluation.printed",
    "evaluation.published",
    "evaluation.scores.animation",
    "evaluation.scores.published",
    "init_loaded",  # a consequence of init_from
    "resume",  # a resumed run gives the same scores as one without interruption
    "table",  # of an experiment's file
    "tracking",
    "training.checkpoint_minutes",
    "training.log_every",
    "trust",  # what a run that is loaded may call; of the command, not of its run
)
NAMES = ("evaluation", "experiment")  # names of choices; the options in their files are compared instead


def changes_no_score(key: str) -> bool:
    """Return whether a setting, such as "training.log_every", does not change scores."""
    return key in NAMES or any(key == one or key.startswith(f"{one}.") for one in SETTINGS)
