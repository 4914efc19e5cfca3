"""python -m dlgd.sweep sweep=mnist_5k trials=40 workers=2: search for the best options of a training or method.

Workers are processes that train one network after the other and score it on the validation split. The search is stored
in a file, or in a database that several machines share. The same command continues it, or joins it on another machine.
"""

from __future__ import annotations

import shlex
import sys

from omegaconf import DictConfig, OmegaConf

from dlgd.cli import entry
from dlgd.core.interruption import STOPPED, say

OmegaConf.register_new_resolver("study_name", lambda study, sweep: study or sweep, replace=True)


@entry.command("sweep")
def main(config: DictConfig) -> None:
    """Begin or continue a search; then print the best trial, write its configuration, and score it."""
    from dlgd.tuning.search import prepare, run_search

    search = prepare(config)
    status = "FAILED"
    try:
        ended = run_search(search)
        status = "FINISHED" if ended else "KILLED"
    except KeyboardInterrupt:
        ended, status = False, "KILLED"
    finally:
        search.tracker.finish(status)
    if not ended:
        command = shlex.join(["python", "-m", "dlgd.sweep", *sys.argv[1:]])
        say(f"dlgd: stopped; go on with: {command}\n")
        sys.exit(STOPPED)


if __name__ == "__main__":
    main()
