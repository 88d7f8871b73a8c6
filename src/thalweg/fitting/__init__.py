"""A model fitted to a table, from wherever it takes: the search for a start, the report, the files."""
