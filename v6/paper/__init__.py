"""The embedded paper gateway: a TWS that can be pip-installed, on real index history."""
