"""Frozen values that every room speaks: no clock, no I/O, no broker types."""
