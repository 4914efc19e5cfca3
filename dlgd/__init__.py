"""Deep Learning for Geophysical Dynamics."""

__version__ = "0.2.0"
