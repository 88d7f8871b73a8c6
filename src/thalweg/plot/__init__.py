"""Figures of traces and problems: matplotlib stills that draw what is in the Dataset, and return their figure."""

from thalweg.plot.curves import curves
from thalweg.plot.landscape import landscape
from thalweg.plot.paths import paths

__all__ = ["curves", "landscape", "paths"]
