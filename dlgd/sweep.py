"""python -m dlgd.sweep sweep=mnist_5k trials=40 workers=2: search for the best options of a training or method.

Workers are processes that train one network after the other and score it on the validation split. The search is kept
in a file, or in a database that several machines share: the same command goes on with it, and helps with it elsewhere.
"""

from __future__ import annotations

import shlex
import sys

from omegaconf import DictConfig, OmegaConf

from dlgd.cli import entry

OmegaConf.register_new_resolver("study_name", lambda study, sweep: study or sweep, replace=True)


@entry.command("sweep")
def main(config: DictConfig) -> None:
    """Search, or go on searching; then say which trial is best, write its configuration, and score it."""
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
        print(f"dlgd: stopped; go on with: {command}", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
