"""Lanes on a machine: compiled programs that step thousands of points together."""
