"""python -m dlgd.send: send to MLflow what it lacks of runs that have ended, from the folders of the runs."""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig

from dlgd.cli import entry, run_folder


@entry.command("send")
def main(config: DictConfig) -> None:
    """Send the runs in `folders`. Leaves with exit code 1 where one could not be sent."""
    from dlgd.cli.multirun_summary import close_unrecorded_parents
    from dlgd.core import checks, passwords
    from dlgd.core.errors import Refusal
    from dlgd.tracking import late, store

    checks.of_kind("move", config.move, bool)
    if config.move and config.tracking.uri is None:
        raise Refusal("move=true needs an MLflow to which runs move: type tracking.uri=...")
    folders = [Path(str(one)).expanduser() for one in config.folders]
    missing = [str(one) for one in folders if not one.is_dir()]
    if len(missing) == len(folders):
        raise Refusal(f"there is no folder {' or '.join(missing)}: type folders=[...], those of runs")
    uri = None if config.tracking.uri is None else store.locate(str(config.tracking.uri))
    found, sent = late.unsent([one for one in folders if one.is_dir()], uri, move=config.move), []
    for folder, record in found.items():
        if run_folder.in_use(folder):
            continue
        try:
            run_id = late.send(folder, record, uri)
        except Refusal as refusal:
            print(f"dlgd: {refusal}", file=sys.stderr)
            continue
        except store.failures() as error:
            where = passwords.shown(uri or record.uri)
            print(f"dlgd: {folder} could not be sent to {where}: {store.reason(error)}", file=sys.stderr)
            continue
        sent.append(folder)
        print(f"{folder}: MLflow run {run_id}")
    close_unrecorded_parents(sent)
    print(f"{len(sent)} of {len(found)} runs sent")
    if len(sent) < len(found):
        sys.exit(1)


if __name__ == "__main__":
    main()
