"""Other sources: evidence that lies in a database or in files that DuckDB reads, declared in the settings.

The modules, in the order of their work: ``declared`` (what settings say), ``connecting`` (one connection, one
transaction), ``columns`` (what a relation must have), ``rows`` (from a row to a record), ``copying`` (records into one
ordered file), ``reading`` (all of it, for a plan).
"""
