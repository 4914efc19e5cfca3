"""Errors of libraries that a person can do something about: little memory, small batches. Imports nothing heavy."""

from __future__ import annotations

import re

# How PyTorch (CPU and GPU), NumPy and oneDNN say that there is too little memory, or that a size is beyond any memory.
MEMORY = re.compile(
    r"out of memory|not enough memory|(can't|cannot|unable to) allocate|array is too big|[Mm]aximum allowed dimension"
    r"|[Ss]torage size calculation overflowed|multiplication overflow|could not create a (primitive|memory)"
    r"|negative dimension|[Ii]nvalid (shape|size) dimension|array dimensions must|Overflow when unpacking|too large"
)
ASKED = re.compile(r"(?:tried to |[Uu]nable to |[Tt]ried to )allocate ([\d.]+ ?\w+)")
ALONE = "Expected more than 1 value per channel when training"  # PyTorch's batch normalization


def in_a_sentence(error: Exception) -> str | None:
    """Return what can be done about an error; None where it is of another kind."""
    message = str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError | ValueError) and MEMORY.search(message)):
        asked = ASKED.search(message)
        return (
            f"there is not enough memory{f' for {asked[1]} more' if asked else ''}: reduce training.batch_size, the "
            "size of the network (such as model.width), or that of the data (such as data.patch or data.samples)"
        )
    if isinstance(error, OverflowError):
        return f"a number that was typed is too large ({message}): type a smaller one"
    if isinstance(error, ValueError) and message.startswith(ALONE):
        return (
            "the network has a batch normalization, which needs more than one value of each channel: type "
            "training.batch_size=2 or more"
        )
    return None
