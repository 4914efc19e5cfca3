"""PNG and JPEG files: listed, and opened as pictures in 256 levels of grey, or in colour."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dlgd.core.errors import Refusal

ENDINGS = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")  # what a file may be, whatever its name says

log = logging.getLogger(__name__)


def files_in(folder: Path) -> list[Path]:
    """Return the pictures in a folder by name, as their endings tell; a line in the log counts other files."""
    inside = sorted(one for one in folder.iterdir() if one.is_file() and not one.name.startswith("."))
    found = [one for one in inside if one.suffix.lower() in ENDINGS]
    if found and len(found) < len(inside):
        log.info("%s: %d files are no PNG or JPEG, and left out", folder, len(inside) - len(found))
    return found


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder by name; hidden ones are left out."""
    return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))


def opened(path: Path) -> Image.Image:
    """Return a picture in mode "L" or "RGB", as viewers show it: turned as a camera noted, transparency on white.

    Refusal where the file is another one, truncated or damaged, or so large that it may be a decompression bomb.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return _plain(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refusal(f"{path} has more pixels than are opened safely: make it smaller") from error
    except UnidentifiedImageError as error:
        raise Refusal(f"{path} is no PNG or JPEG, or damaged: make it again, or remove it") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise Refusal(f"{path} is truncated or damaged ({reason}): make it again, or remove it") from error


def _plain(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, of which Pillow would cut what is above 255
        return Image.fromarray((np.asarray(image, np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")
