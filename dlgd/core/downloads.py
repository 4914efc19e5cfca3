"""Downloads of files: a file is whole and has the right checksum, or there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dlgd.core import cache

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

CHUNK = 2**18  # bytes
PATIENCE = 30  # seconds without a byte


class Failed(Exception):
    """A download that failed. The message is the beginning of a sentence."""


def fetch(url: str, path: Path, *, md5: str) -> Path:
    """Return `path`, after downloading the file unless it is there with that checksum.

    A file has another name until it is whole. Raises NotFound within `cache.only_found` if it is not there.
    """
    if not path.exists():
        cache.may_make(path)
    import pooch
    import requests
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    pooch.get_logger().setLevel("WARNING")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as shown:
            # pooch's annotations allow neither own progress bars, which its manual offers, nor its own downloaders
            downloader = pooch.HTTPDownloader(
                progressbar=Bar(shown, path.name),  # pyright: ignore[reportArgumentType]
                chunk_size=CHUNK, timeout=PATIENCE, headers={"User-Agent": "dlgd"},
            )  # fmt: skip
            pooch.retrieve(
                url, known_hash=f"md5:{md5}", fname=path.name, path=path.parent,
                downloader=downloader,  # pyright: ignore[reportArgumentType]
            )  # fmt: skip
    except requests.RequestException as error:
        raise Failed(f"{url} cannot be downloaded ({_reason(error)})") from error
    except ValueError as error:
        raise Failed(f"{url} is not what was published (its checksum is wrong)") from error
    except OSError as error:
        raise Failed(f"{path} cannot be written ({error.strerror or error})") from error
    return path


def _reason(error: Exception) -> str:
    """Return the cause of an error in a few words."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    words = {"ConnectTimeout": "no answer", "ReadTimeout": "no answer", "ChunkedEncodingError": "it ended half way"}
    return words.get(type(error).__name__, "no connection")


class Bar:
    """A progress bar for pooch, which sets its total as soon as it is known, and updates it after each chunk."""

    def __init__(self, shown: Progress, title: str) -> None:
        self.shown, self.title, self.total = shown, title, 0
        self.task: TaskID | None = None  # until the first bytes are there

    def update(self, size: int) -> None:
        """Advance by so many bytes."""
        if self.task is None:
            self.task = self.shown.add_task(self.title, total=self.total or None)
        self.shown.advance(self.task, size)

    def reset(self) -> None:
        """Go back to no bytes."""
        if self.task is not None:
            self.shown.reset(self.task)

    def close(self) -> None:
        """Do nothing: `fetch` closes the display."""
