"""Deep Learning for Geophysical Dynamics."""

__version__ = "0.1.0"
