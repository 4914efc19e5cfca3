"""Deep Learning for Geophysical Dynamics, from Python: networks beside the field's classical methods.

    import dlgd

    run = dlgd.train(model="cnn", data="mnist_5k", training={"epochs": 3})  # or dlgd.load("outputs/2026-01-31/...")
    run.table                       # scores beside the classical methods
    run.predict(my_dataset)         # fields in physical units
    data = dlgd.data("ssh", days=15)
    dlgd.method("oi", Lx=1.0).predict(data.samples("test"))
    dlgd.compare(experiment="ssh")  # a table of finished runs

docs/python.md shows more. What is wrong in a call raises `dlgd.Refusal`, with the sentence that the commands print.

PyTorch and the other libraries are imported when they are needed, not by `import dlgd`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dlgd.core import early_stop

if TYPE_CHECKING:
    from dlgd.core.errors import Refusal
    from dlgd.interface.comparing import compare
    from dlgd.interface.data import Data, data
    from dlgd.interface.loading import load
    from dlgd.interface.method import Method, method
    from dlgd.interface.run import Run
    from dlgd.interface.training import train

early_stop.install()

__version__ = "0.2.0"
__all__ = ["Data", "Method", "Refusal", "Run", "compare", "data", "load", "method", "train"]

_PLACES = {
    "Data": "dlgd.interface.data",
    "Method": "dlgd.interface.method",
    "Refusal": "dlgd.core.errors",
    "Run": "dlgd.interface.run",
    "compare": "dlgd.interface.comparing",
    "data": "dlgd.interface.data",
    "load": "dlgd.interface.loading",
    "method": "dlgd.interface.method",
    "train": "dlgd.interface.training",
}


def __getattr__(name: str) -> Any:
    """Return a name of the interface, whose module is imported at its first use."""
    if name not in _PLACES:
        raise AttributeError(f"module 'dlgd' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


class _Package(ModuleType):
    """The package, in which the functions `train` and `compare` keep their names.

    There are modules of the same names, for `python -m dlgd.train`. Python would set each as an attribute of the
    package when it is imported, in place of the function. `from dlgd.train import main` finds the module all the same.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _PLACES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
