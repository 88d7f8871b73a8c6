"""Judgments on a trace: functions over the Dataset that return xarray or pandas objects."""

from thalweg.analysis.alignment import alignment, distance
from thalweg.analysis.outcome import OUTCOMES, outcome
from thalweg.analysis.table import table

__all__ = ["OUTCOMES", "alignment", "distance", "outcome", "table"]
