"""The warehouse on a cluster that speaks Spark Connect (MILLRACE_TARGET=spark or sail), instead of in a DuckDB file.

session.py asks it, tables.py says how raw lies there, reading.py how segments are read, loading.py loads them exactly
once, home.py brings back what the machine beside it works with. Nothing of pyspark is imported before it is needed.
"""
