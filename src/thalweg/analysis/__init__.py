"""Judgments on a trace: functions over the Dataset that return xarray or pandas objects."""

from thalweg.analysis.alignment import alignment, distance
from thalweg.analysis.landscape import KINDS, stationary_points
from thalweg.analysis.outcome import OUTCOMES, outcome
from thalweg.analysis.profiles import data_profile, ecdf, performance_profile, waterfall
from thalweg.analysis.table import table
from thalweg.analysis.uncertainties import best_fit, fit_table, uncertainty

__all__ = [
    "KINDS",
    "OUTCOMES",
    "alignment",
    "best_fit",
    "data_profile",
    "distance",
    "ecdf",
    "fit_table",
    "outcome",
    "performance_profile",
    "stationary_points",
    "table",
    "uncertainty",
    "waterfall",
]
