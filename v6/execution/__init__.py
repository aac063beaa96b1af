"""From an approved intent to a fill, at most once."""
