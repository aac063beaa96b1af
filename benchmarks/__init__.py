"""Speeds, measured and printed; tests never depend on them."""
