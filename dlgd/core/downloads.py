"""Files from the network: whole and of the right checksum, or not at all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

CHUNK = 2**18  # bytes
PATIENCE = 30  # seconds without a byte


class Failed(Exception):
    """Why there is no file; the beginning of a sentence."""


def fetch(url: str, path: Path, *, md5: str) -> Path:
    """The file at `path` if it is there with that checksum, else downloaded; it has another name until it is whole."""
    import pooch
    import requests
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    pooch.get_logger().setLevel("WARNING")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as shown:
            # pooch's annotations know neither a bar of one's own, which its manual offers, nor its own downloaders
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
    """What is at the bottom of it, in a few words."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    words = {"ConnectTimeout": "no answer", "ReadTimeout": "no answer", "ChunkedEncodingError": "it ended half way"}
    return words.get(type(error).__name__, "no connection")


class Bar:
    """A progress bar as pooch wants it: its total is set once that is known, and it is told the bytes of each chunk."""

    def __init__(self, shown: Progress, title: str) -> None:
        self.shown, self.title, self.total = shown, title, 0
        self.task: TaskID | None = None  # until the first bytes are there

    def update(self, size: int) -> None:
        """That many bytes more."""
        if self.task is None:
            self.task = self.shown.add_task(self.title, total=self.total or None)
        self.shown.advance(self.task, size)

    def reset(self) -> None:
        """Back to no bytes."""
        if self.task is not None:
            self.shown.reset(self.task)

    def close(self) -> None:
        """The display is closed by who opened it."""
