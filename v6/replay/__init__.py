"""The same rules over what was recorded, as one DuckDB query."""
