"""Figures of traces and problems: matplotlib stills that draw what is in the Dataset, and return their figure."""

from thalweg.plot.curves import curves
from thalweg.plot.fits import fit
from thalweg.plot.landscape import landscape
from thalweg.plot.paths import paths
from thalweg.plot.profiles import profile, waterfall

__all__ = ["curves", "fit", "landscape", "paths", "profile", "waterfall"]
