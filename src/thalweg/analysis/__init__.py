"""Judgments on a trace: functions over the Dataset that return xarray or pandas objects."""

from thalweg.analysis.alignment import alignment, distance
from thalweg.analysis.basins import basins
from thalweg.analysis.bifurcation import bifurcation, doublings
from thalweg.analysis.criteria import criteria, f_test
from thalweg.analysis.cycles import final_period
from thalweg.analysis.derivation import derived
from thalweg.analysis.diagnostics import diagnostics
from thalweg.analysis.divergence import divergence
from thalweg.analysis.fit_report import fit_report
from thalweg.analysis.fitted import fitted
from thalweg.analysis.intervals import profile_intervals
from thalweg.analysis.landscape import landscape
from thalweg.analysis.lyapunov import lyapunov
from thalweg.analysis.outcome import outcome
from thalweg.analysis.precision import precision
from thalweg.analysis.prediction import prediction
from thalweg.analysis.profiles import data_profile, ecdf, performance_profile, waterfall
from thalweg.analysis.rates import rates
from thalweg.analysis.resampling import bootstrap
from thalweg.analysis.stability import stability
from thalweg.analysis.stationary_points import KINDS, stationary_points
from thalweg.analysis.table import table
from thalweg.analysis.timing import step_seconds
from thalweg.analysis.uncertainties import best_fit, fit_table, uncertainty
from thalweg.engine.endings import OUTCOMES

__all__ = [
    "KINDS",
    "OUTCOMES",
    "alignment",
    "basins",
    "best_fit",
    "bifurcation",
    "bootstrap",
    "criteria",
    "data_profile",
    "derived",
    "diagnostics",
    "distance",
    "divergence",
    "doublings",
    "ecdf",
    "f_test",
    "final_period",
    "fit_report",
    "fit_table",
    "fitted",
    "landscape",
    "lyapunov",
    "outcome",
    "performance_profile",
    "precision",
    "prediction",
    "profile_intervals",
    "rates",
    "stability",
    "stationary_points",
    "step_seconds",
    "table",
    "uncertainty",
    "waterfall",
]


def __dir__() -> list[str]:
    return __all__
