"""Deep Learning for Geophysical Dynamics."""

from dlgd.core.threads import share_with_numba

__version__ = "0.1.0"

share_with_numba()  # before anything imports numba
