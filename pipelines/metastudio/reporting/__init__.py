"""Answers people's first questions from the raw tables, in SQL that runs on DuckDB and PostgreSQL alike."""
