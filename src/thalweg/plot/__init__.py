"""Figures of traces and problems: stills and movies by matplotlib that draw what is in the Dataset, and return it."""

from thalweg.plot.animation import animate
from thalweg.plot.basins import basins
from thalweg.plot.bifurcation import bifurcation
from thalweg.plot.curves import curves
from thalweg.plot.diagnostics import diagnostics
from thalweg.plot.fits import fit
from thalweg.plot.heatmap import heatmap
from thalweg.plot.landscape import landscape
from thalweg.plot.movie import Movie, Saved
from thalweg.plot.paths import paths
from thalweg.plot.predictions import predictions
from thalweg.plot.profiles import profile, waterfall
from thalweg.plot.rates import rates
from thalweg.plot.stability import stability
from thalweg.plot.sweep import sweep
from thalweg.plot.training_step import training_step

__all__ = [
    "Movie",
    "Saved",
    "animate",
    "basins",
    "bifurcation",
    "curves",
    "diagnostics",
    "fit",
    "heatmap",
    "landscape",
    "paths",
    "predictions",
    "profile",
    "rates",
    "stability",
    "sweep",
    "training_step",
    "waterfall",
]


def __dir__() -> list[str]:
    return __all__
