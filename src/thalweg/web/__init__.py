"""A page to touch, and a report to keep: what ``thalweg explore`` serves and ``thalweg report`` writes."""
