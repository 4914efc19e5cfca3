"""A trial of NetCDF files in another process: the C library hangs or crashes on some damaged ones.

A hanging call of the library cannot be interrupted, and a crash takes all unsaved work along. So each file is opened
first by a helper process, which serves all files, ends with this process, and is killed where a file takes too long.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

OPENS_WITHIN = 60  # s; a healthy file's header takes milliseconds, even over a slow network no minute

_HELPER = """
import json, signal, sys
import netCDF4
print("ready", flush=True)
for line in sys.stdin:
    seconds, path = json.loads(line)
    signal.alarm(seconds)  # ends the process within the library, too
    try:
        netCDF4.Dataset(path).close()
    except Exception:
        pass  # the caller gets the same, and says it
    signal.alarm(0)
    print("opened", flush=True)
"""

_lock = threading.Lock()
_helper: tuple[int, subprocess.Popen[str]] | None = None  # the process that started it, since forks share pipes


def survived(path: Path) -> bool:
    """Return whether the library comes to an end with opening a file, be it with an error.

    Also true where no helper can be started.
    """
    with _lock:
        helper = _started()
        if helper is None:
            return True
        assert helper.stdin is not None
        assert helper.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            helper.stdin.write(json.dumps([OPENS_WITHIN, str(path.absolute())]) + "\n")
            helper.stdin.flush()
            if helper.stdout.readline():
                return True
        _stop()
        return False


def _started() -> subprocess.Popen[str] | None:
    global _helper
    if _helper is not None and _helper[0] == os.getpid():
        return _helper[1]
    helper = subprocess.Popen(
        [sys.executable, "-P", "-c", _HELPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C is not for it
    )
    assert helper.stdout is not None
    _helper = os.getpid(), helper
    if helper.stdout.readline():
        return helper
    _stop()
    return None


@atexit.register
def _stop() -> None:
    """End the helper of this process."""
    global _helper
    if _helper is not None and _helper[0] == os.getpid():
        helper = _helper[1]
        for stream in (helper.stdin, helper.stdout):
            with contextlib.suppress(OSError):
                assert stream is not None
                stream.close()
        helper.kill()
        helper.wait()
    _helper = None
